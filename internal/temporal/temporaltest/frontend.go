package temporaltest

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
)

// Frontend is a frontend of Temporal that does not implement anything. A test's frontend
// embeds it, and implements what the test calls.
type Frontend struct {
	workflowservice.UnimplementedWorkflowServiceServer
	operatorservice.UnimplementedOperatorServiceServer
	// Mutex is locked during each call.
	sync.Mutex
}

// GetSystemInfo is what a client calls first.
func (*Frontend) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{Capabilities: &workflowservice.GetSystemInfoResponse_Capabilities{}}, nil
}

// Serve serves a frontend over gRPC until the end of the test, and returns its address.
// Temporal's errors become gRPC's on the way out, as in the real server.
func Serve[T interface {
	workflowservice.WorkflowServiceServer
	operatorservice.OperatorServiceServer
	sync.Locker
}](t *testing.T, frontend T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, r any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		frontend.Lock()
		defer frontend.Unlock()
		response, err := next(ctx, r)
		return response, serviceerror.ToStatus(err).Err()
	}))
	workflowservice.RegisterWorkflowServiceServer(server, frontend)
	operatorservice.RegisterOperatorServiceServer(server, frontend)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		require.NoError(t, <-done)
	})
	return listener.Addr().String()
}
