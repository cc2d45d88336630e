package main

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/eventbus"
)

// A bus has one publisher, whatever the number of replays to it.
func TestBusesKeepAPublisherForEach(t *testing.T) {
	b := &buses{config: eventbus.Config{Client: eventbus.NewClient(aws.Config{Region: "us-east-1"}), MaxBytes: 1_000_000}}
	first, err := b.get("changes")
	require.NoError(t, err)
	other, err := b.get("warehouse")
	require.NoError(t, err)
	again, err := b.get("changes")
	require.NoError(t, err)
	require.Same(t, first, again)
	require.NotSame(t, first, other)
	_, err = b.get("")
	require.Error(t, err)
}
