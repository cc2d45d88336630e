package composecheck_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
)

// jobs do one thing and end: others wait for their end instead of their health.
var jobs = []string{"temporal-schema", "temporal-namespace", "starter"}

func TestEveryServiceIsThere(t *testing.T) {
	names := composed(t).ServiceNames()
	slices.Sort(names)
	require.Equal(t, []string{
		"devstack", "postgresql", "starter", "temporal", "temporal-namespace", "temporal-schema", "temporal-ui", "worker",
	}, names)
}

// The starter is run by hand; `docker compose up` starts everything else.
func TestUpStartsEverythingButTheStarter(t *testing.T) {
	project := mustLoad(t, source{files: []string{composeFile}})
	require.NotContains(t, project.Services, "starter")
	require.Contains(t, project.Services, "worker")
	require.Contains(t, project.Services, "devstack")
}

func TestServicesHaveNoRightsThatTheyDoNotNeed(t *testing.T) {
	for name, service := range composed(t).Services {
		require.True(t, service.ReadOnly, "%s can write to its root file system", name)
		require.Equal(t, []string{"ALL"}, service.CapDrop, name)
		require.Equal(t, []string{"no-new-privileges:true"}, service.SecurityOpt, name)
		require.False(t, service.Privileged, name)
		require.Empty(t, service.CapAdd, name)
		require.Empty(t, service.Devices, name)
		require.Empty(t, service.Pid+service.Ipc+service.UserNSMode+service.NetworkMode, name)
		for _, volume := range service.Volumes {
			require.Equal(t, types.VolumeTypeVolume, volume.Type, "%s mounts a path of the host", name)
		}
		require.NotEqual(t, "root", service.User, name)
		require.False(t, strings.HasPrefix(service.User, "0"), name)
	}
}

func TestServicesHaveBounds(t *testing.T) {
	for name, service := range composed(t).Services {
		require.NotNil(t, service.Deploy, name)
		require.NotNil(t, service.Deploy.Resources.Limits, name)
		require.Positive(t, service.Deploy.Resources.Limits.MemoryBytes, name)
		require.NotEmpty(t, service.Restart, "%s has no restart policy", name)
	}
}

// Nothing that has no accounts can be reached from other machines.
func TestPortsStayOnTheHostsLoopback(t *testing.T) {
	project := composed(t)
	for name, service := range project.Services {
		for _, port := range service.Ports {
			require.Equal(t, "127.0.0.1", port.HostIP, "%s publishes %d", name, port.Target)
		}
	}
	require.True(t, project.Networks["database"].Internal)
	var inDatabase []string
	for name, service := range project.Services {
		if _, ok := service.Networks["database"]; ok {
			inDatabase = append(inDatabase, name)
		}
	}
	require.ElementsMatch(t, []string{"postgresql", "temporal-schema", "temporal"}, inDatabase)
	require.Empty(t, project.Services["postgresql"].Ports)
}

func TestWhatStaysUpIsCheckedForHealth(t *testing.T) {
	for name, service := range composed(t).Services {
		if slices.Contains(jobs, name) {
			continue
		}
		check := service.HealthCheck
		require.NotNil(t, check, name)
		require.False(t, check.Disable, name)
		require.Equal(t, "CMD", check.Test[0], "%s: a shell is not in every image", name)
		require.NotNil(t, check.Interval, name)
		require.NotNil(t, check.Timeout, name)
		require.NotNil(t, check.Retries, name)
		require.Equal(t, "unless-stopped", service.Restart, name)
	}
}

// What is waited for is ready: a service by its health, a job by its end.
func TestServicesWaitForWhatTheyNeed(t *testing.T) {
	project := composed(t)
	for name, service := range project.Services {
		for needed, how := range service.DependsOn {
			require.Contains(t, project.Services, needed)
			want := types.ServiceConditionHealthy
			if slices.Contains(jobs, needed) {
				want = types.ServiceConditionCompletedSuccessfully
			}
			require.Equal(t, want, how.Condition, "%s waits for %s", name, needed)
		}
	}
	require.Contains(t, project.Services["worker"].DependsOn, "devstack")
	require.Contains(t, project.Services["worker"].DependsOn, "temporal-namespace")
}

// Nothing in the worker's service is there once only: --scale worker=4 works.
func TestTheWorkerScales(t *testing.T) {
	worker := composed(t).Services["worker"]
	require.Empty(t, worker.ContainerName)
	require.Empty(t, worker.Hostname)
	require.Empty(t, worker.Ports)
	require.Empty(t, worker.Volumes)
	require.Nil(t, worker.Scale)
	require.Nil(t, worker.Deploy.Replicas)
	for name, network := range worker.Networks {
		if network != nil {
			require.Empty(t, network.Ipv4Address, name)
			require.Empty(t, network.Aliases, name)
		}
	}
}

// A worker that is stopped finishes its last long poll (20 s, the maximum of SQS), and has
// until --grace (25 s from the signal).
func TestAStopIsLongerThanALongPoll(t *testing.T) {
	worker := composed(t).Services["worker"]
	require.NotNil(t, worker.StopGracePeriod)
	require.GreaterOrEqual(t, time.Duration(*worker.StopGracePeriod), 35*time.Second)
	require.Empty(t, worker.StopSignal, "the worker stops on SIGTERM")
}

// pinned images have a full version and its digest: they change when this repository does.
var pinned = regexp.MustCompile(`^[a-z0-9./-]+:\d+(\.\d+)+@sha256:[0-9a-f]{64}$`)

func TestImagesArePinnedOrOurs(t *testing.T) {
	for name, service := range composed(t).Services {
		if service.Build != nil {
			require.True(t, strings.HasPrefix(service.Image, "healthlake-cdc/"), name)
			continue
		}
		require.Regexp(t, pinned, service.Image, name)
	}
}
