package trigger

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"

	"healthlake-cdc/internal/cdc"
)

// The ids of events and jobs become parts of workflow IDs, correlationIds, idempotency
// keys and log lines, which are plain text. An id of a CloudTrail record or a job that has
// AWS's own form stays as it is; every other id, and each of a notification, is hashed.

// awsID is a UUID, or 32 hexadecimal digits (CloudTrail's eventID, HealthLake's
// JobId).
var awsID = regexp.MustCompile(`^(?:[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}|[0-9A-Fa-f]{32})$`)

// hashedID replaces an id of a datastore that is not shown: "n-" and the first 32 of the
// hexadecimal digits of its SHA-256.
func hashedID(datastore, id string) string {
	sum := sha256.Sum256([]byte(datastore + "\n" + id))
	return "n-" + hex.EncodeToString(sum[:])[:32]
}

// shownID is the first of the ids that is not empty, hashed unless it has the form
// of AWS's; "" when all are empty.
func shownID(datastore string, ids ...string) string {
	id := cmp.Or(ids...)
	if id == "" || awsID.MatchString(id) {
		return strings.ToLower(id)
	}
	return hashedID(datastore, id)
}

// datastoreIn is the datastore that a text names: its id, alone, at the end of an ARN
// (arn:aws:healthlake:…:datastore/fhir/{id}) or in a URL (…/datastore/{id}/r4/…);
// "" when it names none.
func datastoreIn(text string) string {
	id := text
	if _, rest, found := strings.Cut(text, "datastore/"); found {
		id, _, _ = strings.Cut(strings.TrimPrefix(rest, "fhir/"), "/")
	}
	if !cdc.ValidDatastore(id) {
		return ""
	}
	return id
}

// placeOnly is a URL or an ARN that names a datastore, else "": a bare word is not an id.
func placeOnly(text string) string {
	if !strings.Contains(text, "datastore/") {
		return ""
	}
	return text
}

// datastore is the configured datastore that one of the texts names. named is false
// when none names any; of several, a configured one counts, "" means none is.
func (s Scope) datastore(texts ...string) (configured string, named bool) {
	for _, text := range texts {
		id := datastoreIn(text)
		if id == "" {
			continue
		}
		named = true
		if name, ok := nameIn(s.Datastores, id); ok {
			return name, true
		}
	}
	return "", named
}

// resourceType is the resource type of a name: a configured one in any letter case,
// another one of FHIR R4's, or "" when it is none, as where the type is hidden.
func (s Scope) resourceType(name string) string {
	if configured, ok := nameIn(s.Types, name); ok {
		return configured
	}
	if !cdc.KnownType(name) {
		return ""
	}
	return name
}

// nameIn finds a name in a set: as it is, or else the only one that differs from it in
// letter case alone.
func nameIn(set map[string]bool, name string) (found string, ok bool) {
	if set[name] {
		return name, true
	}
	for other := range set {
		if strings.EqualFold(other, name) {
			if found != "" {
				return "", false
			}
			found = other
		}
	}
	return found, found != ""
}
