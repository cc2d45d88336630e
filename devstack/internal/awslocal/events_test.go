package awslocal

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"
)

// route makes a queue that gets what matches a pattern on a bus.
func (r rig) route(t testing.TB, bus, queueName, pattern string) *string {
	url := r.queue(t, queueName, nil)
	_, err := r.events.PutRule(t.Context(), &eventbridge.PutRuleInput{
		Name: &queueName, EventBusName: &bus, EventPattern: &pattern,
	})
	require.NoError(t, err)
	_, err = r.events.PutTargets(t.Context(), &eventbridge.PutTargetsInput{
		Rule: &queueName, EventBusName: &bus,
		Targets: []ebtypes.Target{{Id: aws.String("q"), Arn: aws.String("arn:aws:sqs:us-west-2:111122223333:" + queueName)}},
	})
	require.NoError(t, err)
	return url
}

func (r rig) bus(t testing.TB, name string) {
	_, err := r.events.CreateEventBus(t.Context(), &eventbridge.CreateEventBusInput{Name: &name})
	require.NoError(t, err)
}

func entry(bus, source, detail string) ebtypes.PutEventsRequestEntry {
	return ebtypes.PutEventsRequestEntry{
		EventBusName: &bus, Source: &source, DetailType: aws.String("T"), Detail: &detail,
	}
}

func (r rig) put(t testing.TB, entries ...ebtypes.PutEventsRequestEntry) *eventbridge.PutEventsOutput {
	out, err := r.events.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: entries})
	require.NoError(t, err)
	require.Len(t, out.Entries, len(entries))
	return out
}

func TestEventArrivesWithItsDetailByteForByte(t *testing.T) {
	r := start(t, testConfig)
	r.bus(t, "b")
	url := r.route(t, "b", "q", `{"source":[{"prefix":"com.fhir-"}]}`)
	r.route(t, "b", "other", `{"source":["com.other"]}`)
	var mu sync.Mutex
	told := map[string][]byte{}
	r.OnDeliver(func(queue string, body []byte, at time.Time) {
		mu.Lock()
		defer mu.Unlock()
		told[queue] = body
	})

	const detail = ` {"n": 1.50, "big":12345678901234567890.10, "div":"<b>&</b>", "ü":[ ]}`
	e := entry("b", "com.fhir-patient", detail)
	e.Time = aws.Time(time.Date(2026, 11, 23, 15, 4, 5, 987e6, time.UTC))
	e.Resources = []string{"arn:x"}
	id := *r.put(t, e).Entries[0].EventId

	got := r.receive(t, url, 0)
	require.Len(t, got, 1)
	body := *got[0].Body
	require.True(t, strings.HasSuffix(body, `"detail":`+detail+`}`), body)
	require.Equal(t, body, string(told["q"]))
	require.Len(t, told, 1)
	var envelope map[string]any
	require.NoError(t, json.Unmarshal([]byte(body), &envelope))
	delete(envelope, "detail")
	require.Equal(t, map[string]any{
		"version": "0", "id": id, "detail-type": "T", "source": "com.fhir-patient", "account": "111122223333",
		"time": "2026-11-23T15:04:05Z", "region": "us-west-2", "resources": []any{"arn:x"},
	}, envelope)
}

func TestPutEventsLimits(t *testing.T) {
	cfg := testConfig
	cfg.MaxPutEventsBytes = 1000
	r := start(t, cfg)
	put := func(entries ...ebtypes.PutEventsRequestEntry) error {
		_, err := r.events.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: entries})
		return err
	}
	many := make([]ebtypes.PutEventsRequestEntry, 11)
	for i := range many {
		many[i] = entry("default", "s", "{}")
	}
	require.NoError(t, put(many[:10]...))
	requireCode(t, put(many...), "ValidationException")
	require.Equal(t, int64(2), r.Calls()["PutEvents"])

	// Source and detail type have a byte each here, Time counts 14.
	sized := func(n int) ebtypes.PutEventsRequestEntry {
		return entry("default", "s", `{"a":"`+strings.Repeat("x", n-2-8)+`"}`)
	}
	require.NoError(t, put(sized(999)))
	requireCode(t, put(sized(1000)), "ValidationException")
	requireCode(t, put(sized(500), sized(500)), "ValidationException")
	timed := sized(985)
	require.NoError(t, put(timed))
	timed.Time = aws.Time(time.Now())
	require.NoError(t, put(timed))
	timed = sized(986)
	timed.Time = aws.Time(time.Now())
	requireCode(t, put(timed), "ValidationException")
}

func TestPutEventsFailsEntryByEntry(t *testing.T) {
	r := start(t, testConfig)
	noType := entry("default", "s", "{}")
	noType.DetailType = nil
	out := r.put(t, entry("default", "s", "{}"), entry("default", "aws.healthlake", "{}"),
		entry("default", "s", "{"), entry("default", "s", "[1]"), noType)
	require.EqualValues(t, 4, out.FailedEntryCount)
	var codes []string
	for _, e := range out.Entries {
		codes = append(codes, aws.ToString(e.ErrorCode))
	}
	require.Equal(t, []string{"", "NotAuthorizedForSourceException", "MalformedDetail", "MalformedDetail", "InvalidArgument"}, codes)
}

func TestBusThatDoesNotExistSwallows(t *testing.T) {
	r := start(t, testConfig)
	out := r.put(t, entry("nowhere", "s", "{}"))
	require.Zero(t, out.FailedEntryCount)
	require.NotEmpty(t, *out.Entries[0].EventId)
	require.EqualValues(t, 1, r.Dropped())
}

