package main

import (
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
)

// The rest of docker-compose.yml is tested in internal/composecheck; this needs
// the program's own flags.
func composedDevstack(t *testing.T) (devstack, worker types.ServiceConfig) {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"../docker-compose.yml"})
	require.NoError(t, err)
	project, err := options.LoadProject(t.Context())
	require.NoError(t, err)
	return project.Services["devstack"], project.Services["worker"]
}

func TestTheComposeFileRunsParts(t *testing.T) {
	devstack, worker := composedDevstack(t)
	command, arguments, err := newCommand().Find(devstack.Command)
	require.NoError(t, err)
	require.Equal(t, "parts", command.Name())
	require.NoError(t, command.ParseFlags(arguments))
	value := func(flag string) string { return command.Flag(flag).Value.String() }

	require.Equal(t, devstack.Name, value(insideContainer))
	require.Equal(t, *worker.Environment["TEMPORAL_ADDRESS"], value("external-temporal"))
	rate, err := strconv.ParseFloat(value("write-rate"), 64)
	require.NoError(t, err)
	require.Positive(t, rate, "a first `up` shows something")

	check, rest, err := newCommand().Find(devstack.HealthCheck.Test[2:])
	require.NoError(t, err)
	require.Equal(t, "probe", check.Name())
	require.Empty(t, rest)
}

// The parts listen where the workers call and where ports are published.
func TestTheComposeFileKnowsThePorts(t *testing.T) {
	devstack, worker := composedDevstack(t)
	ports := map[string]bool{}
	for _, port := range devstack.Ports {
		require.Equal(t, port.Published, strconv.Itoa(int(port.Target)))
		ports[port.Published] = true
	}
	for address, variable := range map[string]string{
		defaultAWS: "AWS_ENDPOINT_URL_SQS", defaultHealthLake: "CDC_HEALTHLAKE_ENDPOINT",
	} {
		port := address[strings.LastIndexByte(address, ':'):]
		require.Equal(t, "http://devstack"+port, *worker.Environment[variable])
		require.Contains(t, ports, port[1:])
	}
	require.Contains(t, ports, defaultCodec[strings.LastIndexByte(defaultCodec, ':')+1:])
}
