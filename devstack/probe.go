package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"healthlake-cdc/devstack/internal/awslocal"
)

const probeTimeout = 5 * time.Second

func newProbeCommand() *cobra.Command {
	var aws, healthlake, codec string
	command := &cobra.Command{
		Use:   "probe",
		Short: "Check that the parts on this machine serve: the health check of an image without a shell",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), probeTimeout)
			defer cancel()
			return errors.Join(
				answers(ctx, http.MethodGet, "http://"+aws+awslocal.FaultsPath, http.StatusOK),
				answers(ctx, http.MethodGet, "http://"+healthlake+"/_devstack/stats", http.StatusOK),
				answers(ctx, http.MethodOptions, "http://"+codec+"/decode", http.StatusNoContent),
			)
		},
	}
	flags := command.Flags()
	flags.StringVar(&aws, "aws", defaultAWS, "address of SQS and EventBridge")
	flags.StringVar(&healthlake, "healthlake", defaultHealthLake, "address of the simulated HealthLake")
	flags.StringVar(&codec, "codec", defaultCodec, "address of the codec endpoint")
	return command
}

// answers calls url once, without a proxy: it is on loopback.
func answers(ctx context.Context, method, url string, want int) error {
	request, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return fmt.Errorf("building probe: %w", err)
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return fmt.Errorf("probing: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != want {
		return fmt.Errorf("probing %s: status %d", url, response.StatusCode)
	}
	return nil
}

// everywhere is the address with its port on every interface.
func everywhere(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return address // listening on it reports what is wrong
	}
	return net.JoinHostPort("0.0.0.0", port)
}
