package temporalserver_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"healthlake-cdc/devstack/internal/proc"
	"healthlake-cdc/devstack/internal/temporalserver"
)

const queue = "test"

// waitForSignal returns its input and the signal's.
func waitForSignal(ctx workflow.Context, input string) (string, error) {
	var word string
	workflow.GetSignalChannel(ctx, "go").Receive(ctx, &word)
	return input + " " + word, nil
}

func listening(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, listener.Close()) })
	return listener.Addr().String()
}

func startWorker(t *testing.T, c client.Client) {
	t.Helper()
	w := worker.New(c, queue, worker.Options{})
	w.RegisterWorkflow(waitForSignal)
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
}

func dial(t *testing.T, address, namespace string) client.Client {
	t.Helper()
	c, err := client.DialContext(t.Context(), client.Options{
		HostPort: address, Namespace: namespace,
		Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)), // the server goes away on purpose
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestAWorkflowRuns(t *testing.T) {
	ns := temporalserver.ForTest(t)
	startWorker(t, ns.Client)
	run, err := ns.Client.SignalWithStartWorkflow(t.Context(), "window", "go", "on",
		client.StartWorkflowOptions{TaskQueue: queue}, waitForSignal, "goes")
	require.NoError(t, err)
	var result string
	require.NoError(t, run.Get(t.Context(), &result))
	require.Equal(t, "goes on", result)
}

func TestNamespacesOfTestsAreApart(t *testing.T) {
	one, two := temporalserver.ForTest(t), temporalserver.ForTest(t)
	require.NotEqual(t, one.Name, two.Name)
	require.Equal(t, one.Address, two.Address)
	_, err := one.Client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "same", TaskQueue: queue}, waitForSignal, "")
	require.NoError(t, err)
	_, err = two.Client.DescribeWorkflow(t.Context(), "same", "")
	require.ErrorContains(t, err, "not found")
}

// Our programs make the search attributes themselves, here as on any server.
func TestSearchAttributesAreMadeByTheProgram(t *testing.T) {
	ns := temporalserver.ForTest(t)
	name := temporal.NewSearchAttributeKeyKeyword("CdcDatastore")
	options := client.StartWorkflowOptions{
		ID: "tagged", TaskQueue: queue,
		TypedSearchAttributes: temporal.NewSearchAttributes(name.ValueSet("store")),
	}
	_, err := ns.Client.ExecuteWorkflow(t.Context(), options, waitForSignal, "")
	require.Error(t, err, "nothing is registered before")

	_, err = ns.Client.OperatorService().AddSearchAttributes(t.Context(), &operatorservice.AddSearchAttributesRequest{
		Namespace:        ns.Name,
		SearchAttributes: map[string]enumspb.IndexedValueType{name.GetName(): enumspb.INDEXED_VALUE_TYPE_KEYWORD},
	})
	require.NoError(t, err)
	require.NoError(t, proc.Poll(t.Context(), func(ctx context.Context) error {
		_, err := ns.Client.ExecuteWorkflow(ctx, options, waitForSignal, "")
		return err
	}))
	require.NoError(t, proc.Poll(t.Context(), func(ctx context.Context) error {
		found, err := ns.Client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: `CdcDatastore = "store"`})
		if err == nil && found.GetCount() != 1 {
			err = errors.New("not visible yet")
		}
		return err
	}))
}

// A server that is killed with SIGKILL comes back on its ports with everything that was
// acknowledged, and a connected worker continues.
func TestHistorySurvivesAKill(t *testing.T) {
	// The file's name has what a careless "file:" URI would trip over.
	folder := filepath.Join(t.TempDir(), "a #1 50% stack?")
	require.NoError(t, os.Mkdir(folder, 0o700))
	child, err := temporalserver.StartChild(t.Context(), temporalserver.Options{
		DatabaseFile: filepath.Join(folder, "t.db"),
		Namespaces:   []string{"first", "second"},
		Retention:    30 * time.Hour,
	}, proc.Spec{LogFile: filepath.Join(folder, "server.log")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, child.Kill()) })
	address := child.Address()
	c := dial(t, address, "second")
	startWorker(t, c)
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "window", TaskQueue: queue}, waitForSignal, "lives")
	require.NoError(t, err)

	require.NoError(t, child.Kill())
	require.FileExists(t, filepath.Join(folder, "t.db"))
	require.NoError(t, child.Restart(t.Context()))
	require.Equal(t, address, child.Address())

	again, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "window", TaskQueue: queue}, waitForSignal, "other")
	require.NoError(t, err)
	require.Equal(t, run.GetRunID(), again.GetRunID(), "the running workflow is the one from before")
	require.NoError(t, c.SignalWorkflow(t.Context(), "window", "", "go", "on"))
	var result string
	require.NoError(t, run.Get(t.Context(), &result))
	require.Equal(t, "lives on", result)

	described, err := c.WorkflowService().DescribeNamespace(t.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: "first"})
	require.NoError(t, err)
	require.Equal(t, 30*time.Hour, described.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration())

	exit, err := child.Stop(t.Context())
	require.NoError(t, err)
	require.True(t, exit.OK(), exit)
	server, err := os.ReadFile(filepath.Join(folder, "server.log"))
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(server), "Temporal is ready\n"), "one line for each start")
}

