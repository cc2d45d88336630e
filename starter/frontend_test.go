package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	namespacepb "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/payload"
	"healthlake-cdc/internal/temporal/temporaltest"
)

const (
	testStore  = "0123456789abcdef0123456789abcdef"
	otherStore = "fedcba9876543210fedcba9876543210"

	running   = enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	completed = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	canceled  = enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED
)

// execution is one that the frontend has.
type execution struct {
	kind     string // the workflow type
	status   enumspb.WorkflowExecutionStatus
	input    any
	progress cdc.Progress
	// result is that of a completed one, and what a cancelled one returned.
	result any
}

// frontend responds over gRPC like Temporal's to what the starter calls. Workflow IDs
// stand for their latest run. The end-to-end tests run against the real server.
type frontend struct {
	temporaltest.Frontend
	t         *testing.T
	converter converter.DataConverter

	executions map[string]*execution
	changed    chan struct{} // closed when executions change
	started    []*workflowservice.StartWorkflowExecutionRequest
	signals    []*workflowservice.SignalWorkflowExecutionRequest
	cancelled  []string
	// These run with the lock held.
	onSignal         func(id, name string)
	onStart, onQuery func(id string)
	onCancel         func(id string)
}

// newFrontend starts a frontend, and sets the environment for the starter to use it.
func newFrontend(t *testing.T) *frontend {
	t.Helper()
	key := payload.GenerateKey()
	ring, err := payload.ParseKeys(key)
	require.NoError(t, err)
	codec, err := payload.NewCodec(ring, client.DefaultNamespace, payload.Migration{})
	require.NoError(t, err)
	f := &frontend{t: t, converter: payload.NewDataConverter(codec), executions: make(map[string]*execution), changed: make(chan struct{})}
	for name, value := range map[string]string{
		"TEMPORAL_ADDRESS": temporaltest.Serve(t, f), "TEMPORAL_CONFIG_FILE": t.TempDir() + "/none.toml",
		"CDC_DATASTORES": testStore, "CDC_RESOURCE_TYPES": "Goal,Patient", "CDC_EVENT_BUS": "changes",
		"CDC_PAYLOAD_KEYS": key, "CDC_LOG_LEVEL": "error",
		"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_MAX_ATTEMPTS": "1",
	} {
		t.Setenv(name, value)
	}
	return f
}

func (f *frontend) has(id string, e execution) {
	f.executions[id] = &e
	close(f.changed)
	f.changed = make(chan struct{})
}

// data is the data converter for payloads of one workflow.
func (f *frontend) data(id string) converter.DataConverter {
	return converter.WithDataConverterSerializationContext(f.converter, converter.WorkflowSerializationContext{
		Namespace: client.DefaultNamespace, WorkflowID: id,
	})
}

func (f *frontend) payloads(id string, value any) *commonpb.Payloads {
	payloads, err := f.data(id).ToPayloads(value)
	require.NoError(f.t, err)
	return payloads
}

// input decodes what the only execution was started with.
func (f *frontend) input(id string, input any) {
	f.t.Helper()
	f.Lock()
	defer f.Unlock()
	require.Len(f.t, f.started, 1)
	require.Equal(f.t, id, f.started[0].GetWorkflowId())
	require.NoError(f.t, f.data(id).FromPayloads(f.started[0].GetInput(), input))
}

func (f *frontend) find(id string) (*execution, error) {
	e := f.executions[id]
	if e == nil {
		return nil, serviceerror.NewNotFound("no execution")
	}
	return e, nil
}

func (f *frontend) info(id string, e *execution) *workflowpb.WorkflowExecutionInfo {
	info := &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: "run"}, Type: &commonpb.WorkflowType{Name: e.kind},
		Status: e.status, StartTime: timestamppb.New(noon), SearchAttributes: &commonpb.SearchAttributes{},
	}
	if !cdc.IsOpen(e.status) {
		info.CloseTime = timestamppb.New(noon.Add(time.Minute))
	}
	return info
}

func (f *frontend) DescribeNamespace(context.Context, *workflowservice.DescribeNamespaceRequest) (*workflowservice.DescribeNamespaceResponse, error) {
	return &workflowservice.DescribeNamespaceResponse{
		Config: &namespacepb.NamespaceConfig{WorkflowExecutionRetentionTtl: durationpb.New(24 * time.Hour)},
	}, nil
}

func (f *frontend) DescribeSchedule(context.Context, *workflowservice.DescribeScheduleRequest) (*workflowservice.DescribeScheduleResponse, error) {
	return nil, serviceerror.NewNotFound("no schedule")
}

func (f *frontend) DescribeTaskQueue(context.Context, *workflowservice.DescribeTaskQueueRequest) (*workflowservice.DescribeTaskQueueResponse, error) {
	return &workflowservice.DescribeTaskQueueResponse{Pollers: []*taskqueuepb.PollerInfo{{Identity: "worker-1", LastAccessTime: timestamppb.Now()}}}, nil
}

func (f *frontend) CountWorkflowExecutions(context.Context, *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	return &workflowservice.CountWorkflowExecutionsResponse{}, nil
}

