package healthlake

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"healthlake-cdc/internal/cdc"
)

// list is what the pages of a search or a history are of. A next link carries it behind
// a mark: a server may page by a number under which it keeps the search.
type list struct {
	historyOf string // the id of the resource whose history it is; "" of a search
	span      cdc.Span
	id        string // of one resource only
	idsOnly   bool
	// count is how many resources a page is asked to hold.
	count int
}

// pageSizes are what a page is asked to hold, one after the other, while it is larger
// than an answer may be.
var pageSizes = []int{cdc.PageSize, 25, 5, 1}

// smaller turns a list into one of smaller pages, and reports whether there is one. That
// of a search is first one of ids alone, whose bodies are then read one by one, then of
// fewer of those, for a store that does not know _elements.
func (l *list) smaller() bool {
	if l.historyOf == "" && l.span.From.IsZero() {
		return false // a link without a mark
	}
	if l.historyOf == "" && !l.idsOnly {
		l.idsOnly, l.count = true, cdc.PageSize
		return true
	}
	i := slices.IndexFunc(pageSizes, func(n int) bool { return n < l.count })
	if i < 0 {
		return false
	}
	l.count = pageSizes[i]
	return true
}

// path leads to the list, below the datastore's root.
func (l *list) path(resourceType string) []string {
	if l.historyOf != "" {
		return []string{resourceType, l.historyOf, "_history"}
	}
	return []string{resourceType}
}

// query is what the first page is asked for with.
func (l *list) query() url.Values {
	query := url.Values{"_count": {strconv.Itoa(l.count)}}
	if l.historyOf != "" {
		return query
	}
	query.Set("_total", "accurate")
	query.Set("_lastUpdated", "ge"+instant(l.span.From.Add(-margin)))
	query.Add("_lastUpdated", "lt"+instant(l.span.To.Add(margin)))
	if l.id != "" {
		query.Set("_id", tokenEscapes.Replace(l.id))
	}
	if l.idsOnly {
		query.Set("_elements", "id,meta")
	}
	return query
}

// tokenEscapes are those of a search parameter's value (FHIR R4, search.html#escaping).
var tokenEscapes = strings.NewReplacer(`\`, `\\`, `,`, `\,`, `|`, `\|`, `$`, `\$`)

// markBegins stands between a link and its mark. A URL's fragment is never sent.
const markBegins = "#cdc?"

// mark adds to a link what its pages are of.
func (l *list) mark(link string) string {
	values := url.Values{"count": {strconv.Itoa(l.count)}}
	if l.id != "" {
		values.Set("id", l.id)
	}
	if l.idsOnly {
		values.Set("ids", "1")
	}
	if !l.span.From.IsZero() {
		values.Set("from", l.span.From.UTC().Format(time.RFC3339Nano))
		values.Set("to", l.span.To.UTC().Format(time.RFC3339Nano))
	}
	return link + markBegins + values.Encode()
}

// unmarked divides a link from its mark; the list is empty without one.
func unmarked(marked string) (link string, of list) {
	link, mark, found := strings.Cut(marked, markBegins)
	values, err := url.ParseQuery(mark)
	if !found || err != nil {
		return marked, list{}
	}
	count, err := strconv.Atoi(values.Get("count"))
	if err != nil || !slices.Contains(pageSizes, count) {
		return link, list{}
	}
	of = list{count: count, id: values.Get("id"), idsOnly: values.Has("ids")}
	from, errFrom := time.Parse(time.RFC3339Nano, values.Get("from"))
	to, errTo := time.Parse(time.RFC3339Nano, values.Get("to"))
	if errFrom == nil && errTo == nil {
		of.span = cdc.Span{From: from, To: to}
	}
	return link, of
}
