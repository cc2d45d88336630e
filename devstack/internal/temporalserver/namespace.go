package temporalserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	namespacepb "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"google.golang.org/protobuf/types/known/durationpb"

	"healthlake-cdc/devstack/internal/proc"
)

// probeID is the ID of a workflow that never exists: describing it shows that the history service
// responds, which the frontend's health does not.
const probeID = "readiness-probe"

// EnsureNamespace creates the namespace, or sets the retention of the one that exists, and
// returns once workflows can be started in it. It tries until ctx ends.
func EnsureNamespace(ctx context.Context, address, namespace string, retention time.Duration) error {
	quiet := sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))
	c, err := client.NewLazyClient(client.Options{HostPort: address, Namespace: namespace, Logger: quiet})
	if err != nil {
		return fmt.Errorf("creating namespace %q: %w", namespace, err)
	}
	defer c.Close()

	err = proc.Poll(ctx, func(ctx context.Context) error {
		return registerNamespace(ctx, c.WorkflowService(), namespace, retention)
	})
	if err != nil {
		return fmt.Errorf("creating namespace %q: %w", namespace, err)
	}
	err = proc.Poll(ctx, func(ctx context.Context) error {
		_, err := c.DescribeWorkflow(ctx, probeID, "")
		if _, missing := errors.AsType[*serviceerror.NotFound](err); missing {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("waiting for namespace %q: %w", namespace, err)
	}
	return nil
}

func registerNamespace(ctx context.Context, service workflowservice.WorkflowServiceClient, namespace string, retention time.Duration) error {
	_, err := service.RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace:                        namespace,
		WorkflowExecutionRetentionPeriod: durationpb.New(retention),
	})
	if _, exists := errors.AsType[*serviceerror.NamespaceAlreadyExists](err); !exists {
		return err
	}
	_, err = service.UpdateNamespace(ctx, &workflowservice.UpdateNamespaceRequest{
		Namespace: namespace,
		Config:    &namespacepb.NamespaceConfig{WorkflowExecutionRetentionTtl: durationpb.New(retention)},
	})
	return err
}
