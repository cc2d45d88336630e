package temporal

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/payload"
)

// frontend answers over gRPC as Temporal's does to the calls that this package
// makes. The real server is a dependency of the devstack module, whose end-to-end
// tests run against it; this one can be told to refuse.
type frontend struct {
	workflowservice.UnimplementedWorkflowServiceServer
	operatorservice.UnimplementedOperatorServiceServer

	addr string

	mu         sync.Mutex
	attributes map[string]enumspb.IndexedValueType
	pending    map[string]enumspb.IndexedValueType // created, not usable yet
	lag        int                                 // questions until they are
	countErr   error
	listErr    error
	addErrs    []error // for one call each
	adds       int
	onAdd      func()
	started    *workflowservice.StartWorkflowExecutionRequest
	header     metadata.MD
}

func startFrontend(t *testing.T) *frontend {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	f := &frontend{
		addr:       listener.Addr().String(),
		attributes: make(map[string]enumspb.IndexedValueType), pending: make(map[string]enumspb.IndexedValueType),
	}
	// Temporal's errors become gRPC's on the way out, as in the real server.
	server := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, r any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		answer, err := next(ctx, r)
		return answer, serviceerror.ToStatus(err).Err()
	}))
	workflowservice.RegisterWorkflowServiceServer(server, f)
	operatorservice.RegisterOperatorServiceServer(server, f)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		require.NoError(t, <-done)
	})
	return f
}

func (f *frontend) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{Capabilities: &workflowservice.GetSystemInfoResponse_Capabilities{}}, nil
}

func (f *frontend) StartWorkflowExecution(ctx context.Context, r *workflowservice.StartWorkflowExecutionRequest) (*workflowservice.StartWorkflowExecutionResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.started = r
	f.header, _ = metadata.FromIncomingContext(ctx)
	return &workflowservice.StartWorkflowExecutionResponse{RunId: "run"}, nil
}

func (f *frontend) CountWorkflowExecutions(_ context.Context, r *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
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
	name := strings.Fields(r.GetQuery())[4] // WorkflowId = 'none' AND {name} …
	if _, ok := f.attributes[name]; !ok {
		return nil, serviceerror.NewInvalidArgument("invalid query: " + name + " is not a valid search attribute")
	}
	return &workflowservice.CountWorkflowExecutionsResponse{}, nil
}

func (f *frontend) ListSearchAttributes(context.Context, *operatorservice.ListSearchAttributesRequest) (*operatorservice.ListSearchAttributesResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &operatorservice.ListSearchAttributesResponse{CustomAttributes: f.attributes}, f.listErr
}

func (f *frontend) AddSearchAttributes(_ context.Context, r *operatorservice.AddSearchAttributesRequest) (*operatorservice.AddSearchAttributesResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
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

// environment is an envconfig.EnvLookup.
type environment map[string]string

func (e environment) Environ() []string {
	var out []string
	for name, value := range e {
		out = append(out, name+"="+value)
	}
	return out
}

func (e environment) LookupEnv(name string) (string, bool) {
	value, ok := e[name]
	return value, ok
}

// settings read an environment without a configuration file.
func settings(t *testing.T, env environment) Settings {
	t.Helper()
	env["TEMPORAL_CONFIG_FILE"] = t.TempDir() + "/none.toml"
	ring, err := payload.ParseKeys(payload.GenerateKey())
	require.NoError(t, err)
	return Settings{Program: config.Worker, Lookup: env, Codec: func(namespace string) (*payload.Codec, error) {
		return payload.NewCodec(ring, namespace, payload.Migration{})
	}}
}

func dial(t *testing.T, f *frontend, env environment) client.Client {
	t.Helper()
	env["TEMPORAL_ADDRESS"] = f.addr
	options, err := Options(settings(t, env))
	require.NoError(t, err)
	c, err := client.Dial(options)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}
