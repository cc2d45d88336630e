package simulator_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/fhirdata"
	"healthlake-cdc/devstack/internal/simulator"
)

func TestLifeOfAResource(t *testing.T) {
	ctx := context.Background()
	clk := newClock()
	s, c := start(t, simulator.Config{Now: clk.now})

	made, err := c.Create(ctx, "Patient", []byte(`{"resourceType":"Patient","active":true}`))
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, made.Status)
	require.Equal(t, "1", made.VersionID)
	require.Equal(t, epoch.Truncate(time.Millisecond), made.LastUpdated)

	clk.add(time.Second)
	body := fmt.Appendf(nil, `{"resourceType":"Patient","id":%q,"active":false}`, made.ID)
	changed, err := c.Update(ctx, "Patient", made.ID, body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, changed.Status)
	require.Equal(t, "2", changed.VersionID)

	got, err := c.Read(ctx, "Patient", made.ID)
	require.NoError(t, err)
	require.Equal(t, changed.Body, got.Body)

	require.NoError(t, c.Delete(ctx, "Patient", made.ID))
	require.NoError(t, c.Delete(ctx, "Patient", made.ID), "deleting is idempotent")
	_, err = c.Read(ctx, "Patient", made.ID)
	requireStatus(t, err, http.StatusGone, "")
	_, err = c.Read(ctx, "Patient", "nobody")
	requireStatus(t, err, http.StatusNotFound, "")

	back, err := c.Update(ctx, "Patient", made.ID, body)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, back.Status)
	require.Equal(t, "4", back.VersionID)

	log := s.WriteLog(store)
	require.Len(t, log, 4)
	require.True(t, log[2].Deleted)
	require.True(t, log[1].ReplacedByDelete)
	require.Zero(t, log[3].Replaced)
	sum := sha256.Sum256(back.Body)
	require.Equal(t, hex.EncodeToString(sum[:]), log[3].Digest)
	require.Equal(t, len(back.Body), log[3].Size)
	require.Equal(t, log[2:], s.WritesSince(store, 2))
	n := s.Stats().Datastores[store].Types["Patient"]
	require.Equal(t, []int64{1, 2, 1, 5}, []int64{n.Created, n.Updated, n.Deleted, n.Writes})
}

// Only id, versionId and lastUpdated may differ from what the writer sent.
func TestBodiesKeepTheirBytes(t *testing.T) {
	ctx := context.Background()
	_, c := start(t, simulator.Config{})
	stamped := regexp.MustCompile(`"(versionId|lastUpdated)": *"[^"]*"`)
	blank := func(b []byte) string { return stamped.ReplaceAllString(string(b), `"$1":"x"`) }
	for _, in := range []string{
		`{"resourceType":"Patient","id":"p1","meta":{"lastUpdated":"1999-01-01T00:00:00Z","tag":[{"code":"é<&>"}],"versionId":"77"},"x":1.00,"y":1e5}`,
		"{ \"id\" : \"p1\",\n \"meta\" : { \"versionId\": \"9\" , \"lastUpdated\": \"old\" } , \"resourceType\":\"Patient\" }",
		"{\"meta\":{\"lastUpdated\":\"o\",\"versionId\":\"9\"},\"id\":\"p1\",\"unknown\":[1.10,{}],\"resourceType\":\"Patient\"}",
	} {
		got, err := c.Update(ctx, "Patient", "p1", []byte(in))
		require.NoError(t, err)
		require.Equal(t, blank([]byte(in)), blank(got.Body))
	}
	for in, want := range map[string]string{
		`{"resourceType":"Patient","id":"p2"}`:                            `{"resourceType":"Patient","id":"p2","meta":{"versionId":"x","lastUpdated":"x"}}`,
		`{"resourceType":"Patient","id":"p2","meta":{ }}`:                 `{"resourceType":"Patient","id":"p2","meta":{"versionId":"x","lastUpdated":"x" }}`,
		`{"meta":{"source":"a"},"resourceType":"Patient","id":"p2"}`:      `{"meta":{"versionId":"x","lastUpdated":"x","source":"a"},"resourceType":"Patient","id":"p2"}`,
		`{"meta":{"versionId":"5"},"resourceType":"Patient","id":"p2"}`:   `{"meta":{"lastUpdated":"x","versionId":"x"},"resourceType":"Patient","id":"p2"}`,
		`{"meta":{"lastUpdated":"5"},"resourceType":"Patient","id":"p2"}`: `{"meta":{"versionId":"x","lastUpdated":"x"},"resourceType":"Patient","id":"p2"}`,
	} {
		got, err := c.Update(ctx, "Patient", "p2", []byte(in))
		require.NoError(t, err)
		require.Equal(t, want, regexp.MustCompile(`"(versionId|lastUpdated)":"[^"]*"`).ReplaceAllString(string(got.Body), `"$1":"x"`))
	}
}

