package temporal

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	namespacepb "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/operatorservice/v1"
	schedulepb "go.temporal.io/api/schedule/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/durationpb"

	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/payload"
	"healthlake-cdc/internal/temporal/temporaltest"
)

// frontend responds over gRPC as Temporal's does to the calls that this package
// makes. The real server is a dependency of the devstack module, whose end-to-end
// tests run against it; this one can be told to fail.
type frontend struct {
	temporaltest.Frontend
	addr string

	attributes map[string]enumspb.IndexedValueType
	pending    map[string]enumspb.IndexedValueType // created, not usable yet
	lag        int                                 // questions until they are
	countErr   error
	listErr    error
	addErrs    []error // for one call each
	adds       int
	onAdd      func()
	// starts are the executions that were started, the newest last, and header is of the
	// last start. plain is set when the namespace knows no search attributes of ours.
	starts []*workflowservice.StartWorkflowExecutionRequest
	header metadata.MD
	plain  bool
	// status is of the latest run of each ID.
	status map[string]enumspb.WorkflowExecutionStatus
	// counts are of queries that are none for an attribute.
	counts map[string]int64
	// schedules are kept with the number of their changes as their conflict token;
	// onRead is called after each look at one, and pollers poll every task queue.
	schedules   map[string]*schedulepb.Schedule
	changes     int
	onRead      func()
	scheduleErr error
	pollers     []*taskqueuepb.PollerInfo
	retention   time.Duration
}

func startFrontend(t *testing.T) *frontend {
	t.Helper()
	f := &frontend{
		attributes: make(map[string]enumspb.IndexedValueType), pending: make(map[string]enumspb.IndexedValueType),
		status: make(map[string]enumspb.WorkflowExecutionStatus), schedules: make(map[string]*schedulepb.Schedule),
	}
	f.addr = temporaltest.Serve(t, f)
	return f
}

// StartWorkflowExecution reuses IDs as the real server does.
func (f *frontend) StartWorkflowExecution(ctx context.Context, r *workflowservice.StartWorkflowExecutionRequest) (*workflowservice.StartWorkflowExecutionResponse, error) {
	if f.plain && len(r.GetSearchAttributes().GetIndexedFields()) > 0 {
		return nil, serviceerror.NewInvalidArgument("Namespace default has no mapping defined for search attribute CdcState")
	}
	status, exists := f.status[r.GetWorkflowId()]
	open := status == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	reject := r.GetWorkflowIdReusePolicy() == enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
	if exists && (reject || open && r.GetWorkflowIdConflictPolicy() == enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL) {
		return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("already started", "", "run")
	}
	f.starts = append(f.starts, r)
	f.status[r.GetWorkflowId()] = enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	f.header, _ = metadata.FromIncomingContext(ctx)
	return &workflowservice.StartWorkflowExecutionResponse{RunId: "run"}, nil
}

// started is the newest start.
func (f *frontend) started(t *testing.T) *workflowservice.StartWorkflowExecutionRequest {
	t.Helper()
	f.Lock()
	defer f.Unlock()
	require.NotEmpty(t, f.starts)
	return f.starts[len(f.starts)-1]
}

// closes ends an execution.
func (f *frontend) closes(id string) {
	f.Lock()
	defer f.Unlock()
	f.status[id] = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
}

func (f *frontend) DescribeWorkflowExecution(_ context.Context, r *workflowservice.DescribeWorkflowExecutionRequest) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	status, ok := f.status[r.GetExecution().GetWorkflowId()]
	if !ok {
		return nil, serviceerror.NewNotFound("no execution")
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{
		WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{Execution: r.GetExecution(), Status: status},
	}, nil
}

// GetWorkflowExecutionHistory returns with what the newest run of an ID was started.
func (f *frontend) GetWorkflowExecutionHistory(_ context.Context, r *workflowservice.GetWorkflowExecutionHistoryRequest) (*workflowservice.GetWorkflowExecutionHistoryResponse, error) {
	for _, start := range slices.Backward(f.starts) {
		if start.GetWorkflowId() == r.GetExecution().GetWorkflowId() {
			return &workflowservice.GetWorkflowExecutionHistoryResponse{History: &historypb.History{Events: []*historypb.HistoryEvent{{
				EventId: 1, Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
					WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{Input: start.GetInput()},
				},
			}}}}, nil
		}
	}
	return nil, serviceerror.NewNotFound("no execution")
}

// ListWorkflowExecutions finds executions by the beginning of their IDs, two a page.
func (f *frontend) ListWorkflowExecutions(_ context.Context, r *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	_, prefix, _ := strings.Cut(r.GetQuery(), "STARTS_WITH '")
	prefix = strings.TrimSuffix(prefix, "'")
	page := &workflowservice.ListWorkflowExecutionsResponse{}
	for _, id := range slices.Sorted(maps.Keys(f.status)) {
		switch {
		case !strings.HasPrefix(id, prefix) || id <= string(r.GetNextPageToken()):
		case len(page.GetExecutions()) == min(2, int(r.GetPageSize())):
			page.NextPageToken = []byte(page.GetExecutions()[len(page.GetExecutions())-1].GetExecution().GetWorkflowId())
			return page, nil
		default:
			page.Executions = append(page.Executions, &workflowpb.WorkflowExecutionInfo{
				Execution: &commonpb.WorkflowExecution{WorkflowId: id}, Status: f.status[id],
			})
		}
	}
	return page, nil
}

