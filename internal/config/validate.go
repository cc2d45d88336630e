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

	"healthlake-cdc/internal/cdc"
)

const (
	// maxPasses bounds a window's history; each pass searches every type.
	maxPasses = 10
	// maxPassDelay is well within the day for which the smallest namespaces keep a window.
	maxPassDelay = 12 * time.Hour
	// maxLookback bounds how many windows one trigger opens, to 62.
	maxLookback = 10 * time.Minute
	// minEventBytes leaves room for the meta object of an event; maxEventBytes is
	// EventBridge's limit for a PutEvents call.
	minEventBytes = 1024
	maxEventBytes = 1 << 20
	// maxSource and maxDetailType are EventBridge's limits in characters.
	maxSource     = 256
	maxDetailType = 128
	// maxTaskQueue leaves room for a suffix within the 1,000 that Temporal takes.
	maxTaskQueue = 200
)

// anyType is as long as a type of a store can be that is not known yet: ValidType allows
// 64 characters.
var anyType = strings.Repeat("T", 64)

var (
	regionPattern     = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
	busNamePattern    = regexp.MustCompile(`^[A-Za-z0-9._/-]{1,256}$`)
	taskQueuePattern  = regexp.MustCompile(`^[A-Za-z0-9._/-]{1,200}$`)
	sourcePattern     = regexp.MustCompile(`^[A-Za-z0-9._/-]+$`)
	detailTypePattern = regexp.MustCompile(`^[A-Za-z0-9 ._:/-]+$`)
)

// validate checks each value and the values against one another, and fills in the
// endpoint.
func (s *settings) validate(c *Config, p Program) {
	for _, v := range variables {
		s.check(!strings.Contains(v.requiredBy, string(p)) || s.values[v.name] != "", v.name, "is required by the %s: %s", p, v.help)
	}
	s.checkStores(c)
	s.checkHealthLake(c)
	s.check(c.QueueURL == "" || baseURL(c.QueueURL), "CDC_QUEUE_URL", "is not the http or https URL of a queue")
	err := c.CheckBus(c.EventBus)
	s.check(c.EventBus == "" || err == nil, "CDC_EVENT_BUS", "%v", err)
	s.checkEndpoints(c)
	s.checkCapture(c)
	s.checkAudit(c)
	s.checkEvents(c)
	s.checkPayloads(c, p)
	s.check(taskQueuePattern.MatchString(c.TaskQueue), "CDC_TASK_QUEUE", "%q is not 1 to %d of A-Z a-z 0-9 . _ / -", c.TaskQueue, maxTaskQueue)
	s.check(c.MetricsAddr == "" || validAddr(c.MetricsAddr), "CDC_METRICS_ADDR", "%q is not host:port", c.MetricsAddr)
	s.oneOf("CDC_LOG_FORMAT", c.LogFormat, LogJSON, LogText)
	s.check((c.DeploymentName == "") == (c.BuildID == ""), "TEMPORAL_DEPLOYMENT_NAME", "goes with TEMPORAL_WORKER_BUILD_ID: set both or neither")
}

func (s *settings) oneOf(name, value string, allowed ...string) {
	s.check(slices.Contains(allowed, value), name, "%q is not one of %s", value, strings.Join(allowed, ", "))
}

func (s *settings) checkStores(c *Config) {
	for _, id := range c.Datastores {
		s.check(cdc.ValidDatastore(id), "CDC_DATASTORES", "%q is not a datastore id: 1 to 64 of A-Z a-z 0-9 _ -", id)
	}
	s.check(duplicate(c.Datastores) == "", "CDC_DATASTORES", "%q is listed twice", duplicate(c.Datastores))
	if c.AllResourceTypes() {
		return
	}
	for _, t := range c.ResourceTypes {
		s.check(t != allTypes, "CDC_RESOURCE_TYPES", "* stands alone: it means every type")
		err := CheckType(t)
		s.check(err == nil, "CDC_RESOURCE_TYPES", "%v", err)
	}
	s.check(duplicate(c.ResourceTypes) == "", "CDC_RESOURCE_TYPES", "%q is listed twice", duplicate(c.ResourceTypes))
}

// checkHealthLake checks HealthLake's base URL, and makes the default one.
func (s *settings) checkHealthLake(c *Config) {
	s.check(c.Region != "", "AWS_REGION", "is required: requests are signed for a region; set it, or a region in the AWS profile")
	s.check(regionPattern.MatchString(c.Region), "AWS_REGION", "%q is not a region", c.Region)
	if c.HealthLakeEndpoint == "" {
		c.HealthLakeEndpoint = "https://healthlake." + c.Region + ".amazonaws.com"
		return
	}
	s.check(baseURL(c.HealthLakeEndpoint), "CDC_HEALTHLAKE_ENDPOINT", "is not an http or https URL without user, query or fragment")
	c.HealthLakeEndpoint = strings.TrimRight(c.HealthLakeEndpoint, "/")
}

