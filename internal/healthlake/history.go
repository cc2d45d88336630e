package healthlake

import (
	"cmp"
	"context"
	"net/http"
	"strings"

	"healthlake-cdc/internal/cdc"
)

// History asks for a page of a resource's history, newest first: the first one, or by
// Page.Next a further one. A resource without history is cdc.ClassNotFound; a store that
// keeps none for the type refuses with cdc.ClassInvalidRequest, a page's token with
// cdc.ClassPageTokenRejected. A page that is larger than an answer may be is answered as an empty
// one, whose Next begins the history again in smaller pages.
func (c *Client) History(ctx context.Context, datastore, resourceType, id, next string) (cdc.Page, error) {
	asked := list{historyOf: id, count: cdc.PageSize}
	r, err := c.get(opHistory, datastore, resourceType, asked.query(), id, "_history")
	if err != nil {
		return cdc.Page{}, err
	}
	if next != "" {
		r.op = opHistoryNext
		of, err := c.further(&r, next)
		if err != nil {
			return cdc.Page{}, err
		}
		asked.count = cmp.Or(of.count, asked.count)
	}
	return c.page(ctx, r, asked)
}

// versions returns the versions of one resource, and the entries that are none of its.
// A delete (FHIR R4, http.html#history: an entry whose request.method is DELETE has no
// resource) has the version and the time of its response, as far as the store gives
// them. Servers show one as a GET that was answered with 410, too, or leave the
// request out.
func (b bundle) versions(resourceType, id string) ([]cdc.Resource, []cdc.Unreadable) {
	var versions []cdc.Resource
	unreadable := newUnreadableEntries(b.unreadableLinks)
	for _, e := range b.entries {
		resource, err := decodeResource(e.resource)
		switch {
		case e.tombstone():
			versions = append(versions, cdc.Resource{Deleted: true, Version: cdc.Version{
				Type: resourceType, ID: id,
				VersionID:   versionOf(memberOf(e.response, "etag"), memberOf(e.response, "location")),
				LastUpdated: memberOf(e.response, "lastModified"),
			}})
		case err != nil || e.ambiguous || resource.Type != resourceType || resource.ID != id:
			unreadable.add(e.raw, resource)
		default:
			versions = append(versions, resource)
		}
	}
	return versions, unreadable.list
}

// tombstone reports whether an entry of a history is of a delete.
func (e entry) tombstone() bool {
	code, _, _ := strings.Cut(strings.TrimSpace(memberOf(e.response, "status")), " ") // "410 Gone"
	gone := code == "410" || code == "404"
	return strings.EqualFold(e.method, http.MethodDelete) ||
		gone && (e.resource == nil || strings.EqualFold(e.method, http.MethodGet))
}

// versionOf reads a version from an ETag (W/"3") or, without one, from a location
// (…/_history/3); empty when neither names one.
func versionOf(etag, location string) string {
	version := strings.Trim(strings.TrimPrefix(etag, "W/"), `"`)
	if version == "" {
		_, version, _ = strings.Cut(location, "/_history/")
	}
	if !cdc.UsableVersion(version) {
		return ""
	}
	return version
}
