package temporal

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"healthlake-cdc/internal/cdc"
)

type queried func(ctx context.Context) (any, error)

func (q queried) QueryWorkflow(ctx context.Context, _, _, _ string, _ ...any) (converter.EncodedValue, error) {
	result, err := q(ctx)
	if err != nil {
		return nil, err
	}
	payloads, err := converter.GetDefaultDataConverter().ToPayloads(result)
	return client.NewValue(payloads), err
}

// A query that no worker answers ends, and is told from one that fails.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		progress, err := Progress(t.Context(), queried(func(context.Context) (any, error) { return cdc.Progress{Done: 3}, nil }), "w")
		require.NoError(t, err)
		require.Equal(t, 3, progress.Done)

		_, err = Progress(t.Context(), queried(func(ctx context.Context) (any, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}), "w")
		require.ErrorIs(t, err, ErrUnanswered)
		failure := errors.New("failure")
		_, err = Progress(t.Context(), queried(func(context.Context) (any, error) { return nil, failure }), "w")
		require.ErrorIs(t, err, failure)
		require.NotErrorIs(t, err, ErrUnanswered)
		_, err = Progress(t.Context(), queried(func(context.Context) (any, error) { return "SECRET", nil }), "w")
		require.ErrorIs(t, err, ErrUndecodable)
		require.NotContains(t, err.Error(), "SECRET")
	})
}
