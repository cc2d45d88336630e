package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"

	"healthlake-cdc/internal/ops/explain"
	"healthlake-cdc/internal/queue"
)

const (
	// defaultUI is of `temporal server start-dev` and of devstack.
	defaultUI = "http://localhost:8233"
	// maxExplained: each takes several requests to the store and to Temporal.
	maxExplained = 100
)

func newExplainCommand(s *session) *cobra.Command {
	var datastore, ui string
	command := &cobra.Command{
		Use:   "explain TYPE/ID[/_history/VERSION]",
		Short: "Show what happened to one version: its window, its trigger, when it was published, or why not",
		Long: `Explain says when a version was published, or why not. Without a version it explains
the current one, or the last one before a delete. With - it reads versions from standard
input, one per line. The resource's id is printed, and sent only to the data store.
` + whyStdin,
		Example: "  starter explain Patient/123\n  starter explain Observation/abc/_history/4 --json\n  starter explain - < versions.txt",
		Args:    oneArgument("explain needs one argument: Type/id or Type/id/_history/version, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			names, err := s.resourceNames(cmd.Context(), cmd.InOrStdin(), args, maxExplained)
			if err != nil {
				return err
			}
			return s.explain(cmd.Context(), names, datastore, ui)
		},
	}
	bindDatastore(command.Flags(), &datastore)
	command.Flags().StringVar(&ui, "ui-url", defaultUI, "URL of the Temporal UI, for links")
	return command
}

func (s *session) explain(ctx context.Context, names []string, datastore, ui string) error {
	requests := make([]explain.Request, len(names))
	for i, name := range names {
		var err error
		if requests[i], err = explain.ParseRequest(name); err != nil {
			return numbered(i, len(names), err)
		}
	}
	return s.withConnection(ctx, needsTemporal, func(c *connection) error {
		datastores, err := c.datastores(datastore)
		if err != nil {
			return err
		}
		explainer, err := c.explainer(ctx, ui)
		if err != nil {
			return err
		}
		var results []explain.Result
		var texts []string
		for i, request := range requests {
			for _, request.Datastore = range datastores {
				result, err := explainer.Explain(ctx, request)
				if err != nil {
					return printDone(s, results, strings.Join(texts, "\n\n"), numbered(i, len(requests), err))
				}
				results = append(results, result)
				texts = append(texts, result.Text())
			}
		}
		return s.print(results, strings.Join(texts, "\n\n"))
	})
}

// numbered names one of several resources by its place: its id is patient data.
func numbered(i, of int, err error) error {
	if of == 1 {
		return err
	}
	return fmt.Errorf("number %d: %w", i+1, err)
}

func (c *connection) explainer(ctx context.Context, ui string) (*explain.Explainer, error) {
	stores, err := c.stores(ctx)
	if err != nil {
		return nil, err
	}
	retention, err := c.Retention(ctx)
	if err != nil {
		return nil, err
	}
	return &explain.Explainer{
		Store: stores, Executions: c.Executions, Queries: c.Client,
		Types: c.types, Audited: c.config.AuditOn(), Namespace: c.Namespace, Retention: retention, UIURL: ui,
		Backlog: c.backlog, Now: time.Now,
	}, nil
}

// backlog looks where the trigger of a window may be that was never opened.
func (c *connection) backlog(ctx context.Context) explain.Backlog {
	found := explain.Backlog{TaskQueue: c.config.TaskQueue}
	var err error
	if found.Queue, found.DLQ, err = c.queues(ctx); err != nil && !errors.Is(err, queue.ErrNoDLQ) {
		found.Unknown = err.Error()
	}
	described, err := c.Client.DescribeTaskQueue(ctx, c.config.TaskQueue, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
	found.NoWorker = err == nil && len(described.GetPollers()) == 0
	return found
}
