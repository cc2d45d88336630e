// Package healthlake is the client of a FHIR R4 datastore behind
// {endpoint}/datastore/{id}/r4/, over HTTP signed with AWS Signature Version 4. The AWS
// SDK has only HealthLake's control plane, no FHIR calls.
//
// Resources are carried byte for byte: only resourceType, id, meta.versionId
// and meta.lastUpdated are decoded. Every error is a *cdc.Error, whose text
// holds a route template, a class and a status: no URL, no FHIR id, no query and
// no body leaves this package in an error, a span or an observation.
package healthlake