func TestWritesThatAreRejected(t *testing.T) {
	ctx := context.Background()
	s, c := start(t, simulator.Config{})
	put(t, c, "p", 1)
	for _, body := range []string{
		``, `[]`, `{"resourceType":"Patient"`, `{"resourceType":"Observation","id":"p"}`, `{"resourceType":"Patient"}`,
		`{"resourceType":"Patient","id":"q"}`, `{"resourceType":"Patient","id":"p","id":"p"}`,
		`{"resourceType":"Patient","id":"p","meta":7}`, "{\"resourceType\":\"Patient\",\"id\":\"p\",\"x\":\"\xff\"}",
	} {
		_, err := c.Update(ctx, "Patient", "p", []byte(body))
		requireStatus(t, err, http.StatusBadRequest, "ValidationException")
	}
	_, err := c.Create(ctx, "Nonsense", []byte(`{"resourceType":"Nonsense"}`))
	requireStatus(t, err, http.StatusNotFound, "")
	_, answer, err := c.Do(ctx, http.MethodPatch, "Patient/p", nil, []byte(`[]`))
	requireStatus(t, err, http.StatusMethodNotAllowed, "")
	require.Contains(t, string(answer), "OperationOutcome")
	require.Len(t, s.WriteLog(store), 1)
}

func TestLastUpdatedDigits(t *testing.T) {
	for digits, want := range map[simulator.Digits]string{
		simulator.Milliseconds: `^.{19}\.\d{3}Z$`, simulator.Nanoseconds: `^.{19}\.\d{9}Z$`, simulator.MixedDigits: `^.{19}\.(\d{3}|\d{9})Z$`,
	} {
		_, c := start(t, simulator.Config{Digits: digits, Seed: 3})
		lengths := map[int]bool{}
		before := time.Time{}
		for i := range 40 {
			r := put(t, c, "p", i)
			var raw struct{ Meta struct{ LastUpdated string } }
			require.NoError(t, json.Unmarshal(r.Body, &raw))
			require.Regexp(t, want, raw.Meta.LastUpdated)
			require.False(t, r.LastUpdated.Before(before))
			before = r.LastUpdated
			lengths[len(raw.Meta.LastUpdated)] = true
		}
		if digits == simulator.MixedDigits {
			require.Len(t, lengths, 2)
		}
	}
}

func TestTransactionResolvesReferences(t *testing.T) {
	ctx := context.Background()
	s, c := start(t, simulator.Config{})
	raw, err := fhirdata.Raw(fhirdata.Names()[0])
	require.NoError(t, err)
	answer, err := c.Transaction(ctx, raw)
	require.NoError(t, err)
	log := s.WriteLog(store)
	require.Len(t, answer, 223)
	require.Len(t, log, 223)
	known := map[string]bool{}
	for i, w := range log {
		known[w.Type+"/"+w.ID] = true
		require.True(t, strings.HasSuffix(answer[i].Location, w.Type+"/"+w.ID+"/_history/1"))
		require.Equal(t, "201", answer[i].Status)
	}
	references := 0
	for _, w := range log {
		body, ok := s.Body(store, w.Type, w.ID, 1)
		require.True(t, ok)
		require.NotContains(t, string(body), `"urn:uuid:`)
		for _, m := range regexp.MustCompile(`"reference": *"([^"#]+)"`).FindAllSubmatch(body, -1) {
			require.True(t, known[string(m[1])])
			references++
		}
	}
	require.Greater(t, references, 223)
}

