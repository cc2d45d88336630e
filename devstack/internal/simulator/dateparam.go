package simulator

import (
	"strings"
	"time"
)

// dateParam is one _lastUpdated value: a prefix and the time range [low, high) that its
// precision covers.
type dateParam struct {
	prefix    string
	low, high time.Time
}

var errDate = badRequest("_lastUpdated cannot be read: send an optional prefix (eq ne gt lt ge le sa eb) and a FHIR date or instant")

// dateLayouts are FHIR's partial dates and the length of each one's last unit.
// A value without a zone is UTC.
var dateLayouts = []struct {
	layout string
	next   func(time.Time) time.Time
}{
	{"2006", func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }},
	{"2006-01", func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }},
	{"2006-01-02", func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }},
	{"2006-01-02T15:04", func(t time.Time) time.Time { return t.Add(time.Minute) }},
	{"2006-01-02T15:04Z07:00", func(t time.Time) time.Time { return t.Add(time.Minute) }},
	{"2006-01-02T15:04:05", nil}, // by its fraction
	{"2006-01-02T15:04:05Z07:00", nil},
}

func parseDateParam(value string) (dateParam, *problem) {
	d := dateParam{prefix: "eq"}
	if len(value) > 2 && value[0] >= 'a' && value[0] <= 'z' {
		d.prefix, value = value[:2], value[2:]
	}
	switch d.prefix {
	case "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb":
	default:
		return dateParam{}, errDate
	}
	for _, l := range dateLayouts {
		t, err := time.Parse(l.layout, value) // accepts a fraction after the seconds
		if err != nil {
			continue
		}
		d.low = t.UTC()
		if l.next != nil {
			d.high = l.next(d.low)
		} else {
			d.high = d.low.Add(fractionUnit(value))
		}
		return d, nil
	}
	return dateParam{}, errDate
}

// fractionUnit is one unit of the last fractional digit of a second.
func fractionUnit(value string) time.Duration {
	_, fraction, _ := strings.Cut(value, ".")
	unit := time.Second
	for _, c := range fraction {
		if c < '0' || c > '9' || unit == 1 {
			break
		}
		unit /= 10
	}
	return unit
}

// match follows FHIR's prefixes for an instant.
func (d dateParam) match(t time.Time) bool {
	switch d.prefix {
	case "eq":
		return !t.Before(d.low) && t.Before(d.high)
	case "ne":
		return t.Before(d.low) || !t.Before(d.high)
	case "gt", "sa":
		return !t.Before(d.high)
	case "ge":
		return !t.Before(d.low)
	case "lt", "eb":
		return t.Before(d.low)
	default: // le
		return t.Before(d.high)
	}
}

// wholeSeconds widens the value's own precision to seconds.
func (d dateParam) wholeSeconds() dateParam {
	d.low = d.low.Truncate(time.Second)
	if high := d.high.Truncate(time.Second); !high.After(d.low) {
		d.high = d.low.Add(time.Second)
	} else {
		d.high = high
	}
	return d
}

// narrow cuts [from, to) down to where match can be true.
func (d dateParam) narrow(from, to time.Time) (time.Time, time.Time) {
	switch d.prefix {
	case "eq":
		return later(from, d.low), earlier(to, d.high)
	case "gt", "sa":
		return later(from, d.high), to
	case "ge":
		return later(from, d.low), to
	case "lt", "eb":
		return from, earlier(to, d.low)
	case "le":
		return from, earlier(to, d.high)
	}
	return from, to
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
