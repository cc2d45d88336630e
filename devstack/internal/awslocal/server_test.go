package awslocal

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"
)

func TestSignaturesAreVerified(t *testing.T) {
	r := start(t, testConfig)
	list := func(key, secret, session, region string) error {
		c := sqs.NewFromConfig(aws.Config{
			Region: region, BaseEndpoint: aws.String(r.URL()), Retryer: func() aws.Retryer { return aws.NopRetryer{} },
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: key, SecretAccessKey: secret, SessionToken: session}, nil
			}),
		})
		_, err := c.ListQueues(t.Context(), &sqs.ListQueuesInput{})
		return err
	}
	require.NoError(t, list(testKey, testSecret, "", "us-west-2"))
	require.NoError(t, list(testKey, testSecret, "session", "us-west-2"))
	requireCode(t, list(testKey, "wrong", "", "us-west-2"), "InvalidSignatureException")
	requireCode(t, list("AKIDOTHER", testSecret, "", "us-west-2"), "UnrecognizedClientException")
	requireCode(t, list(testKey, testSecret, "", "eu-west-1"), "InvalidSignatureException")
}

// raw sends a signed call whose parts may be changed after signing.
func raw(t *testing.T, r rig, at time.Time, tamper func(*http.Request)) (int, string) {
	const body = `{"QueueName":"q"}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL()+"/", strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("X-Amz-Target", "AmazonSQS.CreateQueue")
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	require.NoError(t, v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret},
		req, hashOf(body), "sqs", "us-west-2", at))
	tamper(req)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, resp.Body.Close()) }()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(answer)
}

func TestTamperedRequestsAreRejected(t *testing.T) {
	r := start(t, testConfig)
	none := func(*http.Request) {}
	status, _ := raw(t, r, time.Now(), none)
	require.Equal(t, http.StatusOK, status)
	for name, c := range map[string]struct {
		at     time.Time
		tamper func(*http.Request)
		code   string
	}{
		"old":         {time.Now().Add(-6 * time.Minute), none, "InvalidSignatureException"},
		"from ahead":  {time.Now().Add(6 * time.Minute), none, "InvalidSignatureException"},
		"unsigned":    {time.Now(), func(q *http.Request) { q.Header.Del("Authorization") }, "MissingAuthenticationTokenException"},
		"other body":  {time.Now(), func(q *http.Request) { q.Body = io.NopCloser(strings.NewReader(`{"QueueName":"r"}`)) }, "InvalidSignatureException"},
		"other call":  {time.Now(), func(q *http.Request) { q.Header.Set("X-Amz-Target", "AmazonSQS.DeleteQueue") }, "InvalidSignatureException"},
		"without day": {time.Now(), func(q *http.Request) { q.Header.Del("X-Amz-Date") }, "IncompleteSignatureException"},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := raw(t, r, c.at, c.tamper)
			require.Equal(t, http.StatusForbidden, status)
			require.Contains(t, answer, c.code)
		})
	}
}

func TestCredentialsAreRequiredUnlessSkipped(t *testing.T) {
	_, err := New(Config{})
	require.ErrorContains(t, err, "SkipSignatures")
	r := start(t, Config{SkipSignatures: true})
	status, _ := raw(t, r, time.Now(), func(q *http.Request) { q.Header.Del("Authorization") })
	require.Equal(t, http.StatusOK, status)
}

func TestOnlyLoopbackIsServed(t *testing.T) {
	s, err := New(testConfig)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	require.ErrorContains(t, s.Start("0.0.0.0:0"), "loopback")
}

func TestFaultsOnDemand(t *testing.T) {
	r := start(t, testConfig)
	r.bus(t, "b")
	r.route(t, "b", "q", `{"source":["s"]}`)
	one := &eventbridge.PutEventsInput{Entries: nil}
	one.Entries = append(one.Entries, entry("b", "s", "{}"))
	put := func() (*eventbridge.PutEventsOutput, error) { return r.events.PutEvents(t.Context(), one) }

	r.SetFaults(Faults{Throttle: map[string]int{"PutEvents": 2}})
	for range 2 {
		_, err := put()
		requireCode(t, err, "ThrottlingException")
	}
	_, err := put()
	require.NoError(t, err)
	require.Equal(t, Depth{Visible: 1}, r.depth(t, "q"))

	r.SetFaults(Faults{FailEntries: 1, FailEntryCode: "ThrottlingException"})
	out := r.put(t, entry("b", "s", "{}"), entry("b", "s", "{}"))
	require.EqualValues(t, 1, out.FailedEntryCount)
	require.Equal(t, "ThrottlingException", *out.Entries[0].ErrorCode)
	require.NotEmpty(t, *out.Entries[1].EventId)
	require.Equal(t, Depth{Visible: 2}, r.depth(t, "q"))

	r.SetFaults(Faults{RejectDetailContaining: "poison"})
	for range 2 { // as often as it comes
		out = r.put(t, entry("b", "s", `{"is":"poison"}`), entry("b", "s", "{}"))
		require.EqualValues(t, 1, out.FailedEntryCount)
		require.Equal(t, "MalformedDetail", *out.Entries[0].ErrorCode)
	}
	require.Equal(t, Depth{Visible: 4}, r.depth(t, "q"), "the other entry of each call was accepted")

	r.SetFaults(Faults{LoseResponse: map[string]int{"PutEvents": 1}})
	_, err = put()
	require.Error(t, err)
	require.Equal(t, Depth{Visible: 5}, r.depth(t, "q"), "it was accepted all the same")
	require.Empty(t, r.Faults().LoseResponse)

	r.SetFaults(Faults{SQSDown: true})
	_, err = r.sqs.ListQueues(t.Context(), &sqs.ListQueuesInput{})
	requireCode(t, err, "ServiceUnavailable")
	_, err = put()
	require.NoError(t, err)
	r.SetFaults(Faults{EventBridgeDown: true})
	_, err = put()
	requireCode(t, err, "ServiceUnavailable")
	r.SetFaults(Faults{FailEvery: 3})
	failed := 0
	for range 6 {
		failed += int(r.put(t, entry("b", "s", "{}")).FailedEntryCount)
	}
	require.Equal(t, 2, failed)
	r.UpdateFaults(func(f *Faults) { f.FailEvery, f.Stall = 0, map[string]Latency{"PutEvents": Latency(time.Hour)} })
	hurried, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = r.events.PutEvents(hurried, one)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotEmpty(t, r.receive(t, aws.String("q"), 0))
}

func TestFaultsEndpoint(t *testing.T) {
	r := start(t, testConfig)
	call := func(method, body string) (int, Faults) {
		req, err := http.NewRequestWithContext(t.Context(), method, r.URL()+FaultsPath, bytes.NewReader([]byte(body)))
		require.NoError(t, err)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer func() { require.NoError(t, resp.Body.Close()) }()
		var f Faults
		if resp.StatusCode == http.StatusOK {
			require.NoError(t, json.NewDecoder(resp.Body).Decode(&f))
		}
		return resp.StatusCode, f
	}
	want := Faults{Throttle: map[string]int{"PutEvents": 3}, SQSDown: true, Latency: Latency(150 * time.Millisecond)}
	status, got := call(http.MethodPut, `{"throttle":{"PutEvents":3},"sqsDown":true,"latency":"150ms"}`)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, want, got)
	require.Equal(t, want, r.Faults())
	status, _ = call(http.MethodPost, `{"sqsdwon":true}`)
	require.Equal(t, http.StatusBadRequest, status)
	status, _ = call(http.MethodPost, `{"latency":"soon"}`)
	require.Equal(t, http.StatusBadRequest, status)
	_, got = call(http.MethodDelete, "")
	require.Equal(t, Faults{}, got)
}

func TestLatencyOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := startInBubble(t)
		r.SetFaults(Faults{Latency: Latency(3 * time.Second)})
		began := time.Now()
		r.queue(t, "q", nil)
		require.Equal(t, 3*time.Second, time.Since(began))
	})
}

func TestInAContainerNetworkQueuesCarryItsHost(t *testing.T) {
	cfg := testConfig
	cfg.ContainerHost = "stand-in.test"
	s, err := New(cfg)
	require.NoError(t, err)
	require.NoError(t, s.Start("0.0.0.0:0"))
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	require.True(t, strings.HasPrefix(s.URL(), "http://127.0.0.1:"), s.URL())

	r := clientsOf(s, http.DefaultTransport.(*http.Transport).Clone(), t)
	made, err := r.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("q")})
	require.NoError(t, err)
	_, port, ok := strings.Cut(strings.TrimPrefix(s.URL(), "http://"), ":")
	require.True(t, ok)
	require.Equal(t, "http://stand-in.test:"+port+"/111122223333/q", aws.ToString(made.QueueUrl))
	_, err = r.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: made.QueueUrl})
	require.NoError(t, err)
}