func TestAWSEventsReachTheDefaultBusOnly(t *testing.T) {
	r := start(t, testConfig)
	url := r.route(t, "default", "q", `{"source":["aws.healthlake"]}`)
	id, err := r.PutAWSEvent(AWSEvent{Source: "aws.healthlake", DetailType: "X", Detail: []byte(`{"a":1}`)})
	require.NoError(t, err)
	got := r.receive(t, url, 0)
	require.Len(t, got, 1)
	require.Contains(t, *got[0].Body, id)
	_, err = r.PutAWSEvent(AWSEvent{Source: "aws.healthlake", DetailType: "X", Detail: []byte(`nothing`)})
	require.Error(t, err)
}

func TestBusesRulesAndTargets(t *testing.T) {
	r := start(t, testConfig)
	ctx := t.Context()
	r.bus(t, "b")
	r.route(t, "b", "q", `{"source":["s"]}`)
	_, err := r.events.CreateEventBus(ctx, &eventbridge.CreateEventBusInput{Name: aws.String("b")})
	requireCode(t, err, "ResourceAlreadyExistsException")
	described, err := r.events.DescribeEventBus(ctx, &eventbridge.DescribeEventBusInput{Name: aws.String("b")})
	require.NoError(t, err)
	_, err = r.events.DescribeEventBus(ctx, &eventbridge.DescribeEventBusInput{Name: aws.String("missing")})
	requireCode(t, err, "ResourceNotFoundException")
	buses, err := r.events.ListEventBuses(ctx, &eventbridge.ListEventBusesInput{})
	require.NoError(t, err)
	require.Equal(t, []string{"b", "default"}, []string{*buses.EventBuses[0].Name, *buses.EventBuses[1].Name})

	// The ARN of a bus is as good as its name.
	rules, err := r.events.ListRules(ctx, &eventbridge.ListRulesInput{EventBusName: described.Arn})
	require.NoError(t, err)
	require.Len(t, rules.Rules, 1)
	require.Equal(t, "arn:aws:events:us-west-2:111122223333:rule/b/q", *rules.Rules[0].Arn)
	r.put(t, entry(*described.Arn, "s", "{}"))
	require.Equal(t, Depth{Visible: 1}, r.depth(t, "q"))

	// A disabled rule delivers nothing, and keeps its targets.
	_, err = r.events.PutRule(ctx, &eventbridge.PutRuleInput{
		Name: aws.String("q"), EventBusName: aws.String("b"), EventPattern: aws.String(`{"source":["s"]}`), State: ebtypes.RuleStateDisabled,
	})
	require.NoError(t, err)
	r.put(t, entry("b", "s", "{}"))
	require.Equal(t, Depth{Visible: 1}, r.depth(t, "q"))
	targets, err := r.events.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: aws.String("q"), EventBusName: aws.String("b")})
	require.NoError(t, err)
	require.Len(t, targets.Targets, 1)

	deleteRule := &eventbridge.DeleteRuleInput{Name: aws.String("q"), EventBusName: aws.String("b")}
	_, err = r.events.DeleteRule(ctx, deleteRule)
	requireCode(t, err, "ValidationException")
	_, err = r.events.RemoveTargets(ctx, &eventbridge.RemoveTargetsInput{Rule: aws.String("q"), EventBusName: aws.String("b"), Ids: []string{"q"}})
	require.NoError(t, err)
	_, err = r.events.DeleteRule(ctx, deleteRule)
	require.NoError(t, err)
	_, err = r.events.DeleteEventBus(ctx, &eventbridge.DeleteEventBusInput{Name: aws.String("b")})
	require.NoError(t, err)
}

func TestUnsupportedRulesAreRejected(t *testing.T) {
	r := start(t, testConfig)
	ctx := t.Context()
	_, err := r.events.PutRule(ctx, &eventbridge.PutRuleInput{Name: aws.String("r"), EventPattern: aws.String(`{"a":[{"cidr":"10.0.0.0/8"}]}`)})
	requireCode(t, err, "InvalidEventPatternException")
	require.ErrorContains(t, err, "cidr")
	_, err = r.events.PutRule(ctx, &eventbridge.PutRuleInput{Name: aws.String("r"), ScheduleExpression: aws.String("rate(1 day)")})
	requireCode(t, err, "ValidationException")
	r.route(t, "default", "q", `{"source":["s"]}`)
	target := func(x ebtypes.Target) error {
		_, err := r.events.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: aws.String("q"), Targets: []ebtypes.Target{x}})
		return err
	}
	requireCode(t, target(ebtypes.Target{Id: aws.String("f"), Arn: aws.String("arn:aws:lambda:us-west-2:111122223333:function:f")}), "ValidationException")
	requireCode(t, target(ebtypes.Target{
		Id: aws.String("q"), Arn: aws.String("arn:aws:sqs:us-west-2:111122223333:q"), InputPath: aws.String("$.detail"),
	}), "ValidationException")
}

func TestDeletedTargetQueueGetsNothing(t *testing.T) {
	r := start(t, testConfig)
	url := r.route(t, "default", "q", `{"source":["s"]}`)
	_, err := r.sqs.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: url})
	require.NoError(t, err)
	require.Zero(t, r.put(t, entry("default", "s", "{}")).FailedEntryCount)
}
