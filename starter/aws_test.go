package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/ops/explain"
	"healthlake-cdc/internal/payload"
	"healthlake-cdc/internal/queue"
)

// queues are SQS with a trigger queue and its dead-letter queue.
func queues(depth string) map[string]func(map[string]any) (int, any) {
	return map[string]func(map[string]any) (int, any){
		"GetQueueUrl": func(in map[string]any) (int, any) {
			return http.StatusOK, map[string]any{"QueueUrl": "http://sqs.local/1/" + fmt.Sprint(in["QueueName"])}
		},
		"GetQueueAttributes": func(map[string]any) (int, any) {
			return http.StatusOK, map[string]any{"Attributes": map[string]string{
				"ApproximateNumberOfMessages": depth, "ApproximateNumberOfMessagesNotVisible": "0", "ApproximateNumberOfMessagesDelayed": "0",
				"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:1:dead","maxReceiveCount":5}`,
			}}
		},
		"ListMessageMoveTasks": func(map[string]any) (int, any) { return http.StatusOK, map[string]any{} },
	}
}

func TestRedrive(t *testing.T) {
	newFrontend(t)
	fails(t, "set CDC_QUEUE_URL", "redrive")
	t.Setenv("CDC_QUEUE_URL", "http://sqs.local/1/triggers")
	calls := queues("0")
	awsServer(t, calls, nil)
	require.Equal(t, "0 messages moved, 0 remain in the dead-letter queue\n", succeeds(t, "redrive"))
	require.Equal(t, redriveReport{Remaining: queue.Depth{}}, printedJSON[redriveReport](t, succeeds(t, "redrive", "--json")))
	calls["ListMessageMoveTasks"] = func(map[string]any) (int, any) {
		return http.StatusOK, map[string]any{"Results": []map[string]any{{"Status": "RUNNING", "ApproximateNumberOfMessagesMoved": 2, "ApproximateNumberOfMessagesToMove": 5}}}
	}
	fails(t, "a redrive is running already", "redrive")
}

// Explain reads the version from the store; the resource's id goes nowhere else.
func TestExplain(t *testing.T) {
	f := newFrontend(t)
	t.Setenv("CDC_QUEUE_URL", "http://sqs.local/1/triggers")
	written := time.Now().Add(-time.Hour).UTC()
	awsServer(t, queues("3"), func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/Patient/secret-id") {
			fmt.Fprintf(w, `{"resourceType":"Patient","id":"secret-id","meta":{"versionId":"2","lastUpdated":%q}}`, stamp(written))
			return
		}
		w.WriteHeader(http.StatusNotFound)
	})
	stdout, stderr, err := run(t, "explain", "Patient/secret-id", "--json", "--ui-url", "http://ui.example/")
	require.NoError(t, err)
	require.NotContains(t, stderr, "secret-id")
	result := printedJSON[[]explain.Result](t, stdout)[0]
	require.Equal(t, explain.WaitingForTrigger, result.Verdict)
	require.Contains(t, result.Reason, "3 messages are in the trigger queue")
	require.Equal(t, cdc.WindowAt(testStore, written).ID(), result.Window.WorkflowID)

	window := cdc.WindowAt(testStore, written)
	f.has(window.ID(), execution{kind: cdc.WorkflowCaptureWindow, status: completed, input: cdc.CaptureWindowInput{Window: window}})
	text := succeeds(t, "explain", "Patient/secret-id", "--ui-url", "http://ui.example/")
	require.Contains(t, text, "Patient/secret-id/_history/2")
	require.Contains(t, text, "http://ui.example/namespaces/default/workflows/window%2F"+testStore)
	require.Contains(t, text, "starter capture --at")

	stdout, _, err = run(t, "explain", "Patient/secret-id", "--datastore", otherStore)
	require.ErrorContains(t, err, "CDC_DATASTORES")
	require.Empty(t, stdout)
	require.Equal(t, explain.NeverExisted, printedJSON[[]explain.Result](t, succeeds(t, "explain", "Goal/nobody", "--json"))[0].Verdict)
}

// Plan writes nothing; apply adds the statement to the policy, writes each resource once,
// and nothing the second time.
func TestSubscriptions(t *testing.T) {
	newFrontend(t)
	const bus = "arn:aws:events:eu-west-1:123456789012:event-bus/notifications"
	policy, stored := "", make(map[string][]byte)
	awsServer(t, map[string]func(map[string]any) (int, any){
		"DescribeEventBus": func(in map[string]any) (int, any) {
			if in["Name"] != "notifications" {
				return http.StatusBadRequest, map[string]string{"__type": "ResourceNotFoundException"}
			}
			return http.StatusOK, map[string]string{"Arn": bus, "Policy": policy}
		},
		"PutPermission": func(in map[string]any) (int, any) {
			policy = fmt.Sprint(in["Policy"])
			return http.StatusOK, map[string]any{}
		},
	}, func(w http.ResponseWriter, r *http.Request) {
		body, found := stored[r.URL.Path]
		switch {
		case r.Method == http.MethodPut:
			written, _ := io.ReadAll(r.Body)
			stored[r.URL.Path] = written
			w.WriteHeader(http.StatusCreated)
		case found:
			_, _ = w.Write(body)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	fails(t, "there is no bus healthlake-cdc-notifications: deploy the template with SubscriptionNotifications=true", "subscriptions", "plan")
	plan := succeeds(t, "subscriptions", "plan", "--bus", "notifications", "--type", "Patient")
	require.Contains(t, plan, "create  Subscription/healthlake-cdc-patient of datastore "+testStore)
	require.Contains(t, plan, "2 to create, 0 to change, 0 as wanted")
	require.Contains(t, plan, "the policy of "+bus+" needs this statement:")
	require.Empty(t, stored)
	require.Empty(t, policy)

	apply := []string{"subscriptions", "apply", "--bus", "notifications", "--json"}
	require.Equal(t, 4, *printedJSON[subscriptionPlan](t, succeeds(t, apply...)).Written)
	require.Len(t, stored, 4)
	require.Contains(t, policy, `"HealthLakeNotifies"`)
	again := printedJSON[subscriptionPlan](t, succeeds(t, apply...))
	require.Zero(t, *again.Written)
	require.True(t, again.Allowed)

	fails(t, "--type Claim is not one of the configured resource types", "subscriptions", "plan", "--bus", "notifications", "--type", "Claim")
	policy = `{"Statement":[{"Effect":"Deny","Principal":"*","Action":"events:*","Resource":"*"}]}`
	fails(t, "denies HealthLake events:PutEvents: remove it; nothing was written", apply...)
}

// With payload keys that the workers do not have, nothing is started or signalled.
func TestKeysOfTheWorkers(t *testing.T) {
	f := newFrontend(t)
	window := cdc.WindowAt(testStore, noon)
	f.has(window.ID(), execution{kind: cdc.WorkflowCaptureWindow, status: completed, input: cdc.CaptureWindowInput{Window: window}})
	t.Setenv("CDC_PAYLOAD_KEYS", payload.GenerateKey())
	for _, line := range []string{
		"capture --at 1h", "replay --name a --since 2h --until 1h", "backfill --name a", "audit --since 2h --until 1h",
		"pause a", "resume a", "retry " + window.ID(), "skip --yes " + window.ID(),
	} {
		fails(t, "nothing was started or signalled: CDC_PAYLOAD_KEYS do not open", strings.Fields(line)...)
	}
	require.Empty(t, f.started)
	require.Empty(t, f.signals)
	fails(t, "there is no replay/a and no backfill/a", "cancel", "a")
}
