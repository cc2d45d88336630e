package main

import (
	uiserver "github.com/temporalio/ui-server/v2/server"
	"github.com/temporalio/ui-server/v2/server/config"
	"github.com/temporalio/ui-server/v2/server/server_options"
)

// webUI is a running UI server.
type webUI struct {
	server *uiserver.Server
	done   chan struct{}
}

// startUI starts the Web UI and does not wait until it is ready.
func startUI(s settings) (*webUI, error) {
	host, port, err := splitAddress(s.UI)
	if err != nil {
		return nil, err
	}
	ui := &webUI{
		server: uiserver.NewServer(server_options.WithConfigProvider(uiConfig(s, host, port))),
		done:   make(chan struct{}),
	}
	go func() {
		defer close(ui.done)
		_ = ui.server.Start() // nil after Stop; it ends the process when it can't listen
	}()
	return ui, nil
}

func uiConfig(s settings, host string, port int) *config.Config {
	return &config.Config{
		TemporalGRPCAddress: s.Frontend,
		Host:                host,
		Port:                port,
		EnableUI:            true,
		DefaultNamespace:    s.UINamespace,
		HideLogs:            true,
		// Nothing is fetched from outside of this machine.
		DisableNewsFetch:   true,
		NotifyOnNewVersion: false,
		// The page is served over plain HTTP, so its CSRF cookie can't be a secure one.
		CORS: config.CORS{AllowOrigins: []string{"http://" + s.UI}, CookieInsecure: true},
		// The browser sends payloads to the codec, without credentials.
		Codec: config.Codec{Endpoint: s.CodecEndpoint, PassAccessToken: false, IncludeCredentials: false},
	}
}

func (u *webUI) stop() {
	u.server.Stop()
	<-u.done
}
