// Package stack puts the parts together: the HealthLake simulator, the AWS
// stand-in with deploy/'s template applied, Temporal with its UI in a process of
// its own, the codec endpoint, and the real worker and starter binaries.
// Everything listens on loopback, unless ContainerHost is set.
package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"go.temporal.io/sdk/client"

	"healthlake-cdc/deploy"
	"healthlake-cdc/devstack/internal/awslocal"
	"healthlake-cdc/devstack/internal/proc"
	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/temporalserver"
	"healthlake-cdc/internal/payload"
)

// Region is where everything pretends to be.
const Region = "us-west-2"

// Options of a stack. The zero value is a working stack on free ports.
type Options struct {
	// Dir holds binaries, logs and the database; empty makes one that Close removes.
	Dir string
	// Simulator is the stores' behaviour. The stack sets region, credentials and the
	// trail's sink.
	Simulator simulator.Config
	// Temporal's addresses; empty means free ports.
	Temporal temporalserver.Options
	// AWSAddress, SimulatorAddress and CodecAddress are loopback host:port;
	// empty means free ports.
	AWSAddress, SimulatorAddress, CodecAddress string
	// ExternalTemporal is the address of a running Temporal server; empty starts one.
	ExternalTemporal string
	// ContainerHost is the name by which other containers of a network reach this one. If
	// set, the parts accept addresses beyond loopback and advertise the name. They do not
	// authenticate callers: only that network, and ports published on the host's loopback,
	// may reach them.
	ContainerHost string
	// Keys is CDC_PAYLOAD_KEYS of workers that this process does not start; empty
	// makes a new key.
	Keys string
	// UIOrigins are the origins of a Temporal UI that runs elsewhere, whose
	// browsers may use the codec endpoint: "http://localhost:8233".
	UIOrigins []string
	// Output gets the output of the processes; nil keeps it in files only.
	Output io.Writer
	// Progress gets a line before each long step; nil prints none.
	Progress io.Writer
	// WorkerArgs are the flags of the workers.
	WorkerArgs []string
	// Settings are variables of the workers and starters, as "CDC_PASSES=2s,6s".
	Settings []string
	// Plaintext runs without payload keys, as CDC_INSECURE_PLAINTEXT=true.
	Plaintext bool
}

// Stack is everything running.
type Stack struct {
	Simulator *simulator.Server
	AWS       *awslocal.Server
	// Temporal is nil when an external server is used.
	Temporal *temporalserver.Child
	Outputs  map[string]string
	// Keys is CDC_PAYLOAD_KEYS.
	Keys     string
	CodecURL string
	Dir      string

	// Deliveries is what came to the trigger queue.
	Deliveries *Deliveries

	options   Options
	address   string
	awsConfig aws.Config
	codec     *http.Server
	workers   []*proc.Process
	ownDir    bool
}

