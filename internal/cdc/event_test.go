package cdc

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var format = EventFormat{Source: "com.fhir-{type}", DetailType: "Fhir{Type}Changed"}

// bodies draws resources with what a second marshalling would spoil.
func bodies() *rapid.Generator[[]byte] {
	member := rapid.SampledFrom([]string{
		`"div":"<div xmlns=\"x\">1 < 2 & 3 > 2</div>"`, `"escaped":"\u003cb\u003e \u00e9 \/ \ud83d\ude00"`,
		`"big":123456789012345678901234567890.10`, `"small":1.00E-20`, `"zero":-0.0`, "\"line\":\"\u2028\u2029\"",
		` "spaced" : [ 1 , 2 ] `, "\n\t\"x\": null", `"same":1,"same":2`, `"emoji":"😀é"`,
	})
	return rapid.Custom(func(t *rapid.T) []byte {
		return []byte("{" + strings.Join(rapid.SliceOfN(member, 1, 8).Draw(t, "members"), ",") + "}")
	})
}

func instants() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(firstSecond, lastSecond).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
	})
}

func versions() *rapid.Generator[Version] {
	return rapid.Custom(func(t *rapid.T) Version {
		return Version{
			Type:        resourceTypes().Draw(t, "type"),
			ID:          rapid.OneOf(rapid.StringMatching(`[A-Za-z0-9.-]{1,64}`), rapid.StringN(1, 64, -1).Filter(UsableID)).Draw(t, "id"),
			VersionID:   rapid.OneOf(rapid.Just("1"), rapid.StringMatching(`[1-9][0-9]{0,9}`), rapid.StringN(1, 9, -1).Filter(UsableVersion)).Draw(t, "version"),
			LastUpdated: instants().Draw(t, "lastUpdated").Format(time.RFC3339Nano),
		}
	})
}

func origins() *rapid.Generator[Origin] {
	return rapid.Custom(func(t *rapid.T) Origin {
		return Origin{
			Datastore:     datastores().Draw(t, "datastore"),
			Cause:         Cause{SourceTime: instants().Draw(t, "sourceTime"), CapturedBy: rapid.SampledFrom([]string{ByCloudTrail, BySubscription, ByOperator}).Draw(t, "by")},
			CorrelationID: windowIDs().Draw(t, "correlation"),
			Replay:        rapid.OneOf(rapid.Just(""), names(), rapid.StringOf(rapid.SampledFrom([]rune("a\"\x01é\u2028")))).Draw(t, "replay"),
		}
	})
}

func TestChangeEventKeepsTheBodyByteForByte(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, o, body := versions().Draw(t, "version"), origins().Draw(t, "origin"), bodies().Draw(t, "body")
		now := instants().Draw(t, "now")
		event, err := format.ChangeEvent(Change{Version: v, Body: NewBody(body)}, o, now)
		require.NoError(t, err)
		require.True(t, json.Valid(event.Detail))
		require.True(t, bytes.HasSuffix(event.Detail, []byte(`,"data":`+string(body)+`}`)))

		var detail struct {
			Meta map[string]string `json:"meta"`
			Data json.RawMessage   `json:"data"`
		}
		require.NoError(t, json.Unmarshal(event.Detail, &detail))
		want := map[string]string{
			"schema": Schema, "idempotencyKey": v.IdempotencyKey(o.Datastore), "change": "updated",
			"datastoreId": o.Datastore, "resourceType": v.Type, "resourceId": v.ID, "versionId": v.VersionID,
			"lastUpdated": v.LastUpdated, "sourceTime": o.SourceTime.Format(time.RFC3339Nano),
			"publishedAt": now.Format(time.RFC3339Nano), "capturedBy": o.CapturedBy,
			"correlationId": o.CorrelationID, "payload": "full",
		}
		if v.VersionID == "1" {
			want["change"] = "created"
		}
		if o.Replay != "" {
			want["replay"] = o.Replay
		}
		require.Equal(t, want, detail.Meta)
		require.True(t, event.Time.Equal(v.Time()))
		require.Equal(t, "com.fhir-"+strings.ToLower(v.Type), event.Source)
		require.Equal(t, "Fhir"+v.Type+"Changed", event.DetailType)
	})
}

func TestIdempotencyKeyIsTheSameAtEveryDelivery(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, a, b := versions().Draw(t, "version"), origins().Draw(t, "a"), origins().Draw(t, "b")
		b.Datastore = a.Datastore
		key := func(o Origin, reason string) string {
			event, err := format.ChangeEvent(Change{Version: v, Body: NewBody([]byte("{}")), Reason: reason}, o, instants().Draw(t, "now"))
			require.NoError(t, err)
			var detail struct {
				Meta struct {
					IdempotencyKey string `json:"idempotencyKey"`
				} `json:"meta"`
			}
			require.NoError(t, json.Unmarshal(event.Detail, &detail))
			return detail.Meta.IdempotencyKey
		}
		require.Equal(t, key(a, ""), key(b, ReasonConfigured))
	})
}

func TestReferenceHasNoData(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Change{Version: versions().Draw(t, "version"), Reason: rapid.SampledFrom([]string{ReasonOversize, ReasonConfigured}).Draw(t, "reason")}
		if rapid.Bool().Draw(t, "still holds a body") {
			c.Body = NewBody(bodies().Draw(t, "body"))
		}
		event, err := format.ChangeEvent(c, origins().Draw(t, "origin"), instants().Draw(t, "now"))
		require.NoError(t, err)
		var detail map[string]map[string]string
		require.NoError(t, json.Unmarshal(event.Detail, &detail))
		require.Len(t, detail, 1)
		require.Equal(t, "reference", detail["meta"]["payload"])
		require.Equal(t, c.Reason, detail["meta"]["reason"])
	})
}

