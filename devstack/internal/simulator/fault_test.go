package simulator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/simulator"
)

func TestQuotas(t *testing.T) {
	ctx := context.Background()
	clk := newClock()
	s, c := start(t, simulator.Config{Now: clk.now, Limits: simulator.Limits{RetryAfter: 1500 * time.Millisecond}})
	put(t, c, "p", 1)
	searchOnce := func() answer {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+searchPath, nil)
		require.NoError(t, err)
		require.NoError(t, c.Sign(ctx, req, nil))
		return send(t, req)
	}
	for range simulator.DefaultSearchRate {
		require.Equal(t, http.StatusOK, searchOnce().status)
	}
	refused := searchOnce()
	require.Equal(t, http.StatusTooManyRequests, refused.status)
	require.Equal(t, "2", refused.header.Get("Retry-After"))
	require.Contains(t, string(refused.body), `"throttled"`)
	_, _, err := c.Do(ctx, http.MethodPost, "Patient/_search", nil, []byte("_count=1"))
	require.NoError(t, err, "searches by POST have a quota of their own")
	_, err = c.Read(ctx, "Patient", "p")
	require.NoError(t, err)
	clk.add(50 * time.Millisecond)
	for range 5 {
		require.Equal(t, http.StatusOK, searchOnce().status)
	}
	require.Equal(t, http.StatusTooManyRequests, searchOnce().status)
	require.EqualValues(t, 2, s.Stats().Datastores[store].Total.Throttled)
}

