package healthlake

import (
	"context"
	"errors"
	"net/url"
	"time"

	"healthlake-cdc/internal/cdc"
)

// PageSize is how many resources a page is asked to hold: HealthLake's largest
// _count.
const PageSize = 100

// margin is what a search asks for beyond the span on either side: FHIR leaves
// the precision of a boundary to the server.
const margin = time.Second

// Route templates: the only names under which requests appear in errors, spans
// and metrics.
const (
	opSearch   = "GET {Type}?_lastUpdated"
	opNext     = "GET {Type}?page"
	opCount    = "GET {Type}?_summary=count"
	opRead     = "GET {Type}/{id}"
	opVRead    = "GET {Type}/{id}/_history/{version}"
	opHistory  = "GET {Type}/{id}/_history"
	opMetadata = "GET metadata"
	// opHistoryNext is a further page of a history.
	opHistoryNext = "GET {Type}/{id}/_history?page"
)

// SearchRequest, Resource and Page are the contract's types, so that the
// activities need not import this package.
type (
	// SearchRequest asks for a first page.
	SearchRequest = cdc.SearchRequest
	// Resource is one version as the store gave it.
	Resource = cdc.Resource
	// Page is one page of a search.
	Page = cdc.Page
)

// ReadOps are the route templates of reads of single resources; all others are
// searches, but for the CapabilityStatement.
var ReadOps = []string{opRead, opVRead, opHistory, opHistoryNext}

// Search asks for the first page, of at most PageSize resources. A page that is larger
// than an answer may be, this one or a further one, is answered as an empty page whose
// Next begins the list again: of ids alone (Page.IDsOnly).
func (c *Client) Search(ctx context.Context, req SearchRequest) (Page, error) {
	if err := checkAsk(opSearch, req.Datastore, req.Type, &req.Span); err != nil {
		return Page{}, err
	}
	asked := list{span: req.Span, id: req.ID, idsOnly: req.IDsOnly, total: req.Total, count: PageSize}
	return c.page(ctx, request{
		op: opSearch, datastore: req.Datastore, resourceType: req.Type,
		target: c.target(req.Datastore, asked.query(), req.Type),
	}, asked)
}

// Next asks for a further page, by Page.Next. When the store refuses the page's
// token the class is cdc.ClassPageToken; a link that leaves the datastore's base
// is cdc.ClassRejected, and nothing is sent.
func (c *Client) Next(ctx context.Context, datastore, resourceType, next string) (Page, error) {
	if err := checkAsk(opNext, datastore, resourceType, nil); err != nil {
		return Page{}, err
	}
	if next == "" {
		return Page{}, invalidInput(opNext, "there is no next link to follow")
	}
	link, asked := unmarked(next)
	target, err := c.follow(datastore, link)
	if err != nil {
		return Page{}, &cdc.Error{
			Op: opNext, Class: cdc.ClassRejected,
			Advice: err.Error() + ", so it is not followed: write CDC_HEALTHLAKE_ENDPOINT as the store names itself",
		}
	}
	return c.page(ctx, request{
		op: opNext, datastore: datastore, resourceType: resourceType, target: target,
	}, asked)
}

func (c *Client) page(ctx context.Context, r request, asked list) (Page, error) {
	var page Page
	err := c.do(ctx, r, func(a answer) error {
		b, err := decodeBundle(a.body)
		if err != nil {
			return err
		}
		page = Page{
			Total: b.total, Date: a.date, Next: c.portable(r.datastore, b.next, asked),
			IDsOnly: asked.idsOnly || r.target.Query().Has("_elements"),
		}
		page.Resources, page.Unreadable = b.resources(r.resourceType)
		return nil
	})
	var e *cdc.Error
	if errors.As(err, &e) && e.Class == cdc.ClassTooLarge {
		if !asked.span.From.IsZero() && asked.smaller() {
			first := c.target(r.datastore, asked.query(), r.resourceType)
			return Page{Total: -1, Next: asked.mark(first.RequestURI()), IDsOnly: true}, nil
		}
		return Page{}, malformed(r.op, e.Status, errTooLarge, false).Error
	}
	if err != nil {
		return Page{}, err
	}
	if page.IDsOnly {
		for i := range page.Resources {
			page.Resources[i].Body = nil // a part of a resource, never to be published
		}
	}
	return page, nil
}

