package healthlake

import (
	"context"
	"encoding/json"
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
// cdc.ClassPageToken.
func (c *Client) History(ctx context.Context, datastore, resourceType, id, next string) (cdc.HistoryPage, error) {
	if err := checkAsk(opHistory, datastore, resourceType, nil); err != nil {
		return cdc.HistoryPage{}, err
	}
	if !validSegment(id) {
		return cdc.HistoryPage{}, invalidInput(opHistory, "the resource id cannot stand in a path")
	}
	query := url.Values{"_count": {strconv.Itoa(PageSize)}}
	target := c.target(datastore, resourceType+"/"+id+"/_history", query)
	op := opHistory
	if next != "" {
		op = opHistoryNext
		var err error
		if target, err = c.follow(datastore, next); err != nil {
			return cdc.HistoryPage{}, &cdc.Error{Op: op, Class: cdc.ClassRejected, Advice: err.Error() + ", so it is not followed"}
		}
	}
	r := request{op: op, datastore: datastore, resourceType: resourceType, target: target}
	var page cdc.HistoryPage
	err := c.do(ctx, r, func(a answer) error {
		b, err := decodeHistory(a.body)
		if err != nil {
			return err
		}
		page = cdc.HistoryPage{}
		page.Entries, page.Invalid = b.entries(resourceType, id)
		if link := b.next(); link != "" {
			page.Next = c.portable(datastore, link)
		}
		if page.Next == target.RequestURI() {
			return errLoop // following it would never end
		}
		return nil
	})
	if err != nil {
		return cdc.HistoryPage{}, err
	}
	return page, nil
}

// historyBundle is what is decoded of a history.
type historyBundle struct {
	bundle
	Entry []struct {
		Resource json.RawMessage `json:"resource"`
		Request  struct {
			Method string `json:"method"`
		} `json:"request"`
		Response struct {
			ETag         string `json:"etag"`
			LastModified string `json:"lastModified"`
			Location     string `json:"location"`
		} `json:"response"`
	} `json:"entry"`
}

func decodeHistory(body []byte) (historyBundle, error) {
	var b historyBundle
	if err := json.Unmarshal(body, &b); err != nil {
		return historyBundle{}, errNotJSON
	}
	if b.ResourceType != "Bundle" {
		return historyBundle{}, errNotBundle
	}
	return b, nil
}

// entries returns the versions of one resource, and how many entries are none of
// its. A delete (FHIR R4, http.html#history: an entry whose request.method is
// DELETE has no resource) has the version and the time of its response, as far
// as the store gives them.
func (b historyBundle) entries(resourceType, id string) (entries []cdc.HistoryEntry, invalid int) {
	for _, entry := range b.Entry {
		if entry.Request.Method == http.MethodDelete {
			entries = append(entries, cdc.HistoryEntry{Deleted: true, Resource: Resource{Version: cdc.Version{
				Type: resourceType, ID: id,
				VersionID:   versionOf(entry.Response.ETag, entry.Response.Location),
				LastUpdated: entry.Response.LastModified,
			}}})
			continue
		}
		resource, err := decodeResource(entry.Resource)
		if err != nil || resource.Type != resourceType || resource.ID != id {
			invalid++
			continue
		}
		entries = append(entries, cdc.HistoryEntry{Resource: resource})
	}
	return entries, invalid
}

// versionOf reads a version from an ETag (W/"3") or, without one, from a location
// (…/_history/3); empty when neither names one.
func versionOf(etag, location string) string {
	version := strings.Trim(strings.TrimPrefix(etag, "W/"), `"`)
	if version == "" {
		_, version, _ = strings.Cut(location, "/_history/")
	}
	if !validSegment(version) {
		return ""
	}
	return version
}
