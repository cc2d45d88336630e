package temporalserver

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/temporalio/ui-server/v2/server"
	"github.com/temporalio/ui-server/v2/server/config"
	"github.com/temporalio/ui-server/v2/server/server_options"

	"healthlake-cdc/devstack/internal/proc"
)

// webUI is a running UI server.
type webUI struct {
	server *server.Server
	done   chan struct{}
}

func uiURL(address string) string {
	if address == "" {
		return ""
	}
	return "http://" + address
}

// startUI starts the Web UI and waits until it answers.
func startUI(ctx context.Context, o Options) (*webUI, error) {
	host, portText, err := net.SplitHostPort(o.UIAddress)
	if err != nil {
		return nil, fmt.Errorf("reading the address: %w", err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("reading the port: %w", err)
	}
	// The UI server ends the whole process when it can't listen.
	if err := checkFree(o.UIAddress); err != nil {
		return nil, err
	}
	ui := &webUI{
		server: server.NewServer(server_options.WithConfigProvider(uiConfig(o, host, port))),
		done:   make(chan struct{}),
	}
	go func() {
		defer close(ui.done)
		_ = ui.server.Start() // nil after Stop, and see above for the rest
	}()
	err = proc.Poll(ctx, func(ctx context.Context) error {
		return proc.GetOK(ctx, uiURL(o.UIAddress)+"/healthz")
	})
	if err != nil {
		ui.stop()
		return nil, err
	}
	return ui, nil
}

func uiConfig(o Options, host string, port int) *config.Config {
	return &config.Config{
		TemporalGRPCAddress: o.Address,
		Host:                host,
		Port:                port,
		EnableUI:            true,
		DefaultNamespace:    o.Namespaces[0],
		HideLogs:            true,
		// Nothing is fetched from outside of this machine.
		DisableNewsFetch:   true,
		NotifyOnNewVersion: false,
		// The page is served over plain HTTP, so its CSRF cookie can't be a secure one.
		CORS: config.CORS{AllowOrigins: []string{uiURL(o.UIAddress)}, CookieInsecure: true},
		// The browser sends payloads to the codec, and nothing that says who is asking.
		Codec: config.Codec{Endpoint: o.CodecEndpoint, PassAccessToken: false, IncludeCredentials: false},
	}
}

func (u *webUI) stop() {
	u.server.Stop()
	<-u.done
}
