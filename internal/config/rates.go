package config

// How CDC_SEARCH_RATE is shared: windows' first pages, their further pages, bulk work that
// makes one search an attempt (ranges, counts), and bulk work that makes many (audits).
const (
	LiveShare    = 0.5
	FurtherShare = 0.3
	BulkShare    = 0.1
	AuditShare   = 0.1
)

// LiveRate is the share of live windows' first pages, in searches a second and store.
func (c *Config) LiveRate() float64 { return c.SearchRate * LiveShare }