func (s *settings) checkCapture(c *Config) {
	s.check(c.Lookback >= 0 && c.Lookback <= maxLookback, "CDC_LOOKBACK", "%v is not between 0s and %v", c.Lookback, maxLookback)
	for i, d := range c.Passes {
		s.check(d > 0 && d <= maxPassDelay, "CDC_PASSES", "%v is not above 0s and at most %v", d, maxPassDelay)
		s.check(i == 0 || d > c.Passes[i-1], "CDC_PASSES", "%v follows a longer or equal delay: write them ascending", d)
	}
	s.check(len(c.Passes) <= maxPasses, "CDC_PASSES", "has %d delays, at most %d are allowed", len(c.Passes), maxPasses)
	s.check(c.SearchRate > 0 && !math.IsInf(c.SearchRate, 0), "CDC_SEARCH_RATE", "%v is not a number of searches above 0", c.SearchRate)
	s.oneOf("CDC_VERSIONS", c.Versions, cdc.VersionsLatest, cdc.VersionsAll)
	s.oneOf("CDC_IMPORTS", c.Imports, ImportsPublish, ImportsSummary, ImportsOff)
}

func (s *settings) checkAudit(c *Config) {
	s.check(c.AuditEvery >= 0, "CDC_AUDIT_EVERY", "%v is negative", c.AuditEvery)
	s.check(c.AuditAfter >= 0, "CDC_AUDIT_AFTER", "%v is negative", c.AuditAfter)
	s.check(c.AuditHorizon >= 0, "CDC_AUDIT_HORIZON", "%v is negative", c.AuditHorizon)
	if !c.AuditOn() || len(c.Passes) == 0 {
		return
	}
	lastPass := cdc.WindowWidth + c.Passes[len(c.Passes)-1]
	s.check(c.AuditAfter >= lastPass, "CDC_AUDIT_AFTER",
		"%v contradicts CDC_PASSES: the last pass is due up to %v after a write, audit later", c.AuditAfter, lastPass)
	s.check(c.AuditHorizon == 0 || c.AuditHorizon > c.AuditAfter, "CDC_AUDIT_HORIZON",
		"%v contradicts CDC_AUDIT_AFTER: nothing would be old enough (%v) and within the horizon", c.AuditHorizon, c.AuditAfter)
}

func (s *settings) checkEvents(c *Config) {
	s.oneOf("CDC_EVENT_PAYLOAD", c.EventPayload, cdc.PayloadFull, cdc.PayloadReference)
	s.check(c.MaxEventBytes >= minEventBytes && c.MaxEventBytes <= maxEventBytes, "CDC_MAX_EVENT_BYTES",
		"%d is not between %d and %d, EventBridge's limit for a call", c.MaxEventBytes, minEventBytes, maxEventBytes)
	s.checkEventName("CDC_EVENT_SOURCE", c.EventSource, c.ResourceTypes, sourcePattern, maxSource)
	s.checkEventName("CDC_DETAIL_TYPE", c.DetailType, c.ResourceTypes, detailTypePattern, maxDetailType)
	s.check(!strings.HasPrefix(strings.ToLower(c.EventSource), "aws."), "CDC_EVENT_SOURCE", "must not start with aws.: EventBridge keeps that for AWS")
}

// checkEventName checks what a source or detail type becomes for each resource type.
func (s *settings) checkEventName(name, template string, types []string, allowed *regexp.Regexp, maxLength int) {
	s.check(!strings.ContainsAny(cdc.EventName(template, ""), "{}"), name, "%q has a placeholder other than {type} and {Type}", template)
	for _, t := range types {
		if t == allTypes {
			t = anyType
		}
		if !cdc.ValidType(t) {
			continue // reported already
		}
		text := cdc.EventName(template, t)
		s.check(allowed.MatchString(text), name, "%q has characters other than %s", template, allowed)
		s.check(len(text) <= maxLength, name, "has more than %d characters with the type filled in, EventBridge's limit", maxLength)
	}
}

func (s *settings) checkPayloads(c *Config, p Program) {
	s.check(c.PayloadKeys != nil || c.InsecurePlaintext, "CDC_PAYLOAD_KEYS",
		"is required: payloads hold patient data; give id:base64key, or set CDC_INSECURE_PLAINTEXT=true for a trial with synthetic data")
	if !c.InsecurePlaintext {
		return
	}
	s.check(c.PayloadKeys == nil, "CDC_INSECURE_PLAINTEXT", "contradicts CDC_PAYLOAD_KEYS: unset one of them")
	s.check(c.AcceptPlaintextUntil.IsZero(), "CDC_ACCEPT_PLAINTEXT_UNTIL", "contradicts CDC_INSECURE_PLAINTEXT: without keys nothing is migrated; unset one of them")
	s.checkPlaintext(c, p)
}

func baseURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" &&
		u.User == nil && u.RawQuery == "" && !u.ForceQuery && u.Fragment == ""
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
