package config

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
)

// Where the AWS SDK looks for the endpoints of the services that we use.
const (
	endpointSQS    = "AWS_ENDPOINT_URL_SQS"
	endpointEvents = "AWS_ENDPOINT_URL_EVENTBRIDGE"
	endpointAll    = "AWS_ENDPOINT_URL"
	ignoreEndpoint = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
)

// awsSuffixes end AWS's hosts: of the partitions, and of those with both IPv4 and IPv6.
var awsSuffixes = []string{
	".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws", ".api.amazonwebservices.com.cn", ".api.amazonwebservices.eu",
}

// regionLabel is the form of a region's name: us-east-1, us-gov-west-1, eusc-de-east-1.
var regionLabel = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]+$`)

// awsHost reports whether a host is AWS's, and the region that its name has, "" for
// none. SQS's first name, queue.amazonaws.com, is of us-east-1.
func awsHost(host string) (region string, isAWS bool) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, suffix := range awsSuffixes {
		labels, found := strings.CutSuffix(host, suffix)
		if !found {
			continue
		}
		if labels == "queue" {
			return "us-east-1", true
		}
		all := strings.Split(labels, ".")
		for i := len(all) - 1; i >= 0; i-- {
			if regionLabel.MatchString(all[i]) {
				return all[i], true
			}
		}
		return "", true
	}
	return "", false
}

// checkEndpoints checks the addresses of the services: nothing goes to AWS unencrypted, and
// everything lies in the region for which requests are signed.
func (s *settings) checkEndpoints(c *Config) {
	for _, name := range []string{"CDC_HEALTHLAKE_ENDPOINT", "CDC_QUEUE_URL", endpointAll, endpointSQS, endpointEvents} {
		u, err := url.Parse(s.given(name))
		if err != nil || u.Host == "" {
			continue
		}
		region, isAWS := awsHost(u.Hostname())
		s.check(!isAWS || u.Scheme == "https", name, "calls AWS by %s: write https", u.Scheme)
		s.check(region == "" || c.Region == "" || region == c.Region, name,
			"is in region %s, and AWS_REGION is %s: requests are signed for one region; correct one of them", region, c.Region)
	}
}

// CheckBus returns an error for what we cannot publish to.
func (c *Config) CheckBus(bus string) error {
	name, region := bus, ""
	if a, err := arn.Parse(bus); err == nil {
		name, region = strings.TrimPrefix(a.Resource, "event-bus/"), a.Region
		if a.Service != "events" || a.Region == "" || a.AccountID == "" || name == a.Resource {
			name = ""
		}
	}
	if !busNamePattern.MatchString(name) {
		return fmt.Errorf("%q is neither the name nor the ARN of an event bus", bus)
	}
	if region != "" && c.Region != "" && region != c.Region {
		return fmt.Errorf("is in region %s, and AWS_REGION is %s: EventBridge accepts no events for a bus of another region; correct one of them", region, c.Region)
	}
	return nil
}

// checkPlaintext requires that everything is on this machine or in a network of its
// containers. Programs that read no queue and publish nothing need no endpoint, but one
// that is set must be local.
func (s *settings) checkPlaintext(c *Config, p Program) {
	var elsewhere []string
	look := func(name, address string, needed bool) {
		switch {
		case address == "" && needed:
			elsewhere = append(elsewhere, name+" is not set, which means AWS")
		case address != "" && !localAddress(address):
			elsewhere = append(elsewhere, name+" is elsewhere")
		}
	}
	worker := p == Worker
	look("CDC_HEALTHLAKE_ENDPOINT", s.given("CDC_HEALTHLAKE_ENDPOINT"), worker)
	look("CDC_QUEUE_URL", c.QueueURL, false)
	for _, name := range []string{endpointSQS, endpointEvents} {
		address := cmp.Or(s.given(name), s.given(endpointAll))
		if ignored, _ := strconv.ParseBool(s.given(ignoreEndpoint)); ignored {
			address = ""
		}
		look(name, address, worker)
	}
	look("TEMPORAL_ADDRESS", temporalAddress(s.environ), true)
	s.check(len(elsewhere) == 0, "CDC_INSECURE_PLAINTEXT",
		"is for synthetic data on one machine, but %s: set CDC_PAYLOAD_KEYS (starter keys generate)", strings.Join(elsewhere, ", "))
}

// localAddress reports whether a URL or host:port leads to this machine's loopback or to a
// container in a network of its containers: a name without a dot, which no public name is.
// By host.docker.internal a container calls the loopback of its machine.
func localAddress(address string) bool {
	host := address
	if u, err := url.Parse(address); err == nil && strings.Contains(address, "://") {
		if u.Scheme == "unix" {
			return true
		}
		if host = u.Host; host == "" { // gRPC's dns:///host:port
			host = strings.TrimPrefix(u.Path, "/")
		}
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	return host != "" && (!strings.ContainsAny(host, ".:") || strings.HasSuffix(host, ".localhost") || host == "host.docker.internal")
}

// temporalAddress is where the SDK's envconfig finds Temporal.
func temporalAddress(environ lookup) string {
	options, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{EnvLookup: environ})
	if err != nil {
		return "TEMPORAL_ settings that cannot be read"
	}
	if options.HostPort == "" {
		return client.DefaultHostPort
	}
	return options.HostPort
}

// lookup is an environment as envconfig reads one.
type lookup map[string]string

// Environ implements envconfig.EnvLookup.
func (l lookup) Environ() []string {
	var all []string
	for name, value := range l {
		all = append(all, name+"="+value)
	}
	return all
}

// LookupEnv implements envconfig.EnvLookup.
func (l lookup) LookupEnv(name string) (string, bool) {
	value, found := l[name]
	return value, found
}
