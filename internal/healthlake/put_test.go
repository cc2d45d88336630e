package healthlake

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

// The signatures, of bodies too, are verified by the store of these tests.
func TestDefinitions(t *testing.T) {
	const path = rootPath + "/Subscription/cdc-1"
	written := ""
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != path:
			http.NotFound(w, r)
		case r.Method == http.MethodPut:
			body, err := io.ReadAll(r.Body)
			assert.NoError(t, err)
			assert.Equal(t, "application/fhir+json", r.Header.Get("Content-Type"))
			status := http.StatusOK
			if written == "" {
				status = http.StatusCreated
			}
			written = string(body)
			w.WriteHeader(status)
		case written == "":
			http.NotFound(w, r)
		default:
			_, _ = io.WriteString(w, written)
		}
	})
	c, ctx := s.client(t), context.Background()
	_, found, err := c.ReadDefinition(ctx, testDatastore, "Subscription", "cdc-1")
	require.NoError(t, err)
	require.False(t, found)
	body := `{"resourceType":"Subscription","id":"cdc-1","x":"<é>"}`
	for _, created := range []bool{true, false} {
		got, err := c.PutDefinition(ctx, testDatastore, "Subscription", "cdc-1", []byte(body))
		require.NoError(t, err)
		require.Equal(t, created, got)
	}
	require.Equal(t, body, written)
	read, found, err := c.ReadDefinition(ctx, testDatastore, "Subscription", "cdc-1")
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, body, string(read))

	_, err = c.PutDefinition(ctx, testDatastore, "Subscription", "other", []byte(body))
	require.Equal(t, cdc.ClassInvalidRequest, cdc.ClassOf(err))
	require.ErrorContains(t, err, "FHIR Subscriptions")
	for _, id := range []string{"", "..", "a/b"} {
		_, err = c.PutDefinition(ctx, testDatastore, "Subscription", id, []byte(body))
		require.Equal(t, cdc.ClassInvalidInput, cdc.ClassOf(err))
	}
	_, err = c.PutDefinition(ctx, testDatastore, "Subscription", "cdc-1", nil)
	require.Equal(t, cdc.ClassInvalidInput, cdc.ClassOf(err))
}

// What is asked for is given only under its own name.
func TestDefinitionOfAnotherName(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"resourceType":"Subscription","id":"someone-elses"}`)
	})
	_, _, err := s.client(t).ReadDefinition(context.Background(), testDatastore, "Subscription", "cdc-1")
	require.Equal(t, cdc.ClassMalformed, cdc.ClassOf(err))
	require.NotContains(t, err.Error(), "someone-elses")
}
