package cdc

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// FHIR R4 has 148 codes of resource types, of which two are abstract.
func TestResourceTypes(t *testing.T) {
	require.Len(t, ResourceTypes, 146)
	require.True(t, slices.IsSorted(ResourceTypes))
	for _, name := range ResourceTypes {
		require.True(t, ValidType(name), name)
		require.True(t, KnownType(name), name)
	}
	require.True(t, KnownType("SubscriptionTopic"))
	for _, name := range []string{"", "Observations", "patient", "Resource", "DomainResource"} {
		require.False(t, KnownType(name), name)
	}
}
