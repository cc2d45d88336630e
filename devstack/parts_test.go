package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"healthlake-cdc/devstack/internal/stack"
	"healthlake-cdc/internal/payload"
)

// startParts runs `devstack parts` with args on free ports and returns what it
// printed as variables and comments, the codec's address last.
func startParts(t *testing.T, env map[string]string, args ...string) (variables map[string]string, codec string) {
	t.Helper()
	for name, value := range env {
		t.Setenv(name, value)
	}
	read, write := io.Pipe()
	command := newCommand()
	command.SetArgs(append([]string{"parts", "--aws", "127.0.0.1:0", "--healthlake", "127.0.0.1:0", "--codec", "127.0.0.1:0"}, args...))
	command.SetOut(write)
	command.SetErr(io.Discard)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		err := command.ExecuteContext(ctx)
		_ = write.CloseWithError(io.EOF)
		ended <- err
	}()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	variables = map[string]string{}
	lines := bufio.NewScanner(read)
	for lines.Scan() {
		line := lines.Text()
		if name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "="); ok {
			variables[name] = value
		}
		codec = cut(codec, line, "# codec endpoint: ")
		if strings.HasPrefix(line, "# dead-letter queue: ") { // the last line
			return variables, codec
		}
	}
	t.Fatal("parts ended before it printed its addresses")
	return nil, ""
}

func cut(old, line, prefix string) string {
	if rest, ok := strings.CutPrefix(line, prefix); ok {
		return rest
	}
	return old
}

// local is a part's URL with this machine in the place of the container.
func local(t *testing.T, address string) string {
	t.Helper()
	parsed, err := url.Parse(address)
	require.NoError(t, err)
	return "127.0.0.1:" + parsed.Port()
}

func TestPartsAreKnownByTheirContainersName(t *testing.T) {
	key := payload.GenerateKey()
	got, codec := startParts(t, map[string]string{"CDC_PAYLOAD_KEYS": key}, "--"+insideContainer, "parts.test", "--external-temporal", "temporal:7233")

	require.Equal(t, "temporal:7233", got["TEMPORAL_ADDRESS"])
	for _, name := range []string{"AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_EVENTBRIDGE", "CDC_HEALTHLAKE_ENDPOINT", "CDC_QUEUE_URL"} {
		require.True(t, strings.HasPrefix(got[name], "http://parts.test:"), "%s is %s", name, got[name])
	}
	require.NotContains(t, got, "CDC_PAYLOAD_KEYS", "a key that was given is not printed")

	var out bytes.Buffer
	probe := newCommand()
	probe.SetArgs([]string{
		"probe", "--aws", local(t, got["AWS_ENDPOINT_URL_SQS"]), "--healthlake", local(t, got["CDC_HEALTHLAKE_ENDPOINT"]), "--codec", local(t, codec),
	})
	probe.SetOut(&out)
	require.NoError(t, probe.ExecuteContext(t.Context()))

	// A worker is given the queue's URL as the container network knows it.
	queue := sqs.NewFromConfig(aws.Config{
		Region: got["AWS_REGION"], BaseEndpoint: aws.String("http://" + local(t, got["AWS_ENDPOINT_URL_SQS"])),
		Credentials: credentials.NewStaticCredentialsProvider(got["AWS_ACCESS_KEY_ID"], got["AWS_SECRET_ACCESS_KEY"], ""),
	})
	_, err := queue.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: aws.String(got["CDC_QUEUE_URL"])})
	require.NoError(t, err)
}

func TestPartsWrite(t *testing.T) {
	got, _ := startParts(t, nil, "--write-rate", "50", "--lag", "0s", "--delay", "0s")
	require.NotEmpty(t, got["CDC_PAYLOAD_KEYS"], "a key that was made here is printed")
	stats := got["CDC_HEALTHLAKE_ENDPOINT"] + "/_devstack/writelog?since=10"
	client := &http.Client{Timeout: time.Minute}
	require.Eventually(t, func() bool {
		answer, err := client.Get(stats)
		if err != nil {
			return false
		}
		defer func() { _ = answer.Body.Close() }()
		log, err := io.ReadAll(answer.Body)
		return err == nil && bytes.Contains(log, []byte("{"))
	}, time.Minute, 50*time.Millisecond)
}

func TestPartsStayOnLoopback(t *testing.T) {
	for _, flag := range []string{"--aws", "--healthlake"} {
		command := newCommand()
		command.SetArgs([]string{"parts", "--aws", "127.0.0.1:0", "--healthlake", "127.0.0.1:0", "--codec", "127.0.0.1:0", flag, "0.0.0.0:0"})
		command.SetOut(io.Discard)
		command.SetErr(io.Discard)
		require.ErrorContains(t, command.ExecuteContext(t.Context()), "loopback", flag)
	}
}

func TestProbeOfPartsThatAreGone(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	gone := listener.Addr().String()
	require.NoError(t, listener.Close())
	probe := newCommand()
	probe.SetArgs([]string{"probe", "--aws", gone, "--healthlake", gone, "--codec", gone})
	require.ErrorContains(t, probe.ExecuteContext(t.Context()), "probing")
}

func TestEverywhereKeepsThePort(t *testing.T) {
	require.Equal(t, "0.0.0.0:4566", everywhere(defaultAWS))
	require.Equal(t, "nonsense", everywhere("nonsense"))
}

func TestKeysComeFromTheWorkersVariables(t *testing.T) {
	read := func(env map[string]string) (stack.Options, error) {
		var o stack.Options
		err := keysOf(&o, func(name string) (string, bool) { value, ok := env[name]; return value, ok })
		return o, err
	}
	o, err := read(map[string]string{"CDC_INSECURE_PLAINTEXT": "true", "CDC_PAYLOAD_KEYS": ""})
	require.NoError(t, err)
	require.True(t, o.Plaintext)

	o, err = read(map[string]string{"CDC_INSECURE_PLAINTEXT": "false", "CDC_PAYLOAD_KEYS": "a:b"})
	require.NoError(t, err)
	require.Equal(t, "a:b", o.Keys)
	require.False(t, o.Plaintext)

	_, err = read(map[string]string{"CDC_INSECURE_PLAINTEXT": "true", "CDC_PAYLOAD_KEYS": "a:b"})
	require.ErrorContains(t, err, "contradicts")
	_, err = read(map[string]string{"CDC_INSECURE_PLAINTEXT": "perhaps"})
	require.ErrorContains(t, err, "neither true nor false")
}
