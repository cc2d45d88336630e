package config

import (
	"math"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"healthlake-cdc/internal/cdc"
)

const (
	// maxPasses keeps a window's course readable; each pass searches every type.
	maxPasses = 10
	// maxPassDelay is well within the day for which the smallest namespaces keep
	// a closed window, and with it its ID.
	maxPassDelay = 12 * time.Hour
	// maxLookback bounds how many windows one trigger opens, to 61.
	maxLookback = 10 * time.Minute
	// minEventBytes leaves room for the meta object of an event.
	minEventBytes = 1024
	// maxEventBytes is EventBridge's limit for a PutEvents call: 1 MB.
	maxEventBytes = 1 << 20
	// maxTypeLength bounds a resource type's name; FHIR R4's longest has 33.
	maxTypeLength = 64
	// maxSource and maxDetailType are EventBridge's limits in characters.
	maxSource     = 256
	maxDetailType = 128
	// maxTaskQueue leaves room for /search/{datastore}/bulk within the 1,000
	// that Temporal takes (limit.maxIDLength).
	maxTaskQueue = 200
)

var (
	datastorePattern    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	resourceTypePattern = regexp.MustCompile(`^[A-Z][A-Za-z]{0,63}$`)
	regionPattern       = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
	busNamePattern      = regexp.MustCompile(`^[A-Za-z0-9._/-]{1,256}$`)
	taskQueuePattern    = regexp.MustCompile(`^[A-Za-z0-9._/-]{1,200}$`)
	sourcePattern       = regexp.MustCompile(`^[A-Za-z0-9._/-]+$`)
	detailTypePattern   = regexp.MustCompile(`^[A-Za-z0-9 ._:/-]+$`)
)

// validate checks each value and the values against one another, and fills in the
// endpoint. Variables that could not be parsed are left out.
func (s settings) validate(c *Config, p Program, malformed []problem) []problem {
	var out []problem
	failed := func(name string) bool {
		same := func(q problem) bool { return q.name == name }
		return slices.ContainsFunc(malformed, same) || slices.ContainsFunc(out, same)
	}
	bad := func(ok bool, name, format string, args ...any) {
		if !ok && !failed(name) {
			out = append(out, s.problem(name, format, args...))
		}
	}
	oneOf := func(name, value string, allowed ...string) {
		bad(slices.Contains(allowed, value), name, "%q is not one of %s", value, strings.Join(allowed, ", "))
	}

	for _, v := range variables {
		bad(!v.NeededBy(p) || s.values[v.Name] != "", v.Name, "is required by the %s: %s", p, v.Help)
	}
	for _, id := range c.Datastores {
		bad(datastorePattern.MatchString(id), "CDC_DATASTORES", "%q is not a datastore id: 1 to 64 of A-Z a-z 0-9 _ -", id)
	}
	bad(duplicate(c.Datastores) == "", "CDC_DATASTORES", "%q is listed twice", duplicate(c.Datastores))
	if !c.AllResourceTypes() {
		for _, t := range c.ResourceTypes {
			bad(t != AllTypes, "CDC_RESOURCE_TYPES", "* stands alone: it means every type")
			err := CheckType(t)
			bad(err == nil, "CDC_RESOURCE_TYPES", "%v", err)
		}
		bad(duplicate(c.ResourceTypes) == "", "CDC_RESOURCE_TYPES", "%q is listed twice", duplicate(c.ResourceTypes))
	}
	bad(c.QueueURL == "" || baseURL(c.QueueURL), "CDC_QUEUE_URL", "is not the http or https URL of a queue")
	bad(c.EventBus == "" || ValidBus(c.EventBus), "CDC_EVENT_BUS", "%q is neither the name nor the ARN of an event bus", c.EventBus)
	s.endpoint(c, bad)
	s.endpoints(c, bad)

	bad(c.Lookback >= 0 && c.Lookback <= maxLookback, "CDC_LOOKBACK", "%v is not between 0s and %v", c.Lookback, maxLookback)
	for i, d := range c.Passes {
		bad(d > 0 && d <= maxPassDelay, "CDC_PASSES", "%v is not above 0s and at most %v", d, maxPassDelay)
		bad(i == 0 || d > c.Passes[i-1], "CDC_PASSES", "%v follows a longer or equal delay: write them ascending", d)
	}
	bad(len(c.Passes) <= maxPasses, "CDC_PASSES", "has %d delays, at most %d are allowed", len(c.Passes), maxPasses)
	bad(c.SearchRate > 0 && !math.IsInf(c.SearchRate, 0), "CDC_SEARCH_RATE", "%v is not a number of searches above 0", c.SearchRate)
	oneOf("CDC_VERSIONS", c.Versions, VersionsLatest, VersionsAll)
	oneOf("CDC_IMPORTS", c.Imports, ImportsPublish, ImportsSummary, ImportsOff)
	oneOf("CDC_EVENT_PAYLOAD", c.EventPayload, PayloadFull, PayloadReference)
	oneOf("CDC_LOG_FORMAT", c.LogFormat, LogJSON, LogText)
	s.audit(c, bad)

	bad(c.MaxEventBytes >= minEventBytes && c.MaxEventBytes <= maxEventBytes, "CDC_MAX_EVENT_BYTES",
		"%d is not between %d and %d, EventBridge's limit for a call", c.MaxEventBytes, minEventBytes, maxEventBytes)
	template(bad, "CDC_EVENT_SOURCE", c.EventSource, c.ResourceTypes, sourcePattern, maxSource)
	template(bad, "CDC_DETAIL_TYPE", c.DetailType, c.ResourceTypes, detailTypePattern, maxDetailType)
	bad(!strings.HasPrefix(strings.ToLower(c.EventSource), "aws."), "CDC_EVENT_SOURCE", "must not start with aws.: EventBridge keeps that for AWS")

	bad(c.PayloadKeys != nil || c.InsecurePlaintext, "CDC_PAYLOAD_KEYS",
		"is required: payloads hold patient data; give id:base64key, or set CDC_INSECURE_PLAINTEXT=true for a trial with synthetic data")
	bad(c.PayloadKeys == nil || !c.InsecurePlaintext, "CDC_INSECURE_PLAINTEXT", "contradicts CDC_PAYLOAD_KEYS: unset one of them")
	c.AcceptPlaintextUntil = c.AcceptPlaintextUntil.UTC()
	bad(c.AcceptPlaintextUntil.IsZero() || !c.InsecurePlaintext, "CDC_ACCEPT_PLAINTEXT_UNTIL", "contradicts CDC_INSECURE_PLAINTEXT: without keys nothing is migrated; unset one of them")
	s.plaintext(c, p, bad)
	bad(taskQueuePattern.MatchString(c.TaskQueue), "CDC_TASK_QUEUE", "%q is not 1 to %d of A-Z a-z 0-9 . _ / -", c.TaskQueue, maxTaskQueue)
	bad(c.MetricsAddr == "" || validAddr(c.MetricsAddr), "CDC_METRICS_ADDR", "%q is not host:port", c.MetricsAddr)
	bad((c.DeploymentName == "") == (c.BuildID == ""), "TEMPORAL_DEPLOYMENT_NAME", "goes with TEMPORAL_WORKER_BUILD_ID: set both or neither")
	return out
}