func (f *frontend) DescribeSchedule(_ context.Context, r *workflowservice.DescribeScheduleRequest) (*workflowservice.DescribeScheduleResponse, error) {
	schedule, ok := f.schedules[r.GetScheduleId()]
	token := strconv.Itoa(f.changes)
	if f.onRead != nil { // which makes calls of its own
		f.Unlock()
		f.onRead()
		f.Lock()
	}
	if !ok {
		return nil, serviceerror.NewNotFound("no schedule")
	}
	return &workflowservice.DescribeScheduleResponse{Schedule: schedule, ConflictToken: []byte(token)}, nil
}

func (f *frontend) CreateSchedule(_ context.Context, r *workflowservice.CreateScheduleRequest) (*workflowservice.CreateScheduleResponse, error) {
	if f.scheduleErr != nil {
		return nil, f.scheduleErr
	}
	if f.schedules[r.GetScheduleId()] != nil {
		return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("schedule exists", "", "")
	}
	f.schedules[r.GetScheduleId()] = r.GetSchedule()
	f.changes++
	return &workflowservice.CreateScheduleResponse{}, nil
}

// UpdateSchedule drops a change whose conflict token is old without saying so, as real
// servers may.
func (f *frontend) UpdateSchedule(_ context.Context, r *workflowservice.UpdateScheduleRequest) (*workflowservice.UpdateScheduleResponse, error) {
	if string(r.GetConflictToken()) == strconv.Itoa(f.changes) {
		f.schedules[r.GetScheduleId()] = r.GetSchedule()
		f.changes++
	}
	return &workflowservice.UpdateScheduleResponse{}, nil
}

func (f *frontend) DescribeTaskQueue(context.Context, *workflowservice.DescribeTaskQueueRequest) (*workflowservice.DescribeTaskQueueResponse, error) {
	return &workflowservice.DescribeTaskQueueResponse{Pollers: f.pollers}, nil
}

func (f *frontend) DescribeNamespace(_ context.Context, r *workflowservice.DescribeNamespaceRequest) (*workflowservice.DescribeNamespaceResponse, error) {
	return &workflowservice.DescribeNamespaceResponse{Config: &namespacepb.NamespaceConfig{
		WorkflowExecutionRetentionTtl: durationpb.New(f.retention),
	}}, nil
}

func (f *frontend) CountWorkflowExecutions(_ context.Context, r *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	if f.countErr != nil {
		return nil, f.countErr
	}
	if len(f.pending) > 0 {
		if f.lag--; f.lag < 0 {
			for name, kind := range f.pending {
				f.attributes[name] = kind
			}
			clear(f.pending)
		}
	}
	if n, ok := f.counts[r.GetQuery()]; ok {
		return &workflowservice.CountWorkflowExecutionsResponse{Count: n}, nil
	}
	name := strings.Fields(r.GetQuery())[4] // WorkflowId = 'none' AND {name} …
	if _, ok := f.attributes[name]; !ok {
		return nil, serviceerror.NewInvalidArgument("invalid query: " + name + " is not a valid search attribute")
	}
	return &workflowservice.CountWorkflowExecutionsResponse{}, nil
}

func (f *frontend) ListSearchAttributes(context.Context, *operatorservice.ListSearchAttributesRequest) (*operatorservice.ListSearchAttributesResponse, error) {
	return &operatorservice.ListSearchAttributesResponse{CustomAttributes: f.attributes}, f.listErr
}

func (f *frontend) AddSearchAttributes(_ context.Context, r *operatorservice.AddSearchAttributesRequest) (*operatorservice.AddSearchAttributesResponse, error) {
	f.adds++
	if f.onAdd != nil {
		f.onAdd()
	}
	if len(f.addErrs) > 0 {
		err := f.addErrs[0]
		f.addErrs = slices.Delete(f.addErrs, 0, 1)
		return nil, err
	}
	for name, kind := range r.GetSearchAttributes() {
		f.pending[name] = kind
	}
	return &operatorservice.AddSearchAttributesResponse{}, nil
}

// settings are the settings of a test, which read no configuration file of the machine.
func settings(t *testing.T) *config.Config {
	t.Helper()
	t.Setenv("TEMPORAL_CONFIG_FILE", t.TempDir()+"/none.toml")
	ring, err := payload.ParseKeys(payload.GenerateKey())
	require.NoError(t, err)
	return &config.Config{PayloadKeys: ring, TaskQueue: "queue", Passes: []time.Duration{10 * time.Second, time.Minute}}
}

// optionsOf are the client's options under the environment.
func optionsOf(t *testing.T, cfg *config.Config) client.Options {
	t.Helper()
	options, err := clientOptions(cfg, config.Worker, slog.New(slog.DiscardHandler), Observers{})
	require.NoError(t, err)
	return options
}

// connect connects to the frontend, whose search attributes can be used.
func connect(t *testing.T, f *frontend) *Connection {
	t.Helper()
	t.Setenv("TEMPORAL_ADDRESS", f.addr)
	options := optionsOf(t, settings(t))
	c, err := client.Dial(options)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return &Connection{
		Client: c, Executions: Executions{Client: c, Data: options.DataConverter},
		Namespace: options.Namespace, Identity: options.Identity, Attributes: true,
	}
}
