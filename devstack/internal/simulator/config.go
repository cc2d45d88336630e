package simulator

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Quotas of one data store as AWS publishes them (HealthLake "Endpoints and
// quotas"): requests per second.
const (
	DefaultSearchRate = 100
	DefaultReadRate   = 3000
	DefaultWriteRate  = 3000
)

const (
	// MaxCount is the largest page that HealthLake's search accepts.
	MaxCount = 100
	// MaxBundleEntries is the largest number of entries in one bundle.
	MaxBundleEntries = 500
	// Skew is the largest difference between a signature's date and the server's clock
	// (AWS Signature Version 4).
	Skew = 5 * time.Minute

	defaultTokenLifetime = 10 * time.Minute
	defaultMaxBody       = 32 << 20
	defaultPage          = 10
)

// DefaultDatastore is the data store of a Config that names none.
const DefaultDatastore = "a1b2c3d4e5f60718293a4b5c6d7e8f90"

// DefaultCredentials sign the requests of a Config that names no others. Only a
// simulator accepts them.
var DefaultCredentials = aws.Credentials{AccessKeyID: "AKIADEVSTACKEXAMPLE", SecretAccessKey: "devstack-secret-key-example"}

// Digits is the number of fractional digits of meta.lastUpdated. The service writes
// both.
type Digits int

const (
	Milliseconds Digits = iota // 3 digits
	Nanoseconds                // 9 digits
	MixedDigits                // either, by the seed
)

// Limits are quotas in requests per second and data store. Zero means the default, a
// negative value no limit. A bundle counts once per entry.
type Limits struct {
	SearchGet, SearchPost, Read, Write float64
	// RetryAfter is sent with a 429, in whole seconds; zero sends none.
	RetryAfter time.Duration
}

// Config describes a simulator; the zero value is a working one.
type Config struct {
	Datastores []string // ids, 1 or more
	// Types are the resource types that the CapabilityStatement lists; a write or search
	// of another is an error. Unsearchable ones are stored, but no search finds them.
	Types, Unsearchable []string

	// ContainerNetwork permits Start any address, for access from other containers. The
	// credentials are public and the admin endpoints unsigned: only a container network
	// may reach it.
	ContainerNetwork bool

	Region, Account string
	Credentials     aws.Credentials // the one identity that may call

	// Now is the clock. The store's own clock (lastUpdated, the Date header, eventTime)
	// is Now()+ClockOffset.
	Now         func() time.Time
	ClockOffset time.Duration
	Seed        uint64 // of every random choice

	Digits Digits
	// SearchLag is the time from a write until search shows the version; nil is 0.
	SearchLag Lag
	// HistoryLag is the time from a write until _history and vread show the version.
	HistoryLag time.Duration
	HistoryOff []string // types without history
	// AnyIDs permits ids that FHIR does not: up to 512 characters, except quotes,
	// backslashes and control characters.
	AnyIDs bool
	// WholeSeconds makes search compare _lastUpdated in whole seconds: the service
	// reserves the right to do so at boundaries.
	WholeSeconds  bool
	DefaultCount  int           // page size without _count
	TokenLifetime time.Duration // of page tokens
	Limits        Limits
	MaxBody       int64 // bytes of a request
	Trail         Trail
	Notices       Notices
	// Events gets the events that the service sends: of import jobs, and notifications
	// of FHIR Subscriptions. Nil drops them.
	Events func(Event)
}

func (c Config) withDefaults() (Config, error) {
	if len(c.Datastores) == 0 {
		c.Datastores = []string{DefaultDatastore}
	}
	if len(c.Types) == 0 {
		c.Types = DefaultTypes()
	}
	for _, t := range c.Types {
		if !typeName.MatchString(t) {
			return c, fmt.Errorf("%q is not a FHIR resource type: name types as in FHIR, such as Patient", t)
		}
	}
	if slices.Contains(c.Datastores, "") {
		return c, errors.New("a data store has an empty id: name every data store")
	}
	if c.DefaultCount < 0 || c.DefaultCount > MaxCount {
		return c, fmt.Errorf("the page size %d is outside 1 to %d: choose one within", c.DefaultCount, MaxCount)
	}
	if err := c.Trail.check(); err != nil {
		return c, err
	}
	if err := c.Notices.check(); err != nil {
		return c, err
	}
	c.Region = or(c.Region, "us-east-1")
	c.Account = or(c.Account, "111122223333")
	if c.Credentials.AccessKeyID == "" {
		c.Credentials = DefaultCredentials
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.SearchLag == nil {
		c.SearchLag = FixedLag(0)
	}
	c.DefaultCount = or(c.DefaultCount, defaultPage)
	c.TokenLifetime = or(c.TokenLifetime, defaultTokenLifetime)
	c.MaxBody = or(c.MaxBody, defaultMaxBody)
	c.Limits.SearchGet = or(c.Limits.SearchGet, DefaultSearchRate)
	c.Limits.SearchPost = or(c.Limits.SearchPost, DefaultSearchRate)
	c.Limits.Read = or(c.Limits.Read, DefaultReadRate)
	c.Limits.Write = or(c.Limits.Write, DefaultWriteRate)
	return c, nil
}

func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// DefaultTypes are the types of a Config that names none: those that
// healthlake-cdc captures by default, and some that it does not.
func DefaultTypes() []string {
	return []string{
		"Account", "AllergyIntolerance", "Appointment", "AuditEvent", "Basic", "Binary", "CarePlan", "CareTeam",
		"Claim", "ClaimResponse", "Communication", "Composition", "Condition", "Consent", "Coverage", "Device",
		"DiagnosticReport", "DocumentReference", "Encounter", "EpisodeOfCare", "ExplanationOfBenefit",
		"FamilyMemberHistory", "Flag", "Goal", "Group", "HealthcareService", "ImagingStudy", "Immunization", "List",
		"Location", "Media", "Medication", "MedicationAdministration", "MedicationDispense", "MedicationRequest",
		"MedicationStatement", "NutritionOrder", "Observation", "Organization", "Patient", "Practitioner",
		"PractitionerRole", "Procedure", "Provenance", "Questionnaire", "QuestionnaireResponse", "RelatedPerson",
		"RiskAssessment", "Schedule", "ServiceRequest", "Slot", "Specimen", "Task",
	}
}
