package trigger

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseTransports(t *testing.T) {
	body := sample(t, "cloudtrail-create-patient.json")
	want := Parse(body, scope())
	sns, err := json.Marshal(map[string]string{"Type": "Notification", "Message": string(body)})
	require.NoError(t, err)
	require.Equal(t, want, Parse(sns, scope()))
	bare, err := json.Marshal(decoded(t, "cloudtrail-create-patient.json")["detail"])
	require.NoError(t, err)
	require.Equal(t, want, Parse(bare, scope()))
	text, err := json.Marshal("\ufeff " + string(body))
	require.NoError(t, err)
	for _, same := range [][]byte{
		text, // a transformer that puts the event into quotes
		append([]byte("\ufeff\n"), body...),
		decoded(t, "cloudtrail-create-patient.json").set("detail", string(bare)).bytes(t),
		tree{"detail": decoded(t, "cloudtrail-create-patient.json")["detail"]}.bytes(t),
	} {
		require.Equal(t, want, Parse(same, scope()))
	}
	twice := strings.Replace(string(body), `"eventName": "CreateResource"`, `"eventName": "ReadResource", "eventName": "CreateResource"`, 1)
	require.Equal(t, want, Parse([]byte(twice), scope()))
}

func TestParseMalformedBodies(t *testing.T) {
	for name, body := range map[string]string{
		"empty": "", "no JSON": "<xml/>", "null": "null", "a list": "[]", "cut off": `{"source":"aws.healthlake"`,
		"too deep":   `{"source":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + "}",
		"too large":  `{"source":"aws.s3","x":"` + strings.Repeat("x", MaxBody) + `"}`,
		"notice":     `{"Type":"Notification","Message":"obs-42"}`,
		"two values": `{"source":"aws.s3"} {}`,
	} {
		got := Parse([]byte(body), scope())
		require.Equal(t, OutcomeMalformed, got.Outcome, name)
		require.NotEmpty(t, got.Reason, name)
		require.NotContains(t, got.Reason, "obs-42", name)
	}
}
