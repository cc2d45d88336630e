package simulator

import (
	"strconv"
	"strings"
)

// searchParams is a parsed search query.
type searchParams struct {
	dates      []dateParam
	ids        map[string]bool // nil without _id
	count      int
	total      bool
	descending bool
	elements   map[string]bool // nil without _elements
	summary    string          // "" without, or with false
	after      *position       // where the page before ended
}

func (c *call) searchParams() (searchParams, *problem) {
	q := searchParams{count: c.s.cfg.DefaultCount}
	for name, values := range c.query {
		if name == "_lastUpdated" {
			for _, value := range values {
				d, p := parseDateParam(value)
				if p != nil {
					return q, p
				}
				if c.s.cfg.WholeSeconds {
					d = d.wholeSeconds()
				}
				q.dates = append(q.dates, d)
			}
			continue
		}
		if len(values) != 1 {
			return q, errRepeated
		}
		if p := q.set(c, name, values[0]); p != nil {
			return q, p
		}
	}
	if q.elements != nil && c.query.Has("_summary") {
		return q, badRequest("_elements and _summary exclude each other: send one of them")
	}
	return q, nil
}

func (q *searchParams) set(c *call, name, value string) (p *problem) {
	switch name {
	case "_count":
		q.count, p = parseCount(value)
	case "_total":
		switch value {
		case "accurate":
			q.total = true
		case "none":
		default:
			p = badRequest("_total is accurate or none: send one of them")
		}
	case "_sort":
		switch value {
		case "_lastUpdated":
		case "-_lastUpdated":
			q.descending = true
		default:
			p = badRequest("_sort supports dates only: send _lastUpdated or -_lastUpdated")
		}
	case "_id":
		q.ids = commaSet(value)
	case "_elements":
		q.elements = commaSet(value)
	case "_summary":
		switch value {
		case "true", "text", "data", "count":
			q.summary = value
		case "false":
		default:
			p = badRequest("_summary is true, text, data, count or false: send one of them")
		}
	case pageParam:
		var at position
		at, p = c.s.tokens.open(value, c.scope(), c.s.now())
		q.after = &at
	default:
		p = errUnknownParam
	}
	return p
}

func parseCount(value string) (int, *problem) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > MaxCount {
		return 0, badRequest("_count must be between 1 and 100: use less and follow the next link")
	}
	return n, nil
}

func commaSet(value string) map[string]bool {
	set := map[string]bool{}
	for part := range strings.SplitSeq(value, ",") {
		if part = strings.TrimSpace(part); part != "" {
			set[part] = true
		}
	}
	return set
}
