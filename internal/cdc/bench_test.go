package cdc

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// benchBody is a resource of 3.6 KB.
func benchBody(i int) []byte {
	coding := strings.Repeat(`{"system":"http://loinc.org","code":"8302-2","display":"Body Height","value":1.10},`, 42)
	return fmt.Appendf(nil, `{"resourceType":"Observation","id":"o%d","code":{"coding":[%s]}}`, i, strings.TrimSuffix(coding, ","))
}

func benchVersion(i int) Version {
	return Version{Type: "Observation", ID: fmt.Sprintf("o%d", i), VersionID: "1", LastUpdated: "2026-03-01T12:00:00.000Z"}
}

// BenchmarkChangeEvent builds one event.
func BenchmarkChangeEvent(b *testing.B) {
	format := EventFormat{Source: "com.fhir-{type}", DetailType: "Fhir{Type}Changed"}
	origin := Origin{Datastore: "a1b2c3", Cause: Cause{CapturedBy: ByCloudTrail, SourceTime: time.Unix(1_700_000_000, 0)}, CorrelationID: "window/a1b2c3/2026"}
	change := Change{Version: benchVersion(1), Body: NewBody(benchBody(1))}
	b.SetBytes(int64(change.Body.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := format.ChangeEvent(change, origin, time.Unix(1_700_000_000, 0)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBodies packs the bodies of a page, encodes and decodes them, and unpacks them.
func BenchmarkBodies(b *testing.B) {
	raws, size := make([][]byte, PageSize), 0
	for i := range raws {
		raws[i] = benchBody(i)
		size += len(raws[i])
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		var packer Packer
		bodies := make([]*Body, len(raws))
		for i, raw := range raws {
			body := packer.Add(raw)
			bodies[i] = &body
		}
		encoded := EncodeBodies(nil, bodies)
		if err := DecodeBodies(encoded, bodies); err != nil {
			b.Fatal(err)
		}
		var unpacker Unpacker
		for _, body := range bodies {
			if _, err := unpacker.Unpack(*body); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkLedger puts a page's versions into a ledger of 10,000 and asks it for each.
func BenchmarkLedger(b *testing.B) {
	ledger := Ledger{Salt: Salt{1}}
	for i := range 10_000 {
		ledger.Type("Observation").Published.Add(ledger.Salt.Hash(benchVersion(i)))
	}
	b.ReportAllocs()
	for b.Loop() {
		for i := range PageSize {
			v := benchVersion(9_950 + i)
			if !ledger.Has(v) {
				ledger.Type("Observation").Published.Add(ledger.Salt.Hash(v))
			}
		}
	}
}