// Count asks how many versions search shows of a type in exactly this span, as
// exactly as the store reads boundaries; cdc.NotCounted when the store does not say.
func (c *Client) Count(ctx context.Context, datastore, resourceType string, span cdc.Span) (int, error) {
	if err := checkAsk(opCount, datastore, resourceType, &span); err != nil {
		return 0, err
	}
	query := url.Values{
		"_lastUpdated": {"ge" + instant(span.From), "lt" + instant(span.To)},
		"_summary":     {"count"},
	}
	total := 0
	err := c.do(ctx, request{
		op: opCount, datastore: datastore, resourceType: resourceType,
		target: c.target(datastore, query, resourceType),
	}, func(a answer) error {
		b, err := decodeBundle(a.body)
		if err != nil {
			return err
		}
		if total = b.total; total < 0 {
			total = cdc.NotCounted
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return total, nil
}

// Read asks for a resource's current version. One that is not there, or is
// deleted, is cdc.ClassNotFound; one that is larger than an answer may be is
// cdc.ClassTooLarge; one that is no readable version is cdc.ClassRejected.
func (c *Client) Read(ctx context.Context, datastore, resourceType, id string) (Resource, error) {
	if err := checkAsk(opRead, datastore, resourceType, nil); err != nil {
		return Resource{}, err
	}
	if !cdc.UsableID(id) {
		return Resource{}, invalidInput(opRead, adviceNoID)
	}
	return c.resource(ctx, request{
		op: opRead, datastore: datastore, resourceType: resourceType,
		target: c.target(datastore, nil, resourceType, id),
	}, id, "")
}

// VRead asks for one version of a resource. One that is not there (any more) is
// cdc.ClassNotFound.
func (c *Client) VRead(ctx context.Context, datastore, resourceType, id, version string) (Resource, error) {
	if err := checkAsk(opVRead, datastore, resourceType, nil); err != nil {
		return Resource{}, err
	}
	if !cdc.UsableID(id) || !cdc.UsableVersion(version) {
		return Resource{}, invalidInput(opVRead, adviceNoID)
	}
	return c.resource(ctx, request{
		op: opVRead, datastore: datastore, resourceType: resourceType,
		target: c.target(datastore, nil, resourceType, id, "_history", version),
	}, id, version)
}

func (c *Client) resource(ctx context.Context, r request, id, version string) (Resource, error) {
	var resource Resource
	err := c.do(ctx, r, func(a answer) (err error) {
		resource, err = decodeResource(a.body)
		switch {
		case errors.Is(err, errNotJSON):
			return err
		case resource.Type != r.resourceType || resource.ID != id:
			return errNotVersion
		case err != nil:
			return errUnreadable
		case version != "" && resource.VersionID != version:
			return errNotVersion
		}
		return nil
	})
	if err != nil {
		return Resource{}, err
	}
	return resource, nil
}

// SearchableTypes returns, sorted, the resource types that the store's
// CapabilityStatement lists as searchable.
func (c *Client) SearchableTypes(ctx context.Context, datastore string) ([]string, error) {
	if !cdc.ValidDatastore(datastore) {
		return nil, invalidInput(opMetadata, "the datastore id is not valid")
	}
	var types []string
	err := c.do(ctx, request{
		op: opMetadata, datastore: datastore, target: c.target(datastore, nil, "metadata"),
	}, func(a answer) (err error) {
		types, err = decodeStatement(a.body)
		return err
	})
	if err != nil {
		return nil, err
	}
	return types, nil
}

// instant writes a time as a FHIR instant, to the millisecond as stores do, and
// finer only where the time is.
func instant(t time.Time) string {
	layout := "2006-01-02T15:04:05.000Z"
	if t.Nanosecond()%int(time.Millisecond) != 0 {
		layout = "2006-01-02T15:04:05.000000000Z"
	}
	return t.UTC().Format(layout)
}

// checkAsk keeps what is not a name of a store or type out of paths.
func checkAsk(op, datastore, resourceType string, span *cdc.Span) error {
	switch {
	case !cdc.ValidDatastore(datastore):
		return invalidInput(op, "the datastore id is not valid")
	case !cdc.ValidType(resourceType):
		return invalidInput(op, "the resource type is not valid")
	case span != nil && !span.To.After(span.From):
		return invalidInput(op, "the span is empty: its end must be after its beginning")
	}
	return nil
}

func invalidInput(op, advice string) error {
	return &cdc.Error{Op: op, Class: cdc.ClassInvalidInput, Advice: advice}
}
