package temporalserver

import (
	"context"
	"log/slog"
	"sync"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"healthlake-cdc/devstack/internal/proc"
)

// testingT is what ForTest needs of a *testing.T, *testing.B or *rapid.T.
type testingT interface {
	Helper()
	Cleanup(func())
	Context() context.Context
	Fatalf(format string, args ...any)
}

// TestNamespace is a namespace on the test binary's server.
type TestNamespace struct {
	// Address of the frontend, for TEMPORAL_ADDRESS.
	Address string
	// Name of the namespace, for TEMPORAL_NAMESPACE.
	Name string
	// Client of that namespace, with the SDK's default data converter; closed with the test.
	Client client.Client
}

// shared is the one server of a test binary. It is in memory and ends with the process.
var shared = sync.OnceValues(func() (*Child, error) {
	//nolint:forbidigo // it serves all tests, so no test's context may end its start
	return StartChild(context.Background(), Options{}, proc.Spec{})
})

// ForTest gives the test a namespace of its own on a real server, which the first test starts and
// all share.
func ForTest(t testingT) TestNamespace {
	t.Helper()
	server, err := shared()
	if err != nil {
		t.Fatalf("%v", err)
	}
	name := "test-" + uuid.NewString()
	if err := EnsureNamespace(t.Context(), server.Address(), name, DefaultRetention); err != nil {
		t.Fatalf("%v", err)
	}
	c, err := client.DialContext(t.Context(), client.Options{
		HostPort:  server.Address(),
		Namespace: name,
		Logger:    sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		t.Fatalf("dialling the test server: %v", err)
	}
	t.Cleanup(c.Close)
	return TestNamespace{Address: server.Address(), Name: name, Client: c}
}
