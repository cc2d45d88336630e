// Package config loads the programs' settings: CDC_ environment variables, each
// with a flag of the same meaning that overrides it.
//
// The fields of [Config] with their tags are the one table of settings: loading, flags,
// help and docs/reference.md come from it. An unknown CDC_ variable, a malformed value
// and a contradiction are errors of one line that says which and why.
package config

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"healthlake-cdc/internal/payload"
)

// Program is one of our programs that load a Config.
type Program string

// The programs.
const (
	Worker  Program = "worker"
	Starter Program = "starter"
)

// Values of CDC_IMPORTS.
const (
	ImportsPublish = "publish"
	ImportsSummary = "summary"
	ImportsOff     = "off"
)

// Values of CDC_LOG_FORMAT.
const (
	LogJSON = "json"
	LogText = "text"
)

// Config holds all settings, checked. Tags: env and envDefault as caarlos0/env reads them;
// help as users read it; default for a default that is not one fixed value; requiredBy
// and usedBy for programs. An empty variable counts as unset, except CDC_METRICS_ADDR.
type Config struct {
	Datastores         []string      `env:"CDC_DATASTORES" requiredBy:"worker, starter" help:"comma list of data store ids"`
	ResourceTypes      []string      `env:"CDC_RESOURCE_TYPES" default:"36 clinical types (docs/reference.md lists them)" help:"comma list of FHIR resource types, or * for every type that the store's CapabilityStatement lists as searchable"`
	QueueURL           string        `env:"CDC_QUEUE_URL" requiredBy:"worker" help:"URL of the SQS queue of triggers"`
	EventBus           string        `env:"CDC_EVENT_BUS" requiredBy:"worker" usedBy:"worker" help:"name or ARN of the EventBridge bus"`
	HealthLakeEndpoint string        `env:"CDC_HEALTHLAKE_ENDPOINT" default:"https://healthlake.{region}.amazonaws.com" help:"base URL: what /datastore/{id}/r4/ is appended to"`
	Lookback           time.Duration `env:"CDC_LOOKBACK" envDefault:"5s" usedBy:"worker" help:"how far before a trigger's time its write may lie (ProcessBundle: 30 s)"`
	// Passes are strictly ascending.
	Passes []time.Duration `env:"CDC_PASSES" envDefault:"10s,60s" help:"delays of the passes after the window's end"`
	// SearchRate is in searches per second and data store.
	SearchRate float64       `env:"CDC_SEARCH_RATE" envDefault:"50" usedBy:"worker" help:"searches per second per data store, all workers together"`
	Versions   string        `env:"CDC_VERSIONS" envDefault:"latest" help:"latest, or all: also versions that were replaced before a search saw them, from the resource's history"`
	Imports    string        `env:"CDC_IMPORTS" envDefault:"publish" usedBy:"worker" help:"what to do with versions that an import wrote: publish, summary (statements only) or off"`
	AuditEvery time.Duration `env:"CDC_AUDIT_EVERY" envDefault:"15m" help:"how often to audit; 0 = off"`
	AuditAfter time.Duration `env:"CDC_AUDIT_AFTER" envDefault:"20m" help:"how old a time range must be to be audited; 0 = no audit"`
	// AuditHorizon is 0 when unset: see [Config.Horizon].
	AuditHorizon time.Duration `env:"CDC_AUDIT_HORIZON" default:"the smaller of 72 h and the namespace's retention less 2 h" help:"how far back audits can compare"`
	EventPayload string        `env:"CDC_EVENT_PAYLOAD" envDefault:"full" usedBy:"worker" help:"full, or reference: events carry no body, and none is read"`
	// MaxEventBytes bounds one entry and the sum of a call, in bytes.
	MaxEventBytes int    `env:"CDC_MAX_EVENT_BYTES" envDefault:"1000000" usedBy:"worker" help:"limit of an entry and of a call in bytes; a larger resource is published as a reference"`
	EventSource   string `env:"CDC_EVENT_SOURCE" envDefault:"com.fhir-{type}" usedBy:"worker" help:"source of the events; {type} is the resource type in lower case, {Type} as in FHIR"`
	DetailType    string `env:"CDC_DETAIL_TYPE" envDefault:"Fhir{Type}Changed" usedBy:"worker" help:"detail type of the events; {type} is the resource type in lower case, {Type} as in FHIR"`
	// PayloadKeys is nil exactly when InsecurePlaintext is set. It redacts itself.
	PayloadKeys       *payload.KeyRing `env:"CDC_PAYLOAD_KEYS" default:"required, unless CDC_INSECURE_PLAINTEXT=true" help:"id:base64key,… of 32 bytes each: the first encrypts, all decrypt; a flag shows in the process list, the variable does not"`
	InsecurePlaintext bool             `env:"CDC_INSECURE_PLAINTEXT" envDefault:"false" help:"run without payload keys: Temporal then stores everything unencrypted; for synthetic data, with every endpoint on this machine or in its containers"`
	// AcceptPlaintextUntil is zero when unset.
	AcceptPlaintextUntil time.Time  `env:"CDC_ACCEPT_PLAINTEXT_UNTIL" help:"until this time (RFC 3339), also decode payloads that no key encrypted: for a namespace that was used without keys before"`
	TaskQueue            string     `env:"CDC_TASK_QUEUE" envDefault:"healthlake-cdc" help:"Temporal task queue, and prefix of the task queues per data store"`
	MetricsAddr          string     `env:"CDC_METRICS_ADDR" envDefault:"127.0.0.1:9464" usedBy:"worker" help:"address of /metrics, /healthz and /readyz; empty = none"`
	LogLevel             slog.Level `env:"CDC_LOG_LEVEL" envDefault:"info" help:"debug, info, warn or error"`
	LogFormat            string     `env:"CDC_LOG_FORMAT" envDefault:"json" help:"json or text"`

	// Region is what the AWS SDK finds too, but not that of an instance's metadata.
	Region string
	// DeploymentName and BuildID switch on worker deployment versioning; both or
	// neither are set.
	DeploymentName string `env:"TEMPORAL_DEPLOYMENT_NAME" usedBy:"worker" help:"worker deployment versioning, pinned; goes with TEMPORAL_WORKER_BUILD_ID"`
	BuildID        string `env:"TEMPORAL_WORKER_BUILD_ID" usedBy:"worker" help:"goes with TEMPORAL_DEPLOYMENT_NAME"`
}

