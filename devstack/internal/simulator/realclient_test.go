package simulator_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/healthlake"
)

// The product's client reads unusual ids: each path is signed as the verifier reads it,
// and leads to that resource.
func TestRealClientReadsUnusualIDs(t *testing.T) {
	s, writer := start(t, simulator.Config{AnyIDs: true})
	id := simulator.DefaultCredentials
	reader, err := healthlake.New(healthlake.Config{
		Endpoint: s.URL(), Region: "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider(id.AccessKeyID, id.SecretAccessKey, ""),
	})
	require.NoError(t, err)
	ctx := context.Background()
	for i, id := range []string{
		"a:1:b:2", "a b", "a+b", "ä", "a%2Fb", "a/b", ".", "..", "../../x", "a?b=c&d", "a#b", "~", "a;b,c@d", strings.Repeat("x", 200), strings.Repeat("ä", 200),
	} {
		body := fmt.Appendf(nil, `{"resourceType":"Patient","id":%q}`, id)
		path := strings.NewReplacer("%", "%25", "/", "%2F", "?", "%3F", "#", "%23", " ", "%20", "+", "%2B", ".", "%2E").Replace(id)
		for range 102 { // more than one page of history
			_, _, err := writer.Do(ctx, http.MethodPut, "Patient/"+path, nil, body)
			require.NoError(t, err, id)
		}
		resource, err := reader.Read(ctx, store, "Patient", id)
		require.NoError(t, err, id)
		require.Equal(t, []string{id, "102"}, []string{resource.ID, resource.VersionID})
		resource, err = reader.VRead(ctx, store, "Patient", id, "3")
		require.NoError(t, err, id)
		require.Equal(t, []string{id, "3"}, []string{resource.ID, resource.VersionID})
		page, err := reader.History(ctx, store, "Patient", id, "")
		require.NoError(t, err, id)
		require.Len(t, page.Resources, 100, id)
		if !strings.ContainsAny(id, `/%`) && strings.Trim(id, ".") != "" { // such a link could be read in two ways
			page, err = reader.History(ctx, store, "Patient", id, page.Next)
			require.NoError(t, err, id)
			require.Len(t, page.Resources, 2, id)
		}
		_, err = reader.Read(ctx, store, "Patient", id+"-none")
		require.Equal(t, cdc.ClassNotFound, cdc.ClassOf(err), id)
		found, err := reader.Search(ctx, cdc.SearchRequest{
			Datastore: store, Type: "Patient", Span: cdc.Span{From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour)}, ID: "p0", IDsOnly: true,
		})
		require.NoError(t, err, i)
		require.Empty(t, found.Resources)
	}
}
