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

// insideContainer is the one flag that lets the stand-ins leave loopback.
const insideContainer = "inside-container-network-as"

// The ports of the parts, the same for up, parts and probe.
const (
	defaultAWS        = "127.0.0.1:4566"
	defaultHealthLake = "127.0.0.1:4580"
	defaultCodec      = "127.0.0.1:8081"
)

// partsOptions are those of a stack without Temporal.
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
		Long: `Parts starts what stands in for AWS: a HealthLake simulator, SQS and EventBridge
with the template of deploy/ applied, and the codec endpoint for a Temporal UI.
Temporal is someone else's. It needs no Go and no clone: it is what the devstack
image of docker-compose.yml runs. Everything is in memory and gone at the end.

Payloads are decoded with CDC_PAYLOAD_KEYS; with CDC_INSECURE_PLAINTEXT=true there
are none; with neither, a new key is made and printed.

The stand-ins know one public pair of credentials, and their control endpoints
and the codec none at all. So they listen on loopback, and beyond it only when
--` + insideContainer + ` says that nothing but a container network leads to
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
	flags.StringVar(&o.stack.ContainerHost, insideContainer, "", "DANGEROUS outside of a container network: listen on every address, and be known by this host `name`")
	flags.StringVar(&o.stack.ExternalTemporal, "external-temporal", "127.0.0.1:7233", "address of Temporal, for the variables that are printed")
	flags.StringSliceVar(&o.stack.UIOrigins, "ui-origin", []string{"http://localhost:8233", "http://127.0.0.1:8233"}, "origins of the Temporal UI that may use the codec endpoint")
	flags.StringSliceVar(&o.stack.Simulator.Datastores, "datastores", nil, "ids of the simulated datastores")
	flags.DurationVar(&o.lag, "lag", 5*time.Second, "how long after its write search shows a version")
	flags.DurationVar(&o.delay, "delay", 4*time.Second, "how long CloudTrail records take at most")
	flags.Float64Var(&o.writeRate, "write-rate", 0, "write synthetic FHIR records, that many a second; 0 writes none")
	return command
}

// parts starts the stand-ins and keeps them until ctx ends.
func parts(ctx context.Context, o partsOptions, stdout, stderr io.Writer) (err error) {
	o.stack.Progress = stderr
	// No part of these writes files: the image's root file system is read only.
	o.stack.Dir = os.TempDir()
	o.stack.Simulator.SearchLag = simulator.FixedLag(o.lag)
	o.stack.Simulator.Trail.Delay = simulator.Between(min(time.Second, o.delay), o.delay)
	s, err := stack.Start(ctx, o.stack)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for _, variable := range s.Env() {
		// Who gave the keys has them; a container's output is kept.
		if o.stack.Keys == "" || !strings.HasPrefix(variable, "CDC_PAYLOAD_KEYS=") {
			fmt.Fprintln(stdout, "export "+variable)
		}
	}
	fmt.Fprintln(stdout, "# codec endpoint: "+s.CodecURL)
	fmt.Fprintln(stdout, "# dead-letter queue: "+s.Outputs["DlqUrl"])
	if o.stack.ContainerHost != "" {
		fmt.Fprintln(stderr, "open beyond loopback: whoever reaches these ports can read and write everything here")
	}
	group, ctx := errgroup.WithContext(ctx)
	if o.writeRate > 0 {
		fmt.Fprintf(stderr, "writing %g synthetic records a second\n", o.writeRate)
		group.Go(func() error { return demo.Write(ctx, s, o.writeRate) })
	}
	group.Go(func() error {
		<-ctx.Done()
		return nil
	})
	return group.Wait()
}

// keysOf takes the payload keys from the variables that the workers have them
// from: as a flag they would show in the list of processes.
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
