package healthlake

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"healthlake-cdc/internal/cdc"
)

// History asks for a page of a resource's history, newest first: the first one,
// or by HistoryPage.Next a further one. A resource without history is
// cdc.ClassNotFound; a store that keeps none for the type refuses with
// cdc.ClassRejected. When the store refuses a further page's token the class is
// cdc.ClassPageToken. A page that is larger than an answer may be is answered as an
// empty one, whose Next begins the history again in smaller pages.
func (c *Client) History(ctx context.Context, datastore, resourceType, id, next string) (cdc.HistoryPage, error) {
	if err := checkAsk(opHistory, datastore, resourceType, nil); err != nil {
		return cdc.HistoryPage{}, err
	}
	if !cdc.UsableID(id) {
		return cdc.HistoryPage{}, invalidInput(opHistory, adviceNoID)
	}
	asked := list{count: PageSize}
	first := func(l list) *url.URL {
		return c.target(datastore, url.Values{"_count": {strconv.Itoa(l.count)}}, resourceType, id, "_history")
	}
	op, target := opHistory, first(asked)
	if next != "" {
		op = opHistoryNext
		var err error
		link, of := unmarked(next)
		if of.count > 0 {
			asked = of
		}
		if target, err = c.follow(datastore, link); err != nil {
			return cdc.HistoryPage{}, &cdc.Error{Op: op, Class: cdc.ClassRejected, Advice: err.Error() + ", so it is not followed"}
		}
	}
	var page cdc.HistoryPage
	err := c.do(ctx, request{op: op, datastore: datastore, resourceType: resourceType, target: target}, func(a answer) error {
		b, err := decodeBundle(a.body)
		if err != nil {
			return err
		}
		page = cdc.HistoryPage{Next: c.portable(datastore, b.next, asked)}
		page.Entries, page.Unreadable = b.versions(resourceType, id)
		return nil
	})
	if cdc.ClassOf(err) == cdc.ClassTooLarge && asked.fewer() {
		return cdc.HistoryPage{Next: asked.mark(first(asked).RequestURI())}, nil
	}
	if err != nil {
		return cdc.HistoryPage{}, err
	}
	return page, nil
}

// versions returns the versions of one resource, and the entries that are none of its.
// A delete (FHIR R4, http.html#history: an entry whose request.method is DELETE has no
// resource) has the version and the time of its response, as far as the store gives
// them. Servers show one as a GET that was answered with 410, too, or leave the
// request out.
func (b bundle) versions(resourceType, id string) (entries []cdc.HistoryEntry, unreadable []cdc.Unreadable) {
	strange := newUnreadables(b.strangeLinks)
	for _, e := range b.entries {
		if e.tombstone() {
			entries = append(entries, cdc.HistoryEntry{Deleted: true, Resource: Resource{Version: cdc.Version{
				Type: resourceType, ID: id,
				VersionID:   versionOf(e.response.etag, e.response.location),
				LastUpdated: e.response.lastModified,
			}}})
			continue
		}
		resource, err := decodeResource(e.resource)
		if err != nil || e.ambiguous || resource.Type != resourceType || resource.ID != id {
			strange.add(e.raw, resource)
			continue
		}
		entries = append(entries, cdc.HistoryEntry{Resource: resource})
	}
	return entries, strange.list
}

// tombstone reports whether an entry of a history is of a delete.
func (e entry) tombstone() bool {
	return strings.EqualFold(e.method, http.MethodDelete) ||
		e.response.gone() && (e.resource == nil || strings.EqualFold(e.method, http.MethodGet))
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