// allTypes is the value of CDC_RESOURCE_TYPES for every type that the store can search.
const allTypes = "*"

// defaultTypes are captured when CDC_RESOURCE_TYPES is not set.
var defaultTypes = []string{
	"AllergyIntolerance", "Appointment", "CarePlan", "CareTeam", "Claim", "Communication", "Condition", "Consent", "Coverage",
	"Device", "DiagnosticReport", "DocumentReference", "Encounter", "ExplanationOfBenefit", "FamilyMemberHistory", "Goal",
	"Group", "ImagingStudy", "Immunization", "Location", "Medication", "MedicationAdministration", "MedicationDispense",
	"MedicationRequest", "MedicationStatement", "Observation", "Organization", "Patient", "Practitioner", "PractitionerRole",
	"Procedure", "QuestionnaireResponse", "RelatedPerson", "ServiceRequest", "Specimen", "Task",
}

// AllResourceTypes reports whether the types come from the store's CapabilityStatement.
func (c *Config) AllResourceTypes() bool {
	return len(c.ResourceTypes) == 1 && c.ResourceTypes[0] == allTypes
}

// AuditOn reports whether audits run on a schedule.
func (c *Config) AuditOn() bool { return c.AuditEvery > 0 && c.AuditAfter > 0 }

const (
	maxHorizon = 72 * time.Hour
	// retentionMargin lets an audit that begins now still read the ledgers.
	retentionMargin = 2 * time.Hour
)

// Horizon returns how far back audits can compare in a namespace of the given retention.
func (c *Config) Horizon(retention time.Duration) time.Duration {
	if c.AuditHorizon > 0 {
		return c.AuditHorizon
	}
	return max(0, min(maxHorizon, retention-retentionMargin))
}

// CheckHorizon returns an error when the retention is too short for CDC_AUDIT_HORIZON: an
// audit would find no ledgers, and publish everything again.
func (c *Config) CheckHorizon(retention time.Duration) error {
	limit := max(0, retention-retentionMargin)
	if c.AuditHorizon <= limit {
		return nil
	}
	return fmt.Errorf("CDC_AUDIT_HORIZON=%v does not fit: the namespace keeps closed windows for %v, which holds a horizon of %v at most; lower it, or raise the namespace's retention",
		c.AuditHorizon, retention, limit)
}

// LiveShare is how much of CDC_SEARCH_RATE the first pages of live windows may need, in a
// store that is always busy. They go first, so the rest is what all other searches have
// then: further pages, audits and ranges.
const LiveShare = 0.5

// LiveRate is what LiveShare is in searches a second and store.
func (c *Config) LiveRate() float64 { return c.SearchRate * LiveShare }

// AWS loads the SDK's own configuration: region, credentials, endpoints.
func (c *Config) AWS(ctx context.Context) (aws.Config, error) {
	loaded, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(c.Region))
	if err != nil {
		return aws.Config{}, fmt.Errorf("loading AWS configuration: %w", err)
	}
	return loaded, nil
}

// Codec returns the payload codec. accepted gets the kind of each payload that is decoded
// because of CDC_ACCEPT_PLAINTEXT_UNTIL; it may be nil.
func (c *Config) Codec(namespace string, accepted func(kind string)) (*payload.Codec, error) {
	if c.InsecurePlaintext {
		return payload.NewInsecureCodec()
	}
	return payload.NewCodec(c.PayloadKeys, namespace, payload.Migration{Until: c.AcceptPlaintextUntil, Accepted: accepted})
}

// Storage describes how Temporal stores payloads.
func (c *Config) Storage() string {
	if c.InsecurePlaintext {
		return "NOT ENCRYPTED: synthetic data only"
	}
	text := "encrypted with key " + c.PayloadKeys.IDs()[0]
	if others := c.PayloadKeys.IDs()[1:]; len(others) > 0 {
		text += ", those of " + strings.Join(others, ", ") + " are decrypted too"
	}
	return text
}
