// Package healthlake is the client of a FHIR R4 datastore: search by
// meta.lastUpdated, further pages, counts, reads and the list of searchable
// types, over plain HTTP signed with AWS Signature Version 4. The AWS SDK has
// only HealthLake's control plane, no FHIR calls.
//
// Any FHIR R4 server that answers behind {endpoint}/datastore/{id}/r4/ will do.
//
// Resources are carried byte for byte: only resourceType, id, meta.versionId
// and meta.lastUpdated are decoded. Every error is a *cdc.Error, whose text
// holds a route template, a class and a status: no URL, no FHIR id, no query and
// no body leaves this package in an error, a span or an observation.
package healthlake
