package healthlake

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

func TestHistory(t *testing.T) {
	const path = rootPath + "/Patient/" + secretID + "/_history"
	tombstone := func(response string) string {
		return `{"fullUrl":"x","request":{"method":"DELETE","url":"Patient/` + secretID + `"},"response":` + response + `}`
	}
	version := func(v string) string {
		return `{"request":{"method":"PUT"},"resource":` + patient(secretID, v) + `}`
	}
	var s *server
	s = newServer(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == path && r.URL.Query().Get("_count") == "100":
			_, _ = fmt.Fprintf(w, `{"resourceType":"Bundle","type":"history","link":[{"relation":"next","url":"%s%s?page=a=b/c+d"}],"entry":[%s,%s,%s,%s]}`,
				s.URL, path, tombstone(`{"etag":"W/\"9\"","lastModified":"2026-03-01T12:00:09.123Z"}`), version("8"),
				`{"resource":`+patient("someone-else", "7")+`}`, `{"resource":{"resourceType":"Patient"}}`)
		case r.URL.Path == path && r.URL.Query().Get("page") == "a=b/c+d":
			_, _ = fmt.Fprintf(w, `{"resourceType":"Bundle","type":"history","entry":[%s,%s,%s]}`,
				tombstone(`{"location":"Patient/x/_history/6"}`), tombstone(`{}`), version("4"))
		default:
			http.NotFound(w, r)
		}
	})
	c, ctx := s.client(t), context.Background()
	page, err := c.History(ctx, testDatastore, "Patient", secretID, "")
	require.NoError(t, err)
	require.Len(t, page.Unreadable, 2, "another resource's version, and one without a version")
	require.Len(t, page.Resources, 2)
	require.True(t, page.Resources[0].Deleted)
	require.Equal(t, cdc.Version{Type: "Patient", ID: secretID, VersionID: "9", LastUpdated: "2026-03-01T12:00:09.123Z"}, page.Resources[0].Version)
	require.Empty(t, page.Resources[0].Body)
	require.Equal(t, patient(secretID, "8"), string(page.Resources[1].Body))

	page, err = c.History(ctx, testDatastore, "Patient", secretID, page.Next)
	require.NoError(t, err)
	require.Empty(t, page.Next)
	versions := make([]string, len(page.Resources))
	for i, entry := range page.Resources {
		versions[i] = entry.VersionID
	}
	require.Equal(t, []string{"6", "", "4"}, versions, "a tombstone may not say which version it is")
}

func TestHistoryIsFollowedWithinTheStoreOnly(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, `{"resourceType":"Bundle","link":[{"relation":"next","url":"https://elsewhere.example/x?page=1"}]}`)
	})
	c, ctx := s.client(t), context.Background()
	page, err := c.History(ctx, testDatastore, "Patient", secretID, "")
	require.NoError(t, err)
	asked := len(s.requested())
	_, err = c.History(ctx, testDatastore, "Patient", secretID, page.Next)
	requireClass(t, cdc.ClassInvalidRequest, err)
	require.Len(t, s.requested(), asked, "nothing was sent")
	for _, id := range []string{"", "a\nb", "a\xff"} {
		_, err := c.History(ctx, testDatastore, "Patient", id, "")
		requireClass(t, cdc.ClassInvalidInput, err)
	}
}
