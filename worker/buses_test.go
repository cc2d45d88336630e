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
	first := b.get("changes")
	require.NotSame(t, first, b.get("warehouse"))
	require.Same(t, first, b.get("changes"))
}