func TestBundlesCountByEntry(t *testing.T) {
	clk := newClock()
	s, c := start(t, simulator.Config{Now: clk.now, Limits: simulator.Limits{Write: 10}})
	var b bytes.Buffer
	for i := range simulator.MaxBundleEntries {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"resource":{"resourceType":"Patient","id":"p%d"},"request":{"method":"PUT","url":"Patient/p%d"}}`, i, i)
	}
	bundle := []byte(`{"resourceType":"Bundle","type":"batch","entry":[` + b.String() + `]}`)
	_, err := c.Transaction(context.Background(), bundle)
	require.NoError(t, err)
	_, err = c.Update(context.Background(), "Patient", "p", patient("p", 1))
	requireStatus(t, err, http.StatusTooManyRequests, "ThrottlingException")
	require.Len(t, s.WriteLog(store), simulator.MaxBundleEntries)
}

func TestFaultsOnDemand(t *testing.T) {
	ctx := context.Background()
	s, c := start(t, simulator.Config{Limits: simulator.Limits{SearchGet: -1}})
	for i := range 4 {
		put(t, c, fmt.Sprintf("p%d", i), i)
	}
	next := search(t, c, "Patient", "_count=1").link("next")
	for kind, status := range map[simulator.FaultKind]int{
		simulator.Throttle: 429, simulator.ServerError: 500, simulator.Forbid: 403, simulator.Reject: 400,
		simulator.Unavailable: 503,
	} {
		require.NoError(t, s.InjectFault(simulator.Fault{Kind: kind, Type: "Patient", Count: 2}))
		_, err := get(c, "Observation", "")
		require.NoError(t, err, "another type is spared")
		_, err = c.Read(ctx, "Patient", "p1")
		require.NoError(t, err, "reads are spared")
		for range 2 {
			_, err = get(c, "Patient", "")
			requireStatus(t, err, status, "")
		}
		_, err = get(c, "Patient", "")
		require.NoError(t, err, "the fault is over")
	}

	require.NoError(t, s.InjectFault(simulator.Fault{Kind: simulator.ExpireToken, Count: 1}))
	_, err := get(c, "Patient", "")
	require.NoError(t, err, "a first page carries no token")
	_, err = follow(t, c, next)
	requireStatus(t, err, http.StatusBadRequest, "")
	_, err = follow(t, c, next)
	requireStatus(t, err, http.StatusBadRequest, "")
	require.Empty(t, s.Faults(), "the fault is over, and the token is expired for good")
	next = search(t, c, "Patient", "_count=1").link("next")
	_, err = follow(t, c, next)
	require.NoError(t, err)

	require.NoError(t, s.InjectFault(simulator.Fault{Kind: simulator.ServerError, Further: true, Count: 1}))
	_, err = get(c, "Patient", "")
	require.NoError(t, err, "the fault is for further pages only")
	_, err = follow(t, c, next)
	requireStatus(t, err, http.StatusInternalServerError, "")

	require.NoError(t, s.InjectFault(simulator.Fault{Kind: simulator.Truncate, Count: 1}))
	body, err := get(c, "Patient", "")
	require.NoError(t, err)
	require.False(t, json.Valid(body))

	require.NoError(t, s.InjectFault(simulator.Fault{Kind: simulator.WrongType, Count: 1}))
	body, err = get(c, "Patient", "")
	require.NoError(t, err)
	require.Contains(t, string(body), "<title>")

	require.NoError(t, s.InjectFault(simulator.Fault{Kind: simulator.Hide, Count: 1}))
	require.Len(t, search(t, c, "Patient", "").Entry, 2)
	require.Len(t, search(t, c, "Patient", "").Entry, 4)

	require.NoError(t, s.InjectFault(simulator.Fault{Kind: simulator.HalfPage, Count: 1}))
	_, err = get(c, "Patient", "")
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)

	require.NoError(t, s.InjectFault(simulator.Fault{Kind: simulator.ServerError, Of: simulator.KindWrite, Count: 1}))
	_, err = c.Update(ctx, "Patient", "p1", patient("p1", 9))
	requireStatus(t, err, http.StatusInternalServerError, "")
	require.Len(t, s.WriteLog(store), 4)
	require.Empty(t, s.Faults())
	require.Error(t, s.InjectFault(simulator.Fault{Kind: "flood", Count: 1}))
	require.Error(t, s.InjectFault(simulator.Fault{Kind: simulator.Hang}))
}

func TestHangUntilTheClientLeaves(t *testing.T) {
	s, c := start(t, simulator.Config{})
	require.NoError(t, s.InjectFault(simulator.Fault{Kind: simulator.Hang, Count: -1}))
	ctx, leave := context.WithCancel(context.Background())
	left := make(chan error)
	go func() {
		_, _, err := c.Do(ctx, http.MethodGet, "Patient", nil, nil)
		left <- err
	}()
	require.Eventually(t, func() bool { return s.Stats().Datastores[store].Total.Searches == 1 }, time.Minute, time.Millisecond)
	leave()
	require.ErrorIs(t, <-left, context.Canceled)
	s.ClearFaults()
	_, err := get(c, "Patient", "")
	require.NoError(t, err)
}

func TestCloseReleasesHangingRequests(t *testing.T) {
	s := simulator.New(simulator.Config{})
	require.NoError(t, s.Start("127.0.0.1:0"))
	c := client(s, simulator.Config{})
	require.NoError(t, s.InjectFault(simulator.Fault{Kind: simulator.Hang, Count: 1}))
	left := make(chan error)
	go func() {
		_, err := get(c, "Patient", "")
		left <- err
	}()
	require.Eventually(t, func() bool { return s.Stats().Datastores[store].Total.Searches == 1 }, time.Minute, time.Millisecond)
	require.NoError(t, s.Close())
	require.Error(t, <-left)
	require.NoError(t, s.Close(), "closing twice is harmless")
}

func TestAdminEndpoints(t *testing.T) {
	s, c := start(t, simulator.Config{})
	put(t, c, "p", 1)
	put(t, c, "p", 2)
	admin := func(method, path, body string) answer {
		req, err := http.NewRequestWithContext(context.Background(), method, s.URL()+"/_devstack/"+path, bytes.NewReader([]byte(body)))
		require.NoError(t, err)
		return send(t, req)
	}
	var writes []simulator.Write
	require.NoError(t, json.Unmarshal(admin(http.MethodGet, "writelog?since=1&datastore="+store, "").body, &writes))
	require.Equal(t, s.WritesSince(store, 1), writes)
	require.Equal(t, http.StatusBadRequest, admin(http.MethodGet, "writelog?datastore=x", "").status)
	var stats simulator.Stats
	require.NoError(t, json.Unmarshal(admin(http.MethodGet, "stats", "").body, &stats))
	require.Equal(t, s.Stats(), stats)

	require.Equal(t, http.StatusNoContent, admin(http.MethodPost, "faults", `{"kind":"throttle","count":3}`).status)
	require.Equal(t, http.StatusBadRequest, admin(http.MethodPost, "faults", `{"kind":"throttle"}`).status)
	require.JSONEq(t, `[{"kind":"throttle","of":"search","count":3}]`, string(admin(http.MethodGet, "faults", "").body))
	require.Equal(t, http.StatusNoContent, admin(http.MethodDelete, "faults", "").status)
	require.Empty(t, s.Faults())
}

func TestStoresAreApartAndOnLoopback(t *testing.T) {
	cfg := simulator.Config{Datastores: []string{"one", "two"}, Limits: simulator.Limits{Write: 1}}
	s, c := start(t, cfg)
	put(t, c, "p", 1)
	c.Datastore = "two"
	put(t, c, "q", 1)
	require.Equal(t, []string{"q/1"}, search(t, c, "Patient", "").versions(t))
	require.Len(t, s.WriteLog("one"), 1)
	c.Datastore = "three"
	_, err := get(c, "Patient", "")
	requireStatus(t, err, http.StatusNotFound, "")
	require.Error(t, simulator.New(simulator.Config{}).Start("0.0.0.0:0"))
	contained := simulator.New(simulator.Config{ContainerNetwork: true})
	require.NoError(t, contained.Start("0.0.0.0:0"))
	require.Contains(t, contained.URL(), "http://127.0.0.1:")
	require.NoError(t, contained.Close())
	require.Panics(t, func() { simulator.New(simulator.Config{Trail: simulator.Trail{Loss: 2}}) })
}
