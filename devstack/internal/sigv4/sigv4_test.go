package sigv4

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The two servers' tests sign requests and check the signatures.
func TestParse(t *testing.T) {
	header := "AWS4-HMAC-SHA256 Credential=AKID/20261127/us-west-2/sqs/aws4_request, SignedHeaders=host;x-amz-date, Signature=abc"
	got, ok := Parse(header)
	require.True(t, ok)
	require.Equal(t, Authorization{
		AccessKeyID: "AKID", Scope: "20261127/us-west-2/sqs/aws4_request", Signature: "abc", SignedHeaders: []string{"host", "x-amz-date"},
	}, got)
	for _, bad := range []string{
		"", "Bearer abc", "AWS4-HMAC-SHA256 ",
		"AWS4-HMAC-SHA256 Credential=AKID, SignedHeaders=host, Signature=abc",
		"AWS4-HMAC-SHA256 Credential=AKID/scope, SignedHeaders=host",
	} {
		_, ok := Parse(bad)
		require.False(t, ok, bad)
	}
}
