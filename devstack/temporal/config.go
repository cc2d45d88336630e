package main

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

// layOut gives the services each other's addresses, instead of gossip: a server that was killed
// would otherwise find its own dead members in the database when it starts again.
func layOut(s settings) (layout, error) {
	l := layout{
		services: map[string]config.Service{},
		hosts:    map[primitives.ServiceName]static.Hosts{},
	}
	for name, address := range map[primitives.ServiceName]string{
		primitives.FrontendService: s.Frontend,
		primitives.HistoryService:  s.History,
		primitives.MatchingService: s.Matching,
		primitives.WorkerService:   s.Worker,
	} {
		host, port, err := splitAddress(address)
		if err != nil {
			return layout{}, err
		}
		if err := checkFree(address); err != nil {
			return layout{}, err
		}
		l.services[string(name)] = config.Service{RPC: config.RPC{GRPCPort: port, BindOnIP: host}}
		l.hosts[name] = static.SingleLocalHost(address)
	}
	return l, nil
}

func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("reading an address: %w", err)
	}
	if port, err = strconv.Atoi(text); err != nil {
		return "", 0, fmt.Errorf("reading a port: %w", err)
	}
	return host, port, nil
}

// checkFree gives a clear error for a port in use; the server would only log that and run on, and
// the UI would end the whole process.
func checkFree(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("the address is in use, is another server running? %w", err)
	}
	if err := listener.Close(); err != nil {
		return fmt.Errorf("giving back the address: %w", err)
	}
	return nil
}

func serverConfig(s settings, l layout, db *config.SQL) *config.Config {
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
				clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: s.Frontend},
			},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		PublicClient:        config.PublicClient{HostPort: s.Frontend},
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
		// The stack makes no calls outside this machine.
		dynamicconfig.EnableServerVersionCheck.Key(): false,
	}
}
