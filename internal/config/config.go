// Package config loads the programs' settings: CDC_ environment variables, each
// with a flag of the same meaning that overrides it.
//
// The fields of [Config] with their tags are the one table of settings. Loading,
// flags, help, the README's table and the printed form all come from it. An
// unknown CDC_ variable, a malformed value and a contradiction are errors of one
// line that says which and why.
package config

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/payload"
)

// Program is one of our programs: some settings are needed by one only.
type Program string

// The programs that load a Config.
const (
	Worker  Program = "worker"
	Starter Program = "starter"
)

// Values of CDC_VERSIONS.
const (
	VersionsLatest = cdc.VersionsLatest
	VersionsAll    = cdc.VersionsAll
)

// Values of CDC_IMPORTS.
const (
	ImportsPublish = "publish"
	ImportsSummary = "summary"
	ImportsOff     = "off"
)

// Values of CDC_EVENT_PAYLOAD.
const (
	PayloadFull      = "full"
	PayloadReference = "reference"
)

// Values of CDC_LOG_FORMAT.
const (
	LogJSON = "json"
	LogText = "text"
)

// AllTypes is the value of CDC_RESOURCE_TYPES that stands for every type which
// the store's CapabilityStatement lists as searchable.
const AllTypes = "*"

// Config holds all settings, checked. Tags: env and envDefault as caarlos0/env
// reads them, help as shown to users, show for a default that is not a fixed value,
// need listing the programs that refuse to start without. A type that holds a
// secret redacts itself. An empty variable counts as unset, but for CDC_METRICS_ADDR.
type Config struct {
	Datastores         []string      `env:"CDC_DATASTORES" need:"worker,starter" help:"comma list of datastore ids"`
	ResourceTypes      []string      `env:"CDC_RESOURCE_TYPES" envDefault:"AllergyIntolerance,Appointment,CarePlan,CareTeam,Claim,Communication,Condition,Consent,Coverage,Device,DiagnosticReport,DocumentReference,Encounter,ExplanationOfBenefit,FamilyMemberHistory,Goal,Group,ImagingStudy,Immunization,Location,Medication,MedicationAdministration,MedicationDispense,MedicationRequest,MedicationStatement,Observation,Organization,Patient,Practitioner,PractitionerRole,Procedure,QuestionnaireResponse,RelatedPerson,ServiceRequest,Specimen,Task" help:"comma list of FHIR resource types, or * for every type that the store's CapabilityStatement lists as searchable"`
	QueueURL           string        `env:"CDC_QUEUE_URL" need:"worker" help:"URL of the SQS queue of triggers"`
	EventBus           string        `env:"CDC_EVENT_BUS" need:"worker" help:"name or ARN of the EventBridge bus"`
	HealthLakeEndpoint string        `env:"CDC_HEALTHLAKE_ENDPOINT" show:"https://healthlake.{region}.amazonaws.com" help:"what stands before /datastore/{id}/r4/"`
	Lookback           time.Duration `env:"CDC_LOOKBACK" envDefault:"5s" help:"how far before a trigger's time its write may lie (ProcessBundle: 30 s)"`
	// Passes are strictly ascending.
	Passes []time.Duration `env:"CDC_PASSES" envDefault:"10s,60s" help:"delays of the passes after the window's end"`
	// SearchRate is in searches a second and store.
	SearchRate float64       `env:"CDC_SEARCH_RATE" envDefault:"50" help:"searches a second and store, whole fleet"`
	Versions   string        `env:"CDC_VERSIONS" envDefault:"latest" help:"latest, or all: versions that were replaced before their sweep, from history"`
	Imports    string        `env:"CDC_IMPORTS" envDefault:"publish" help:"publish, summary or off"`
	AuditEvery time.Duration `env:"CDC_AUDIT_EVERY" envDefault:"15m" help:"how often to audit; 0 = off"`
	AuditAfter time.Duration `env:"CDC_AUDIT_AFTER" envDefault:"20m" help:"how old a span must be to be audited; 0 = no audit"`
	// AuditHorizon is 0 when unset: see [Config.Horizon].
	AuditHorizon time.Duration `env:"CDC_AUDIT_HORIZON" show:"the smaller of 72 h and the namespace's retention less 2 h" help:"how far back ledgers are relied on"`
	EventPayload string        `env:"CDC_EVENT_PAYLOAD" envDefault:"full" help:"full, or reference (no body is read at all)"`
	// MaxEventBytes bounds one entry and the sum of a call, in bytes.
	MaxEventBytes int    `env:"CDC_MAX_EVENT_BYTES" envDefault:"1000000" help:"limit of an entry and of a call in bytes; a larger resource goes as reference"`
	EventSource   string `env:"CDC_EVENT_SOURCE" envDefault:"com.fhir-{type}" help:"source of the events; {type} is the resource type in lower case, {Type} as in FHIR"`
	DetailType    string `env:"CDC_DETAIL_TYPE" envDefault:"Fhir{Type}Changed" help:"detail type of the events; {type} is the resource type in lower case, {Type} as in FHIR"`
	// PayloadKeys is nil exactly when InsecurePlaintext is set.
	PayloadKeys       *payload.KeyRing `env:"CDC_PAYLOAD_KEYS" show:"required, unless CDC_INSECURE_PLAINTEXT=true" help:"id:base64key,… of 32 bytes each: the first encrypts, all decrypt; a flag shows in the process list, the variable does not"`
	InsecurePlaintext bool             `env:"CDC_INSECURE_PLAINTEXT" envDefault:"false" help:"run without payload keys: Temporal then stores everything unencrypted; for synthetic data, with every endpoint on this machine or in its containers"`
	// AcceptPlaintextUntil is zero when unset.
	AcceptPlaintextUntil time.Time  `env:"CDC_ACCEPT_PLAINTEXT_UNTIL" help:"until this time (RFC 3339) decode what no key encrypted, too: for a namespace that was used without keys before"`
	TaskQueue            string     `env:"CDC_TASK_QUEUE" envDefault:"healthlake-cdc" help:"Temporal task queue, and prefix of those per datastore"`
	MetricsAddr          string     `env:"CDC_METRICS_ADDR" envDefault:"127.0.0.1:9464" help:"address of /metrics, /healthz and /readyz; empty = none"`
	LogLevel             slog.Level `env:"CDC_LOG_LEVEL" envDefault:"info" help:"debug, info, warn or error"`
	LogFormat            string     `env:"CDC_LOG_FORMAT" envDefault:"json" help:"json or text"`

	// Region is what the AWS SDK finds too: AWS_REGION, AWS_DEFAULT_REGION or
	// that of the profile. Only an instance's metadata is not asked.
	Region string
	// DeploymentName and BuildID switch on worker deployment versioning; both or
	// neither are set.
	DeploymentName string `env:"TEMPORAL_DEPLOYMENT_NAME" help:"worker deployment versioning, pinned; goes with TEMPORAL_WORKER_BUILD_ID"`
	BuildID        string `env:"TEMPORAL_WORKER_BUILD_ID" help:"goes with TEMPORAL_DEPLOYMENT_NAME"`
}