// ListWorkflowExecutions understands the type, the prefix and the status of a query.
func (f *frontend) ListWorkflowExecutions(_ context.Context, r *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	response := &workflowservice.ListWorkflowExecutionsResponse{}
	_, prefix, _ := strings.Cut(r.GetQuery(), "STARTS_WITH '")
	prefix, _, _ = strings.Cut(prefix, "'")
	for id, e := range f.executions {
		if strings.Contains(r.GetQuery(), "'"+e.kind+"'") && strings.HasPrefix(id, prefix) &&
			(!strings.Contains(r.GetQuery(), "ExecutionStatus") || strings.Contains(r.GetQuery(), "'"+e.status.String()+"'")) {
			response.Executions = append(response.Executions, f.info(id, e))
		}
	}
	return response, nil
}

func (f *frontend) DescribeWorkflowExecution(_ context.Context, r *workflowservice.DescribeWorkflowExecutionRequest) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	e, err := f.find(r.GetExecution().GetWorkflowId())
	if err != nil {
		return nil, err
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: f.info(r.GetExecution().GetWorkflowId(), e)}, nil
}

// GetWorkflowExecutionHistory has the first event of an execution, or the last one when
// that is asked for. That of a running one keeps its caller waiting.
func (f *frontend) GetWorkflowExecutionHistory(ctx context.Context, r *workflowservice.GetWorkflowExecutionHistoryRequest) (*workflowservice.GetWorkflowExecutionHistoryResponse, error) {
	id := r.GetExecution().GetWorkflowId()
	e, err := f.find(id)
	if err != nil {
		return nil, err
	}
	event := &historypb.HistoryEvent{EventId: 1, EventTime: timestamppb.New(noon), Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
		WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{Input: f.payloads(id, e.input)},
	}}
	if r.GetHistoryEventFilterType() == enumspb.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT {
		switch e.status {
		case completed:
			event.EventType = enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED
			event.Attributes = &historypb.HistoryEvent_WorkflowExecutionCompletedEventAttributes{
				WorkflowExecutionCompletedEventAttributes: &historypb.WorkflowExecutionCompletedEventAttributes{Result: f.payloads(id, e.result)},
			}
		case canceled:
			event.EventType = enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED
			event.Attributes = &historypb.HistoryEvent_WorkflowExecutionCanceledEventAttributes{
				WorkflowExecutionCanceledEventAttributes: &historypb.WorkflowExecutionCanceledEventAttributes{Details: f.payloads(id, e.result)},
			}
		default:
			changed := f.changed
			f.Unlock()
			select {
			case <-changed:
			case <-ctx.Done():
			}
			f.Lock()
			return &workflowservice.GetWorkflowExecutionHistoryResponse{NextPageToken: []byte("more"), History: &historypb.History{}}, nil
		}
	}
	return &workflowservice.GetWorkflowExecutionHistoryResponse{History: &historypb.History{Events: []*historypb.HistoryEvent{event}}}, nil
}

func (f *frontend) StartWorkflowExecution(_ context.Context, r *workflowservice.StartWorkflowExecutionRequest) (*workflowservice.StartWorkflowExecutionResponse, error) {
	if f.executions[r.GetWorkflowId()] != nil {
		return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("already started", "", "run")
	}
	f.started = append(f.started, r)
	if f.onStart != nil {
		f.onStart(r.GetWorkflowId())
	}
	return &workflowservice.StartWorkflowExecutionResponse{RunId: "run"}, nil
}

func (f *frontend) SignalWorkflowExecution(_ context.Context, r *workflowservice.SignalWorkflowExecutionRequest) (*workflowservice.SignalWorkflowExecutionResponse, error) {
	f.signals = append(f.signals, r)
	if f.onSignal != nil {
		f.onSignal(r.GetWorkflowExecution().GetWorkflowId(), r.GetSignalName())
	}
	return &workflowservice.SignalWorkflowExecutionResponse{}, nil
}

func (f *frontend) RequestCancelWorkflowExecution(_ context.Context, r *workflowservice.RequestCancelWorkflowExecutionRequest) (*workflowservice.RequestCancelWorkflowExecutionResponse, error) {
	f.cancelled = append(f.cancelled, r.GetWorkflowExecution().GetWorkflowId())
	if f.onCancel != nil {
		f.onCancel(r.GetWorkflowExecution().GetWorkflowId())
	}
	return &workflowservice.RequestCancelWorkflowExecutionResponse{}, nil
}

func (f *frontend) QueryWorkflow(_ context.Context, r *workflowservice.QueryWorkflowRequest) (*workflowservice.QueryWorkflowResponse, error) {
	id := r.GetExecution().GetWorkflowId()
	e, err := f.find(id)
	if err != nil {
		return nil, err
	}
	require.Equal(f.t, cdc.QueryProgress, r.GetQuery().GetQueryType())
	response := &workflowservice.QueryWorkflowResponse{QueryResult: f.payloads(id, e.progress)}
	if f.onQuery != nil {
		f.onQuery(id)
	}
	return response, nil
}

// awsServer responds like AWS: to calls of its JSON protocols by their names, and to all
// others by fhir.
func awsServer(t *testing.T, calls map[string]func(input map[string]any) (status int, output any), fhir http.HandlerFunc) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target := r.Header.Get("X-Amz-Target")
		if target == "" {
			fhir(w, r)
			return
		}
		_, name, _ := strings.Cut(target, ".")
		var input map[string]any
		call := calls[name]
		if call == nil || json.NewDecoder(r.Body).Decode(&input) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		status, output := call(input)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(output)
	}))
	t.Cleanup(server.Close)
	for _, name := range []string{"AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_EVENTBRIDGE", "CDC_HEALTHLAKE_ENDPOINT"} {
		t.Setenv(name, server.URL)
	}
}
