package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"

	"healthlake-cdc/internal/ledger"
	"healthlake-cdc/internal/ops/explain"
	"healthlake-cdc/internal/queue"
	"healthlake-cdc/internal/temporal"
)

// defaultUI is where `temporal server start-dev`, and our development stack,
// have the Web UI.
const defaultUI = "http://localhost:8233"

// mostExplained bounds how many versions one command explains: each takes several
// requests of the store and of Temporal.
const mostExplained = 100

func newExplainCommand(s *session) *cobra.Command {
	var datastore, ui string
	command := &cobra.Command{
		Use:   "explain TYPE/ID[/_history/VERSION]",
		Short: "Say what happened to one version: its window, who opened it, when it was published, or why not",
		Long: `Explain asks the datastore for the version, and Temporal for the window that it
lies in: every run and rerun, their ledgers, and the Publish that held it. Without
a version it explains the current one, or the last one before a delete.

The answer is one for each datastore. The exit code is 0 whenever there is an
answer, whatever it is. With - the versions are named on standard input, one on a
line. The resource's id is printed, and goes to the datastore only.
` + whyStdin,
		Example: "  starter explain Patient/123\n  starter explain Observation/abc/_history/4 --json\n  starter explain - < versions.txt",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("explain takes one argument: Type/id or Type/id/_history/version, or - for standard input")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			names, err := s.resourceNames(cmd.Context(), cmd.InOrStdin(), args, mostExplained)
			if err != nil {
				return err
			}
			return s.explain(cmd.Context(), names, datastore, ui)
		},
	}
	command.Flags().StringVar(&datastore, "datastore", "", "only this one of the configured datastores")
	command.Flags().StringVar(&ui, "ui-url", defaultUI, "where the Temporal UI is, for links")
	return command
}

func (s *session) explain(ctx context.Context, names []string, datastore, ui string) error {
	asks := make([]explain.Ask, len(names))
	for i, name := range names {
		var err error
		if asks[i], err = explain.ParseAsk(name); err != nil {
			if len(names) > 1 {
				return fmt.Errorf("number %d: %w", i+1, err)
			}
			return err
		}
	}
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer c.client.Close()
	datastores, err := selectOne(c.config.Datastores, datastore)
	if err != nil {
		return err
	}
	explainer, err := c.explainer(ctx, ui)
	if err != nil {
		return err
	}
	var answers []explain.Answer
	var texts []string
	for i, ask := range asks {
		for _, ask.Datastore = range datastores {
			answer, err := explainer.Explain(ctx, ask)
			if err != nil && len(answers) > 0 {
				err = fmt.Errorf("number %d: %w", i+1, err)
				return errors.Join(s.print(answers, strings.Join(texts, "\n\n")), err)
			}
			if err != nil {
				return err
			}
			answers = append(answers, answer)
			texts = append(texts, answer.Text())
		}
	}
	return s.print(answers, strings.Join(texts, "\n\n"))
}

// explainer puts together what explaining needs.
func (c *connection) explainer(ctx context.Context, ui string) (*explain.Explainer, error) {
	awsConfig, err := temporal.AWS(ctx, c.config)
	if err != nil {
		return nil, err
	}
	stores, err := temporal.Stores(c.config, awsConfig, nil)
	if err != nil {
		return nil, err
	}
	retention, err := c.retention(ctx)
	if err != nil {
		return nil, err
	}
	return &explain.Explainer{
		Store: stores, Runs: c.client, Converter: c.temporal.Converter,
		Ledgers: ledger.Reader{Executions: c.temporal.Executions()},
		Types:   c.types, Namespace: c.temporal.Namespace, Retention: retention, UIURL: ui,
		Triggers: c.triggers, Now: time.Now,
	}, nil
}

// triggers looks where a trigger may be that has opened no window.
func (c *connection) triggers(ctx context.Context) explain.Triggers {
	found := explain.Triggers{TaskQueue: c.config.TaskQueue}
	var err error
	if found.Queue, found.DLQ, err = c.queues(ctx); err != nil && !errors.Is(err, queue.ErrNoDLQ) {
		found.Unknown = err.Error()
	}
	described, err := c.client.DescribeTaskQueue(ctx, c.config.TaskQueue, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
	found.NoWorker = err == nil && len(described.GetPollers()) == 0
	return found
}

// retention is how long the namespace keeps closed executions.
func (c *connection) retention(ctx context.Context) (time.Duration, error) {
	return temporal.Retention(ctx, c.client, c.temporal.Namespace)
}