// AllResourceTypes tells whether the types are to be taken from the store's
// CapabilityStatement; ResourceTypes is then just [AllTypes].
func (c *Config) AllResourceTypes() bool {
	return len(c.ResourceTypes) == 1 && c.ResourceTypes[0] == AllTypes
}

// AuditOn tells whether spans are audited on a schedule.
func (c *Config) AuditOn() bool { return c.AuditEvery > 0 && c.AuditAfter > 0 }

const (
	longestHorizon = 72 * time.Hour
	// retentionMargin is what must remain of a closed window's retention so that
	// an audit that begins now still reads its ledger.
	retentionMargin = 2 * time.Hour
)

// Horizon returns how far back ledgers are relied on in a namespace of the given
// retention: CDC_AUDIT_HORIZON where set, else the smaller of 72 h and the
// retention less 2 h, and never less than 0.
func (c *Config) Horizon(retention time.Duration) time.Duration {
	if c.AuditHorizon > 0 {
		return c.AuditHorizon
	}
	return max(0, min(longestHorizon, retention-retentionMargin))
}

// CheckHorizon refuses a CDC_AUDIT_HORIZON that a namespace of the given retention
// cannot hold: the ledgers of its oldest windows would be gone when an audit reads
// them, and everything in them would be published again.
func (c *Config) CheckHorizon(retention time.Duration) error {
	longest := max(0, retention-retentionMargin)
	if c.AuditHorizon <= longest {
		return nil
	}
	return fmt.Errorf("CDC_AUDIT_HORIZON=%v does not fit: the namespace keeps closed windows for %v, which holds a horizon of %v at most; lower it, or raise the namespace's retention",
		c.AuditHorizon, retention, longest)
}

// Codec returns the payload codec that the settings ask for: encrypting, or the
// one that only compresses when CDC_INSECURE_PLAINTEXT is true. accepted gets the kind
// of each payload that is decoded because of CDC_ACCEPT_PLAINTEXT_UNTIL; it may be nil.
func (c *Config) Codec(namespace string, accepted func(kind string)) (*payload.Codec, error) {
	if c.InsecurePlaintext {
		return payload.NewInsecureCodec()
	}
	return payload.NewCodec(c.PayloadKeys, namespace, payload.Migration{Until: c.AcceptPlaintextUntil, Accepted: accepted})
}

// Storage says how Temporal stores payloads.
func (c *Config) Storage() string {
	if c.InsecurePlaintext {
		return "NOT ENCRYPTED: synthetic data only"
	}
	text := "encrypted with key " + c.PayloadKeys.IDs()[0]
	if others := c.PayloadKeys.IDs()[1:]; len(others) > 0 {
		text += ", those of " + strings.Join(others, ", ") + " are decrypted, too"
	}
	return text
}
