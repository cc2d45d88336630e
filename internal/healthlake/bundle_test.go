package healthlake

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
)

func TestResourcesStayByteForByte(t *testing.T) {
	const head = `"resourceType":"Patient","id":"1","meta":{"versionId":"1","lastUpdated":"2026-03-01T12:00:00.000Z"}`
	for name, body := range map[string]string{
		"whitespace":     "{\n\t  " + head + " ,\r\n \"a\" : [ 1 ,2 ]   }",
		"decimals":       `{` + head + `,"a":1.10,"b":12345678901234567890.12345678901234567890,"c":1E+400,"d":-0.0,"e":1e-7}`,
		"escapes":        `{` + head + `,"a":"\u00e9\/\u003cdiv\u003e\ud83d\ude00 <div>&amp;é😀"}`,
		"duplicate keys": `{` + head + `,"a":1,"a":2,"b":{"c":1,"c":[]}}`,
		"order":          `{"meta":{"lastUpdated":"2026-03-01T12:00:00.000Z","extra":[{}],"versionId":"1"},"z":null,"id":"1","resourceType":"Patient"}`,
		"same names":     `{` + head + `,"contained":[{"resourceType":"Basic","id":"2","meta":{"versionId":"9"}}],"_id":{"id":"x"}}`,
		"lone surrogate": `{` + head + `,"a":"\ud83d"}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, responding(searchset("", body, patient("2", "1"))))
			page, err := searchPatients(s.client(t))
			require.NoError(t, err)
			require.Len(t, page.Resources, 2)
			require.Equal(t, body, string(page.Resources[0].Body))
			require.Equal(t, "1", page.Resources[0].ID)
			require.Equal(t, "1", page.Resources[0].VersionID)
			require.Equal(t, patient("2", "1"), string(page.Resources[1].Body))
		})
	}
}

func TestEntriesThatAreNotTaken(t *testing.T) {
	body := `{"resourceType":"Bundle","type":"searchset","entry":[
		{"resource":` + patient("kept", "1") + `},
		{"resource":` + patient("kept-match", "2") + `,"search":{"mode":"match","score":1}},
		{"resource":` + patient("included", "1") + `,"search":{"mode":"include"}},
		{"resource":{"resourceType":"OperationOutcome","issue":[]},"search":{"mode":"outcome"}},
		{"resource":{"resourceType":"OperationOutcome","issue":[]}},
		{"resource":` + strings.Replace(patient("other", "1"), "Patient", "Observation", 1) + `},
		{"fullUrl":"urn:no-resource"},
		{"resource":null},
		{"resource":"text"},
		{"resource":{"id":"no-type"}},
		{"resource":` + patient("", "1") + `},
		{"resource":` + patient("no-version", "") + `},
		{"resource":{"resourceType":"Patient","id":"bad-time","meta":{"versionId":"1","lastUpdated":"yesterday"}}},
		{"resource":{"resourceType":"Patient","id":"number","meta":{"versionId":1,"lastUpdated":"2026-03-01T12:00:00Z"}}},
		{"resource":` + patient("not-utf8\xff", "1") + `}]}`
	s := newServer(t, responding(body))
	page, err := searchPatients(s.client(t))
	require.NoError(t, err)
	require.Len(t, page.Unreadable, 9)
	require.Len(t, page.Resources, 2)
	require.Equal(t, "kept", page.Resources[0].ID)
	require.Equal(t, "kept-match", page.Resources[1].ID)
}

func TestResponsesThatAreNoSearchset(t *testing.T) {
	for name, body := range map[string]string{
		"empty":     "",
		"html":      "<html>" + secretBody + "</html>",
		"outcome":   `{"resourceType":"OperationOutcome","issue":[{"diagnostics":"` + secretBody + `"}]}`,
		"array":     `[]`,
		"null":      `null`,
		"entry":     `{"resourceType":"Bundle","entry":{"resource":"` + secretBody + `"}}`,
		"two":       searchset("") + searchset(""),
		"cut short": searchset("", patient(secretID, "1"))[:150],
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, responding(body))
			_, err := searchPatients(s.client(t))
			e := requireClass(t, cdc.ClassMalformed, err)
			require.Equal(t, 200, e.Status)
		})
	}
}

// examplePage is a page of 100 resources of about 1.4 KB, like Synthea's.
func examplePage() []byte {
	resources := make([]string, cdc.PageSize)
	for i := range resources {
		coding := strings.Repeat(`{"system":"http://loinc.org","code":"8302-2","display":"Body Height","value":1.10},`, 15)
		resources[i] = fmt.Sprintf(`{"resourceType":"Observation","id":"o%d","meta":{"versionId":"1","lastUpdated":"2026-03-01T12:00:00.000Z"},"code":{"coding":[%s]}}`,
			i, strings.TrimSuffix(coding, ","))
	}
	return []byte(searchset("", resources...))
}

func BenchmarkDecodePage(b *testing.B) {
	page := examplePage()
	b.SetBytes(int64(len(page)))
	b.ReportAllocs()
	for b.Loop() {
		decoded, err := decodeBundle(page)
		if err != nil {
			b.Fatal(err)
		}
		if resources, unreadable := decoded.resources("Observation"); len(resources) != cdc.PageSize || len(unreadable) != 0 {
			b.Fatal("page lost resources")
		}
	}
}

// FuzzDecodeBundle checks that whatever a store answers, what is taken from it
// is a valid version of the asked type and a literal part of the answer.
func FuzzDecodeBundle(f *testing.F) {
	f.Add([]byte(searchset("/next", patient("1", "1"))))
	f.Add([]byte(`{"resourceType":"Bundle","total":-1,"entry":[{}],"entry":[{"resource":{}}]}`))
	f.Add([]byte(`{"resourceType":"Bundle","entry":null}`))
	f.Add([]byte(`{"resourceType":"Bundle","link":[{"relation":"next","url":"\\"}],"entry":[[[,{"resource":{"a":"\\\""}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := decodeBundle(body)
		if err != nil {
			return
		}
		resources, _ := b.resources("Patient")
		for _, resource := range resources {
			require.NoError(t, resource.Validate())
			require.Equal(t, "Patient", resource.Type)
			require.Contains(t, string(body), string(resource.Body))
		}
		require.GreaterOrEqual(t, b.total, -1)
		b.versions("Patient", "1")
	})
}