func TestTransactionIsAllOrNothingBatchIsNot(t *testing.T) {
	ctx := context.Background()
	s, c := start(t, simulator.Config{})
	put(t, c, "old", 1)
	entries := `[
	  {"resource":{"resourceType":"Patient","id":"a"},"request":{"method":"PUT","url":"Patient/a"}},
	  {"request":{"method":"DELETE","url":"Patient/old"}},
	  {"resource":{"resourceType":"Patient","id":"old2"},"request":{"method":"PUT","url":"Patient/old2","ifMatch":"W/\"8\""}}]`
	bundle := func(kind string) []byte {
		return []byte(`{"resourceType":"Bundle","type":"` + kind + `","entry":` + entries + `}`)
	}
	_, err := c.Transaction(ctx, bundle("transaction"))
	requireStatus(t, err, http.StatusPreconditionFailed, "")
	require.Len(t, s.WriteLog(store), 1)

	answer, err := c.Transaction(ctx, bundle("batch"))
	require.NoError(t, err)
	require.Equal(t, "201", answer[0].Status)
	require.Equal(t, "204", answer[1].Status)
	require.Equal(t, "412", answer[2].Status)
	require.Len(t, s.WriteLog(store), 3)

	_, err = c.Transaction(ctx, []byte(`{"resourceType":"Bundle","type":"transaction","entry":[`+
		strings.TrimSuffix(strings.Repeat(`{},`, simulator.MaxBundleEntries+1), ",")+`]}`))
	requireStatus(t, err, http.StatusBadRequest, "")
	_, err = c.Transaction(ctx, []byte(`{"resourceType":"Bundle","type":"transaction","entry":[
	  {"resource":{"resourceType":"Patient","id":"a"},"request":{"method":"PUT","url":"Patient/a"}},
	  {"request":{"method":"DELETE","url":"Patient/a"}}]}`))
	requireStatus(t, err, http.StatusBadRequest, "")
}

func TestHistory(t *testing.T) {
	ctx := context.Background()
	clk := newClock()
	_, c := start(t, simulator.Config{Now: clk.now, HistoryLag: time.Minute, HistoryOff: []string{"Observation"}})
	for i := range 5 {
		put(t, c, "p", i)
		clk.add(time.Second)
	}
	require.NoError(t, c.Delete(ctx, "Patient", "p"))

	require.Empty(t, search(t, c, "Patient/p/_history", "").Entry, "history lags")
	clk.add(time.Minute - 2*time.Second)
	_, err := get(c, "Patient/p/_history/3", "")
	require.NoError(t, err)
	_, err = get(c, "Patient/p/_history/5", "")
	requireStatus(t, err, http.StatusNotFound, "")
	clk.add(time.Minute)
	_, err = get(c, "Patient/p/_history/6", "")
	requireStatus(t, err, http.StatusGone, "")

	page := search(t, c, "Patient/p/_history", "_count=4")
	require.Equal(t, 6, *page.Total)
	require.Equal(t, "DELETE", page.Entry[0].Request.Method)
	require.Equal(t, `W/"6"`, page.Entry[0].Response.ETag)
	require.Empty(t, page.Entry[0].Resource)
	require.Equal(t, "p/5", version(t, page.Entry[1].Resource))
	page, err = follow(t, c, page.link("next"))
	require.NoError(t, err)
	require.Equal(t, []string{"p/2", "p/1"}, page.versions(t))
	require.Equal(t, "POST", page.Entry[1].Request.Method)
	require.Empty(t, page.link("next"))

	since := search(t, c, "Patient/p/_history", "_since="+epoch.Add(3500*time.Millisecond).Format(time.RFC3339Nano))
	require.Len(t, since.Entry, 2)
	_, err = get(c, "Observation/o/_history", "")
	requireStatus(t, err, http.StatusBadRequest, "")
}