// One file, other ports and another retention: what a developer does from one day to the next.
func TestADatabaseMovesToOtherPorts(t *testing.T) {
	o := temporalserver.Options{DatabaseFile: filepath.Join(t.TempDir(), "t.db")}
	for _, retention := range []time.Duration{24 * time.Hour, 48 * time.Hour} {
		o.Retention = retention
		server, err := temporalserver.StartChild(t.Context(), o, proc.Spec{})
		require.NoError(t, err)
		c := dial(t, server.Address(), temporalserver.DefaultNamespace)
		startWorker(t, c)
		run, err := c.SignalWithStartWorkflow(t.Context(), "w"+retention.String(), "go", "on",
			client.StartWorkflowOptions{TaskQueue: queue}, waitForSignal, "goes")
		require.NoError(t, err)
		require.NoError(t, run.Get(t.Context(), nil))
		described, err := c.WorkflowService().DescribeNamespace(t.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: temporalserver.DefaultNamespace})
		require.NoError(t, err)
		require.Equal(t, retention, described.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration())
		exit, err := server.Stop(t.Context())
		require.NoError(t, err)
		require.True(t, exit.OK(), exit)
	}
}

func TestUIAnswersAndKnowsTheCodec(t *testing.T) {
	const codec = "http://127.0.0.1:9/codec"
	server, err := temporalserver.StartChild(t.Context(),
		temporalserver.Options{UIAddress: "127.0.0.1:0", CodecEndpoint: codec, Namespaces: []string{"shown"}}, proc.Spec{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Kill()) })
	require.NoError(t, proc.GetOK(t.Context(), server.UIURL()))
	require.NoError(t, proc.GetOK(t.Context(), server.UIURL()+"/api/v1/namespaces/shown"), "the UI reaches the server")

	resp, err := http.Get(server.UIURL() + "/api/v1/settings")
	require.NoError(t, err)
	defer func() { require.NoError(t, resp.Body.Close()) }()
	var settings struct {
		DefaultNamespace string
		Codec            struct {
			Endpoint                            string
			PassAccessToken, IncludeCredentials bool
		}
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&settings))
	require.Equal(t, "shown", settings.DefaultNamespace)
	require.Equal(t, codec, settings.Codec.Endpoint)
	require.False(t, settings.Codec.PassAccessToken)
	require.False(t, settings.Codec.IncludeCredentials)
}

func TestStartRejectsUnsafeAndUnknownOptions(t *testing.T) {
	for message, o := range map[string]temporalserver.Options{
		"not on loopback":          {Address: "0.0.0.0:0"},
		"choosing the UI's":        {UIAddress: "localhost"},
		"at least a second":        {Retention: time.Millisecond},
		"log level":                {LogLevel: "loud"},
		"create its folder":        {DatabaseFile: t.TempDir() + "/absent/t.db"},
		"is another server runn":   {Address: listening(t)},
		"starting the Temporal UI": {UIAddress: listening(t)},
	} {
		_, err := temporalserver.StartChild(t.Context(), o, proc.Spec{})
		require.ErrorContains(t, err, message)
	}
}

func TestAChildSaysWhyItDoesNotStart(t *testing.T) {
	_, err := temporalserver.StartChild(t.Context(), temporalserver.Options{Address: listening(t)}, proc.Spec{})
	require.ErrorContains(t, err, "is another server running?")
	require.ErrorContains(t, err, "exit code 1")
}