// Start starts the parts, without workers.
func Start(ctx context.Context, o Options) (_ *Stack, err error) {
	s := &Stack{options: o, Dir: o.Dir, Deliveries: newDeliveries()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.Dir == "" {
		if s.Dir, err = os.MkdirTemp("", "healthlake-cdc-"); err != nil {
			return nil, fmt.Errorf("making a directory: %w", err)
		}
		s.ownDir = true
	}
	for _, step := range []func(context.Context) error{s.startAWS, s.startSimulator, s.startCodec, s.startTemporal} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Stack) progress(format string, args ...any) {
	if s.options.Progress != nil {
		fmt.Fprintf(s.options.Progress, format+"\n", args...)
	}
}

// startAWS starts the stand-in and applies deploy/'s template to it.
func (s *Stack) startAWS(ctx context.Context) error {
	identity := simulator.DefaultCredentials
	server, err := awslocal.New(awslocal.Config{
		Region: Region, AccessKeyID: identity.AccessKeyID, SecretAccessKey: identity.SecretAccessKey,
		ContainerHost: s.options.ContainerHost,
	})
	if err != nil {
		return err
	}
	if err := server.Start(address(s.options.AWSAddress)); err != nil {
		return err
	}
	s.AWS = server
	s.awsConfig = aws.Config{
		Region: Region, BaseEndpoint: aws.String(server.URL()),
		Credentials: credentials.NewStaticCredentialsProvider(identity.AccessKeyID, identity.SecretAccessKey, ""),
	}
	applied, err := awslocal.ApplyTemplate(ctx, deploy.Template,
		map[string]string{"DatastoreIds": strings.Join(s.datastores(), ","), "SubscriptionNotifications": "true"},
		awslocal.Target{SQS: s.SQS(), EventBridge: s.EventBridge(), Region: Region, Account: server.Account()})
	if err != nil {
		return fmt.Errorf("applying deploy/healthlake-cdc.yaml: %w", err)
	}
	s.Outputs = applied.Outputs
	server.OnDeliver(func(queue string, body []byte, at time.Time) {
		if strings.HasSuffix(s.Outputs["QueueUrl"], "/"+queue) {
			s.Deliveries.add(body, at)
		}
	})
	return nil
}

func (s *Stack) datastores() []string {
	if len(s.options.Simulator.Datastores) == 0 {
		return []string{simulator.DefaultDatastore}
	}
	return s.options.Simulator.Datastores
}

// startSimulator starts the stores; their CloudTrail records go to the default
// bus.
func (s *Stack) startSimulator(context.Context) error {
	config := s.options.Simulator
	config.Region = Region
	config.Datastores = s.datastores()
	config.Trail.Sink = s.Sink()
	config.Events = s.EventSink()
	config.ContainerNetwork = s.options.ContainerHost != ""
	s.Simulator = simulator.New(config)
	return s.Simulator.Start(address(s.options.SimulatorAddress))
}

// startCodec serves the payload codec to the UI's browser.
func (s *Stack) startCodec(ctx context.Context) error {
	ring, codec, err := newCodec(s.options.Plaintext, s.options.Keys)
	if err != nil {
		return err
	}
	s.Keys = ring
	listener, err := net.Listen("tcp", address(s.options.CodecAddress))
	if err != nil {
		return fmt.Errorf("listening for the codec endpoint: %w", err)
	}
	s.CodecURL = "http://" + listener.Addr().String()
	origins, err := s.uiOrigins()
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	// To a container, a browser on the host is another machine.
	s.codec = payload.NewServer(codec, payload.Access{Origins: origins, Remote: s.options.ContainerHost != ""})
	go func() { _ = s.codec.Serve(listener) }() // ends by Close
	return nil
}

// uiOrigins chooses the UI's port, if a UI is wanted, and returns the origins of its
// pages.
func (s *Stack) uiOrigins() ([]string, error) {
	ui := &s.options.Temporal.UIAddress
	if *ui == "" {
		return s.options.UIOrigins, nil
	}
	host, port, err := net.SplitHostPort(*ui)
	if err != nil {
		return nil, fmt.Errorf("reading the UI's address: %w", err)
	}
	if port == "0" {
		if *ui, err = proc.FreeAddress(); err != nil {
			return nil, err
		}
		host, port, _ = net.SplitHostPort(*ui) // FreeAddress gives host:port
	}
	return append([]string{"http://" + net.JoinHostPort(host, port), "http://localhost:" + port}, s.options.UIOrigins...), nil
}

// newCodec makes a codec with keys, with a new key if there are none, or one that only
// compresses.
func newCodec(plaintext bool, keys string) (_ string, codec *payload.Codec, err error) {
	if plaintext {
		codec, err = payload.NewInsecureCodec()
		return "", codec, err
	}
	if keys == "" {
		keys = payload.GenerateKey()
	}
	ring, err := payload.ParseKeys(keys)
	if err != nil {
		return "", nil, err
	}
	codec, err = payload.NewCodec(ring, client.DefaultNamespace, payload.Migration{})
	return keys, codec, err
}

func (s *Stack) startTemporal(ctx context.Context) error {
	if s.options.ExternalTemporal != "" {
		s.address = s.options.ExternalTemporal
		return nil
	}
	o := s.options.Temporal
	o.CodecEndpoint = s.CodecURL
	if o.DatabaseFile == "" {
		o.DatabaseFile = filepath.Join(s.Dir, "temporal.db")
	}
	s.progress("starting Temporal")
	child, err := temporalserver.StartChild(ctx, o, proc.Spec{
		LogFile: filepath.Join(s.Dir, "temporal.log"), Output: s.options.Output, Prefix: "temporal  ",
	})
	if err != nil {
		return err
	}
	s.Temporal, s.address = child, child.Address()
	return nil
}

// address is a loopback address with a free port, unless one is given.
func address(given string) string {
	if given == "" {
		return "127.0.0.1:0"
	}
	return given
}

// TemporalAddress is TEMPORAL_ADDRESS.
func (s *Stack) TemporalAddress() string { return s.address }

// AWSConfig reaches the stand-in.
func (s *Stack) AWSConfig() aws.Config { return s.awsConfig }

// SQS is a client of the stand-in.
func (s *Stack) SQS() *sqs.Client { return sqs.NewFromConfig(s.awsConfig) }

// EventBridge is a client of the stand-in.
func (s *Stack) EventBridge() *eventbridge.Client { return eventbridge.NewFromConfig(s.awsConfig) }

// Close stops everything, workers first.
func (s *Stack) Close() error {
	//nolint:forbidigo // a stop comes after the caller's context has ended
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	errs := []error{s.StopWorkers(ctx)}
	if s.Temporal != nil {
		_, err := s.Temporal.Stop(ctx)
		errs = append(errs, err)
	}
	if s.Simulator != nil {
		errs = append(errs, s.Simulator.Close())
	}
	if s.codec != nil {
		errs = append(errs, s.codec.Close())
	}
	if s.AWS != nil {
		errs = append(errs, s.AWS.Close())
	}
	if s.ownDir {
		errs = append(errs, os.RemoveAll(s.Dir))
	}
	return errors.Join(errs...)
}
