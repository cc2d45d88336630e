package temporalserver

import (
	"fmt"
	"net"
	"strconv"
	"time"

	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/primitives"

	"healthlake-cdc/devstack/internal/proc"
)

const (
	clusterName = "active"
	// historyShards is fixed for the life of a database file. One connection writes to SQLite, so
	// more shards would only wait for each other.
	historyShards = 1
	// unlimited stands for "no rate limit" where 0 would mean "nothing at all".
	unlimited = 1_000_000
)

// layout is where the four services listen.
type layout struct {
	services map[string]config.Service
	hosts    map[primitives.ServiceName]static.Hosts
}

// layOut gives the frontend its address and the others free ports. The services are told where
// each of them is, instead of finding each other by gossip: a server that was killed would
// otherwise meet its own dead members in the database when it starts again.
func layOut(frontend string) (layout, error) {
	l := layout{
		services: map[string]config.Service{},
		hosts:    map[primitives.ServiceName]static.Hosts{},
	}
	for _, name := range []primitives.ServiceName{
		primitives.FrontendService, primitives.HistoryService, primitives.MatchingService, primitives.WorkerService,
	} {
		address := frontend
		if name != primitives.FrontendService {
			var err error
			if address, err = proc.FreeAddress(); err != nil {
				return layout{}, err
			}
		}
		host, portText, err := net.SplitHostPort(address)
		if err != nil {
			return layout{}, fmt.Errorf("reading an address: %w", err)
		}
		port, err := strconv.Atoi(portText)
		if err != nil {
			return layout{}, fmt.Errorf("reading a port: %w", err)
		}
		l.services[string(name)] = config.Service{RPC: config.RPC{GRPCPort: port, BindOnIP: host}}
		l.hosts[name] = static.SingleLocalHost(address)
	}
	return l, nil
}

func serverConfig(o Options, l layout, db *config.SQL) *config.Config {
	return &config.Config{
		Services: l.services,
		Persistence: config.Persistence{
			DefaultStore:     sqlite.PluginName,
			VisibilityStore:  sqlite.PluginName,
			NumHistoryShards: historyShards,
			DataStores:       map[string]config.DataStore{sqlite.PluginName: {SQL: db}},
		},
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10,
			MasterClusterName:        clusterName,
			CurrentClusterName:       clusterName,
			ClusterInformation: map[string]cluster.ClusterInformation{
				clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: o.Address},
			},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		PublicClient:        config.PublicClient{HostPort: o.Address},
		Archival: config.Archival{
			History:    config.HistoryArchival{State: "disabled"},
			Visibility: config.VisibilityArchival{State: "disabled"},
		},
		NamespaceDefaults: config.NamespaceDefaults{Archival: config.ArchivalNamespaceDefaults{
			History:    config.HistoryArchivalNamespaceDefaults{State: "disabled"},
			Visibility: config.VisibilityArchivalNamespaceDefaults{State: "disabled"},
		}},
	}
}

// dynamicConfig is the server's own defaults but for what is meant for a fleet of hosts that many
// teams share. Limits of size (payloads, history) stay as they are: our programs have to keep
// within them on every server.
func dynamicConfig() dynamicconfig.StaticClient {
	return dynamicconfig.StaticClient{
		// Rates: a load test should meet the limits of the machine, not these. Visibility is 10
		// calls a second and namespace by default, matching 1,200.
		dynamicconfig.FrontendRPS.Key():                                                        unlimited,
		dynamicconfig.FrontendMaxNamespaceRPSPerInstance.Key():                                 unlimited,
		dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key():                       unlimited,
		dynamicconfig.FrontendMaxConcurrentLongRunningRequestsPerInstance.Key():                unlimited,
		dynamicconfig.FrontendNamespaceReplicationInducingAPIsRPS.Key():                        unlimited,
		dynamicconfig.FrontendGlobalNamespaceNamespaceReplicationInducingAPIsRPS.Key():         unlimited,
		dynamicconfig.FrontendMaxNamespaceNamespaceReplicationInducingAPIsRPSPerInstance.Key(): unlimited,
		dynamicconfig.FrontendPersistenceMaxQPS.Key():                                          unlimited,
		dynamicconfig.HistoryRPS.Key():                                                         unlimited,
		dynamicconfig.HistoryPersistenceMaxQPS.Key():                                           unlimited,
		dynamicconfig.MatchingRPS.Key():                                                        unlimited,
		dynamicconfig.MatchingPersistenceMaxQPS.Key():                                          unlimited,
		dynamicconfig.WorkerPersistenceMaxQPS.Key():                                            unlimited,

		// One host has nothing to spread over: with one partition a task queue is in order, and
		// its rate limit is not divided.
		dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():  1,
		dynamicconfig.MatchingNumTaskqueueWritePartitions.Key(): 1,

		// A search attribute or a namespace that was just made is seen within this time.
		dynamicconfig.NamespaceCacheRefreshInterval.Key(): 250 * time.Millisecond,
		// Tests of what happens after retention need a short one.
		dynamicconfig.NamespaceMinRetentionLocal.Key(): time.Second,
		// The stack talks to nobody outside of this machine.
		dynamicconfig.EnableServerVersionCheck.Key(): false,
	}
}
