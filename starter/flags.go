package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/config"
)

func bindDatastore(flags *pflag.FlagSet, datastore *string) {
	flags.StringVar(datastore, "datastore", "", "only this one of the configured datastores")
}

func bindTypes(flags *pflag.FlagSet, types *[]string) {
	flags.StringSliceVar(types, "type", nil, "only these resource types (repeat or separate by commas)")
}

func required(command *cobra.Command, names ...string) {
	for _, name := range names {
		_ = command.MarkFlagRequired(name) // the flag exists
	}
}

type timeRange struct{ since, until string }

func (r *timeRange) bind(flags *pflag.FlagSet) {
	flags.StringVar(&r.since, "since", r.since, "start of the time range: RFC 3339, or how long ago, as in 48h")
	flags.StringVar(&r.until, "until", r.until, "end (exclusive) of the time range")
}

func (r *timeRange) span(now time.Time) (cdc.Span, error) {
	from, err := parseTime(r.since, now)
	if err != nil {
		return cdc.Span{}, fmt.Errorf("--since: %w", err)
	}
	to, err := parseTime(r.until, now)
	if err != nil {
		return cdc.Span{}, fmt.Errorf("--until: %w", err)
	}
	if !to.After(from) {
		return cdc.Span{}, errors.New("--until must be later than --since; 2h is two hours ago")
	}
	return cdc.Span{From: from, To: to}, nil
}

// parseTime reads a time: RFC 3339, or a duration that says how long ago.
func parseTime(text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t.UTC(), nil
	}
	ago, err := time.ParseDuration(text)
	if err != nil || ago < 0 {
		return time.Time{}, fmt.Errorf("%q is neither a time like 2026-11-23T15:04:05Z nor how long ago, like 10m", text)
	}
	return now.Add(-ago).UTC(), nil
}

// stamp is a time as --since and --until read it.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// chooseTypes returns the asked types, or all configured ones when none is asked.
func chooseTypes(configured, asked []string) ([]string, error) {
	if len(asked) == 0 {
		return configured, nil
	}
	for _, name := range asked {
		if slices.Contains(configured, name) {
			continue
		}
		if err := config.CheckType(name); err != nil {
			return nil, fmt.Errorf("--type: %w", err)
		}
		return nil, fmt.Errorf("--type %s is not one of the configured resource types: see CDC_RESOURCE_TYPES", name)
	}
	return slices.Compact(slices.Sorted(slices.Values(asked))), nil
}
