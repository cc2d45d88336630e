package awslocal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	testKey    = "AKIDEXAMPLE"
	testSecret = "not-a-real-secret"
)

var testConfig = Config{AccessKeyID: testKey, SecretAccessKey: testSecret}

// A rig is a stand-in and the SDK's real clients of it, over HTTP.
type rig struct {
	*Server
	sqs    *sqs.Client
	events *eventbridge.Client
}

func (r rig) target() Target {
	return Target{SQS: r.sqs, EventBridge: r.events, Region: r.Region(), Account: r.Account()}
}

// start serves on a loopback port.
func start(t testing.TB, cfg Config) rig {
	s, err := New(cfg)
	require.NoError(t, err)
	require.NoError(t, s.Start("127.0.0.1:0"))
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return clientsOf(s, http.DefaultTransport.(*http.Transport).Clone(), t)
}

// startInBubble serves over pipes, so that time in the bubble passes as fast
// as everything waits for it.
func startInBubble(t *testing.T) rig {
	s, err := New(testConfig)
	require.NoError(t, err)
	l := newPipeListener()
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = s.Serve(l) // ends by Close
	}()
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		<-served
	})
	synctest.Wait()
	return clientsOf(s, &http.Transport{DialContext: l.dial}, t)
}

func clientsOf(s *Server, transport *http.Transport, t testing.TB) rig {
	t.Cleanup(transport.CloseIdleConnections)
	cfg := aws.Config{
		Region: s.Region(), BaseEndpoint: aws.String(s.URL()), HTTPClient: &http.Client{Transport: transport},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}, nil
		}),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}
	return rig{Server: s, sqs: sqs.NewFromConfig(cfg), events: eventbridge.NewFromConfig(cfg)}
}

// A pipeListener accepts connections made by dial, within one process.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "awslocal.test" }

func (r rig) queue(t testing.TB, name string, attributes map[string]string) *string {
	out, err := r.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	require.NoError(t, err)
	return out.QueueUrl
}

func (r rig) send(t testing.TB, url *string, body string) {
	_, err := r.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: url, MessageBody: &body})
	require.NoError(t, err)
}

// receive receives up to 10 messages, waiting up to wait seconds.
func (r rig) receive(t testing.TB, url *string, wait int32) []sqstypes.Message {
	out, err := r.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: url, MaxNumberOfMessages: 10, WaitTimeSeconds: wait,
		MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{sqstypes.MessageSystemAttributeNameAll},
		MessageAttributeNames:       []string{"All"},
	})
	require.NoError(t, err)
	return out.Messages
}

// poll is a long poll in a goroutine of its own, where a test may not stop.
func (r rig) poll(t testing.TB, url *string) []sqstypes.Message {
	out, err := r.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: url, MaxNumberOfMessages: 10, WaitTimeSeconds: 20,
	})
	assert.NoError(t, err)
	if err != nil {
		return nil
	}
	return out.Messages
}

func (r rig) depth(t testing.TB, name string) Depth {
	d, ok := r.Messages(name)
	require.True(t, ok)
	return d
}

func hashOf(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

// pass advances the time of a synctest bubble.
func pass(d time.Duration) { <-time.NewTimer(d).C }
