package explain

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseRequest(t *testing.T) {
	request, err := ParseRequest("Patient/123")
	require.NoError(t, err)
	require.Equal(t, Request{Type: "Patient", ID: "123"}, request)
	request, err = ParseRequest("Patient/123/_history/4")
	require.NoError(t, err)
	require.Equal(t, Request{Type: "Patient", ID: "123", Version: "4"}, request)
	for _, wrong := range []string{
		"", "Patient", "Patient/", "/secret", "patient/secret", "Patient/secret/4", "Patient/secret/_history/",
		"Patient/secret/_history/4/5", "Patient/secret/history/4", "https://store/Patient/secret",
	} {
		_, err := ParseRequest(wrong)
		require.Error(t, err, wrong)
		require.NotContains(t, err.Error(), "secret", "an error does not repeat an id")
	}
}