type check func(ok bool, name, format string, args ...any)

// endpoint checks HealthLake's base, which URLs are joined to, and makes the
// default one. The region is needed with any endpoint: requests are signed for it.
func (s settings) endpoint(c *Config, bad check) {
	bad(c.Region != "", "AWS_REGION", "is required: requests are signed for a region; set it, or a region in the AWS profile")
	bad(c.Region == "" || regionPattern.MatchString(c.Region), "AWS_REGION", "%q is not a region", c.Region)
	if c.HealthLakeEndpoint == "" {
		c.HealthLakeEndpoint = "https://healthlake." + c.Region + ".amazonaws.com"
		return
	}
	bad(baseURL(c.HealthLakeEndpoint), "CDC_HEALTHLAKE_ENDPOINT", "is not an http or https URL without user, query or fragment")
	c.HealthLakeEndpoint = strings.TrimRight(c.HealthLakeEndpoint, "/")
}

func (s settings) audit(c *Config, bad check) {
	bad(c.AuditEvery >= 0, "CDC_AUDIT_EVERY", "%v is negative", c.AuditEvery)
	bad(c.AuditAfter >= 0, "CDC_AUDIT_AFTER", "%v is negative", c.AuditAfter)
	bad(c.AuditHorizon >= 0, "CDC_AUDIT_HORIZON", "%v is negative", c.AuditHorizon)
	if !c.AuditOn() || len(c.Passes) == 0 {
		return
	}
	settled := cdc.WindowWidth + c.Passes[len(c.Passes)-1]
	bad(c.AuditAfter >= settled, "CDC_AUDIT_AFTER",
		"%v contradicts CDC_PASSES: the last pass of a span is due %v after it, audit later", c.AuditAfter, settled)
	bad(c.AuditHorizon == 0 || c.AuditHorizon > c.AuditAfter, "CDC_AUDIT_HORIZON",
		"%v contradicts CDC_AUDIT_AFTER: nothing would be old enough (%v) and within the horizon", c.AuditHorizon, c.AuditAfter)
}

// template checks what a source or detail type becomes for each resource type.
func template(bad check, name, text string, types []string, allowed *regexp.Regexp, longest int) {
	bare := strings.NewReplacer("{type}", "", "{Type}", "").Replace(text)
	bad(!strings.ContainsAny(bare, "{}"), name, "%q has a placeholder other than {type} and {Type}", text)
	for _, t := range types {
		if t == AllTypes {
			t = strings.Repeat("T", maxTypeLength)
		}
		if !resourceTypePattern.MatchString(t) {
			continue // reported already
		}
		made := strings.NewReplacer("{type}", strings.ToLower(t), "{Type}", t).Replace(text)
		bad(allowed.MatchString(made), name, "%q has characters other than %s", text, allowed)
		bad(len(made) <= longest, name, "has more than %d characters with the type filled in, EventBridge's limit", longest)
	}
}

func baseURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" &&
		u.User == nil && u.RawQuery == "" && !u.ForceQuery && u.Fragment == ""
}

// ValidBus tells whether s can be the name or the ARN of an event bus.
func ValidBus(s string) bool {
	if !arn.IsARN(s) {
		return busNamePattern.MatchString(s)
	}
	a, err := arn.Parse(s)
	if err != nil || a.Service != "events" || a.Region == "" || a.AccountID == "" {
		return false
	}
	name, ok := strings.CutPrefix(a.Resource, "event-bus/")
	return ok && busNamePattern.MatchString(name)
}

func validAddr(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && strconv.FormatUint(n, 10) == port
}

// duplicate returns the first item that occurs twice, or "".
func duplicate(items []string) string {
	seen := make(map[string]bool, len(items))
	for _, item := range items {
		if seen[item] {
			return item
		}
		seen[item] = true
	}
	return ""
}
