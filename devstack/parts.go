package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"healthlake-cdc/devstack/internal/demo"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
)

// insideContainer is the flag that lets the stand-ins listen beyond loopback.
const insideContainer = "inside-container-network-as"

// The ports of the parts, the same for up, parts and probe.
const (
	defaultAWS        = "127.0.0.1:4566"
	defaultHealthLake = "127.0.0.1:4580"
	defaultCodec      = "127.0.0.1:8081"
)

type partsOptions struct {
	stack      stack.Options
	lag, delay time.Duration
	writeRate  float64
}

func newPartsCommand() *cobra.Command {
	var o partsOptions
	command := &cobra.Command{
		Use:   "parts",
		Short: "Start the stand-ins alone, without Temporal: HealthLake, SQS and EventBridge, the codec endpoint",
		Long: `Parts starts the stand-ins for AWS: a HealthLake simulator, SQS and EventBridge
with the template of deploy/ applied, and the codec endpoint for a Temporal UI. It
starts no Temporal, and needs neither Go nor a clone: the devstack image of
docker-compose.yml runs it. Everything is in memory and deleted at the end.

Payloads are decoded with CDC_PAYLOAD_KEYS; with CDC_INSECURE_PLAINTEXT=true they
are not encrypted; with neither, a new key is made and printed.

The stand-ins accept one public pair of credentials; their control endpoints and
the codec accept everybody. So they listen on loopback only, unless
--` + insideContainer + ` says that only a container network can reach
them.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.stack.ContainerHost != "" {
				for flag, address := range map[string]*string{
					"aws": &o.stack.AWSAddress, "healthlake": &o.stack.SimulatorAddress, "codec": &o.stack.CodecAddress,
				} {
					if !cmd.Flags().Changed(flag) {
						*address = everywhere(*address)
					}
				}
			}
			if err := keysOf(&o.stack, os.LookupEnv); err != nil {
				return err
			}
			return parts(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := command.Flags()
	flags.StringVar(&o.stack.AWSAddress, "aws", defaultAWS, "address of SQS and EventBridge")
	flags.StringVar(&o.stack.SimulatorAddress, "healthlake", defaultHealthLake, "address of the simulated HealthLake")
	flags.StringVar(&o.stack.CodecAddress, "codec", defaultCodec, "address of the codec endpoint")
	flags.StringVar(&o.stack.ContainerHost, insideContainer, "", "DANGEROUS outside a container network: listen on every address, and advertise this host `name`")
	flags.StringVar(&o.stack.ExternalTemporal, "external-temporal", "127.0.0.1:7233", "address of Temporal, for the printed variables")
	flags.StringSliceVar(&o.stack.UIOrigins, "ui-origin", []string{"http://localhost:8233", "http://127.0.0.1:8233"}, "origins of the Temporal UI that may use the codec endpoint")
	flags.StringSliceVar(&o.stack.Simulator.Datastores, "datastores", nil, "ids of the simulated datastores")
	flags.DurationVar(&o.lag, "lag", 5*time.Second, "time from a write until search shows the version")
	flags.DurationVar(&o.delay, "delay", 4*time.Second, "longest delay of a CloudTrail record")
	flags.Float64Var(&o.writeRate, "write-rate", 0, "write so many synthetic FHIR records per second; 0 writes none")
	return command
}

// parts starts the stand-ins and keeps them until ctx ends.
func parts(ctx context.Context, o partsOptions, stdout, stderr io.Writer) (err error) {
	o.stack.Progress = stderr
	// No part writes files: the image's root file system is read only.
	o.stack.Dir = os.TempDir()
	o.stack.Simulator.SearchLag = simulator.FixedLag(o.lag)
	o.stack.Simulator.Trail.Delay = simulator.Between(min(time.Second, o.delay), o.delay)
	s, err := stack.Start(ctx, o.stack)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for _, variable := range s.Env() {
		// Keys that were given do not belong into a container's log.
		if o.stack.Keys == "" || !strings.HasPrefix(variable, "CDC_PAYLOAD_KEYS=") {
			fmt.Fprintln(stdout, "export "+variable)
		}
	}
	fmt.Fprintln(stdout, "# codec endpoint: "+s.CodecURL)
	fmt.Fprintln(stdout, "# dead-letter queue: "+s.Outputs["DlqUrl"])
	if o.stack.ContainerHost != "" {
		fmt.Fprintln(stderr, "open beyond loopback: everybody who reaches these ports can read and write everything here")
	}
	group, ctx := errgroup.WithContext(ctx)
	if o.writeRate > 0 {
		fmt.Fprintf(stderr, "writing %g synthetic records per second\n", o.writeRate)
		group.Go(func() error { return demo.Write(ctx, s, o.writeRate) })
	}
	group.Go(func() error {
		<-ctx.Done()
		return nil
	})
	return group.Wait()
}

// keysOf reads the payload keys from the environment, as workers do: a flag would show
// them in the list of processes.
func keysOf(o *stack.Options, lookup func(string) (string, bool)) error {
	o.Keys, _ = lookup("CDC_PAYLOAD_KEYS")
	text, _ := lookup("CDC_INSECURE_PLAINTEXT")
	if text == "" {
		return nil
	}
	plaintext, err := strconv.ParseBool(text)
	if err != nil {
		return errors.New("CDC_INSECURE_PLAINTEXT is neither true nor false")
	}
	if plaintext && o.Keys != "" {
		return errors.New("CDC_INSECURE_PLAINTEXT=true contradicts CDC_PAYLOAD_KEYS: unset one of them")
	}
	o.Plaintext = plaintext
	return nil
}