func TestEventSize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := Event{
			Source: rapid.String().Draw(t, "source"), DetailType: rapid.String().Draw(t, "detailType"),
			Detail: rapid.SliceOf(rapid.Byte()).Draw(t, "detail"), Time: time.Unix(1, 0),
		}
		require.Equal(t, len([]byte(e.Source))+len([]byte(e.DetailType))+len(e.Detail)+14, e.Size())
	})
	require.Equal(t, 14+2+1+2, Event{Source: "é", DetailType: "d", Detail: []byte("{}")}.Size())
}

func TestOverheadIsAnUpperBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v, o, body := versions().Draw(t, "version"), origins().Draw(t, "origin"), bodies().Draw(t, "body")
		overhead, err := format.Overhead(v, o)
		require.NoError(t, err)
		now := instants().Draw(t, "now")
		full, err := format.ChangeEvent(Change{Version: v, Body: NewBody(body)}, o, now)
		require.NoError(t, err)
		require.LessOrEqual(t, full.Size(), overhead+len(body))
		require.Less(t, overhead+len(body)-full.Size(), 100, "and a close one")
		for _, reason := range []string{ReasonOversize, ReasonConfigured} {
			reference, err := format.ChangeEvent(Change{Version: v, Reason: reason}, o, now)
			require.NoError(t, err)
			require.LessOrEqual(t, reference.Size(), overhead)
		}
	})
}

func TestUnresolvedDeleteEvent(t *testing.T) {
	at := time.Date(2026, 3, 4, 7, 6, 7, 0, time.FixedZone("", 7200))
	o := Origin{Datastore: "ds", Cause: Cause{CapturedBy: ByCloudTrail, SourceTime: at.Add(time.Hour)}, CorrelationID: "delete/ds/e1"}
	event, err := format.DeleteEvent(Delete{EventID: "e1", Type: "Patient", EventTime: at}, o, at.Add(time.Second))
	require.NoError(t, err)
	require.Equal(t, "com.fhir-patient", event.Source)
	require.Equal(t, "FhirPatientChanged", event.DetailType)
	require.True(t, event.Time.Equal(at))
	require.JSONEq(t, `{"meta":{"schema":"healthlake-cdc/1","idempotencyKey":"ds/Patient/_delete/e1","change":"deleted",
		"resolution":"unresolved","datastoreId":"ds","resourceType":"Patient","sourceTime":"2026-03-04T05:06:07Z",
		"publishedAt":"2026-03-04T05:06:08Z","capturedBy":"cloudtrail","correlationId":"delete/ds/e1"}}`, string(event.Detail))

	bulk, err := format.DeleteEvent(Delete{EventID: "e1", EventTime: at, Scope: ScopeBulk}, o, at)
	require.NoError(t, err)
	require.Equal(t, "com.fhir-resource", bulk.Source)
	require.Contains(t, string(bulk.Detail), `"idempotencyKey":"ds/Resource/_delete/e1"`)
	require.Contains(t, string(bulk.Detail), `"scope":"bulk"`)
	require.NotContains(t, string(bulk.Detail), `"resourceType"`)
}

// The FHIR logical id is patient data: it may stand in the detail alone.
func TestNothingButTheDetailHoldsTheID(t *testing.T) {
	const id = "mrn-4711"
	good := Version{Type: "Patient", ID: id, VersionID: "2", LastUpdated: "2026-03-04T05:06:07.123Z"}
	o := Origin{Datastore: "ds", Cause: Cause{CapturedBy: ByCloudTrail}, CorrelationID: "window/ds/2026-03-04T05:06:00Z"}
	event, err := format.ChangeEvent(Change{Version: good, Body: NewBody([]byte(`{"id":"` + id + `"}`))}, o, time.Unix(0, 0))
	require.NoError(t, err)
	require.NotContains(t, event.Source+event.DetailType, id)

	for name, spoil := range map[string]func(*Change){
		"type":    func(c *Change) { c.Type = "patient/" + id },
		"version": func(c *Change) { c.VersionID = "" },
		"time":    func(c *Change) { c.LastUpdated = "yesterday, " + id },
		"no id":   func(c *Change) { c.ID = "" },
		"no body": func(c *Change) { c.Body = Body{} },
	} {
		c := Change{Version: good, Body: NewBody([]byte("{}"))}
		spoil(&c)
		_, err := format.ChangeEvent(c, o, time.Unix(0, 0))
		require.ErrorContains(t, err, "building event: ", name)
		require.NotContains(t, err.Error(), id, name)
	}
	for name, d := range map[string]Delete{
		"event id": {EventID: "Patient/" + id, Type: "Patient"},
		"no event": {Type: "Patient"},
		"type":     {EventID: "e1", Type: "Patient/" + id},
	} {
		_, err := format.DeleteEvent(d, o, time.Unix(0, 0))
		require.ErrorContains(t, err, "building event: ", name)
		require.NotContains(t, err.Error(), id, name)
	}
	_, err = format.Overhead(Version{Type: id, ID: id}, o)
	require.Error(t, err)
	require.NotContains(t, err.Error(), id)
}
