package payload

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
)

// observation is a FHIR resource of about 1.4 KB, the mean of Synthea's; n makes
// each different.
func observation(n int) string {
	return fmt.Sprintf(`{"resourceType":"Observation","id":"obs-%08d","meta":{"versionId":"%d","lastUpdated":"2026-03-01T10:%02d:%02d.%03dZ",`+
		`"profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-vital-signs"]},"status":"final",`+
		`"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"Vital signs"}]}],`+
		`"code":{"coding":[{"system":"http://loinc.org","code":"85354-9","display":"Blood pressure panel"}],"text":"Blood pressure"},`+
		`"subject":{"reference":"Patient/pat-%06d"},"encounter":{"reference":"Encounter/enc-%07d"},"effectiveDateTime":"2026-02-%02dT08:15:00+01:00",`+
		`"component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8462-4","display":"Diastolic"}]},"valueQuantity":{"value":%d.%03d,"unit":"mm[Hg]"}},`+
		`{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6","display":"Systolic"}]},"valueQuantity":{"value":%d.%03d,"unit":"mm[Hg]"}}],`+
		`"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">%s</div>"}}`,
		n, n%9+1, n%60, n*7%60, n*13%1000, n*31%1000000, n*17%10000000, n%28+1, 60+n%40, n*37%1000, 100+n%60, n*41%1000,
		strings.Repeat(fmt.Sprintf("measured at station %d; ", n%100), 12))
}

func BenchmarkCodec(b *testing.B) {
	c := codec(b, ring(b, GenerateKey()))
	for _, resources := range []int{1, 100} {
		var body strings.Builder
		for i := range resources {
			body.WriteString(observation(i))
		}
		in := []*commonpb.Payload{{
			Metadata: map[string][]byte{converter.MetadataEncoding: []byte("json/plain")}, Data: []byte(body.String()),
		}}
		encoded, err := c.Encode(in)
		require.NoError(b, err)
		b.Run(fmt.Sprintf("encode/resources=%d", resources), func(b *testing.B) {
			b.SetBytes(int64(body.Len()))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Encode(in); err != nil {
					b.Fatal(err)
				}
			}
			// After the loop, whose start would clear it.
			b.ReportMetric(float64(body.Len())/float64(len(encoded[0].Data)), "ratio")
		})
		b.Run(fmt.Sprintf("decode/resources=%d", resources), func(b *testing.B) {
			b.SetBytes(int64(body.Len()))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Decode(encoded); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
