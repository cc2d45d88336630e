package healthlake

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"healthlake-cdc/internal/cdc"
)

// margin is what a search asks for beyond the span on either side: FHIR leaves
// the precision of a boundary to the server.
const margin = time.Second

// Route templates: the only names of requests in errors and metrics.
const (
	opSearch   = "GET {Type}?_lastUpdated"
	opNext     = "GET {Type}?page"
	opCount    = "GET {Type}?_summary=count"
	opRead     = "GET {Type}/{id}"
	opVRead    = "GET {Type}/{id}/_history/{version}"
	opHistory  = "GET {Type}/{id}/_history"
	opMetadata = "GET metadata"
	opPut      = "PUT {Type}/{id}" // of SubscriptionTopics and Subscriptions

	opHistoryNext = "GET {Type}/{id}/_history?page"
)

// ReadOps are the route templates of reads of single resources; all others are
// searches, but for the CapabilityStatement.
var ReadOps = []string{opRead, opVRead, opHistory, opHistoryNext}

// Search asks for a page of at most cdc.PageSize resources. One that is larger than an
// answer may be is answered as an empty page whose Next begins the list again: of ids
// alone (Page.IDsOnly). When the store rejects the token of a further page the class is
// cdc.ClassPageTokenRejected; a link that leaves the datastore's base is
// cdc.ClassInvalidRequest, and nothing is sent.
func (c *Client) Search(ctx context.Context, req cdc.SearchRequest) (cdc.Page, error) {
	if req.Next != "" {
		return c.next(ctx, req)
	}
	asked := list{span: req.Span, id: req.ID, idsOnly: req.IDsOnly, count: cdc.PageSize}
	r, err := c.get(opSearch, req.Datastore, req.Type, asked.query())
	if err != nil {
		return cdc.Page{}, err
	}
	if !req.Span.To.After(req.Span.From) {
		return cdc.Page{}, invalidInput(opSearch, adviceEmptySpan)
	}
	return c.page(ctx, r, asked)
}

// next asks for a further page.
func (c *Client) next(ctx context.Context, req cdc.SearchRequest) (cdc.Page, error) {
	r, err := c.get(opNext, req.Datastore, req.Type, nil)
	if err != nil {
		return cdc.Page{}, err
	}
	asked, err := c.further(&r, req.Next)
	if err != nil {
		return cdc.Page{}, err
	}
	return c.page(ctx, r, asked)
}

// further makes r the request for the page of a next link, and returns what its list is
// of.
func (c *Client) further(r *request, next string) (of list, err error) {
	link, of := unmarked(next)
	if r.target, err = c.follow(r.datastore, link); err != nil {
		return list{}, &cdc.Error{
			Op: r.op, Class: cdc.ClassInvalidRequest,
			Advice: err.Error() + ", so it is not followed: write CDC_HEALTHLAKE_ENDPOINT as the store names itself",
		}
	}
	return of, nil
}

// page asks for one page of a list. Instead of one that is larger than an answer may be it
// returns an empty page whose Next begins the list again, in smaller pages.
func (c *Client) page(ctx context.Context, r request, asked list) (cdc.Page, error) {
	idsOnly := asked.idsOnly || r.target.Query().Has("_elements")
	var page cdc.Page
	err := c.do(ctx, r, func(a answer) error {
		b, err := decodeBundle(a.body)
		if err != nil {
			return err
		}
		page = cdc.Page{Total: b.total, Date: a.date, Next: c.portable(r.datastore, b.next, asked), IDsOnly: idsOnly}
		if asked.historyOf != "" {
			page.Resources, page.Unreadable = b.versions(r.resourceType, asked.historyOf)
		} else {
			page.Resources, page.Unreadable = b.resources(r.resourceType)
		}
		return nil
	})
	tooLarge := cdc.ClassOf(err) == cdc.ClassTooLarge
	switch {
	case tooLarge && asked.smaller():
		first := c.target(r.datastore, asked.query(), asked.path(r.resourceType)...)
		return cdc.Page{Total: -1, Next: asked.mark(first.RequestURI()), IDsOnly: asked.idsOnly}, nil
	case tooLarge && asked.historyOf == "": // a page of a search is no single resource
		return cdc.Page{}, malformed(r.op, http.StatusOK, errTooLarge)
	case err != nil:
		return cdc.Page{}, err
	}
	if idsOnly {
		for i := range page.Resources {
			page.Resources[i].Body = nil // a part of a resource, never to be published
		}
	}
	return page, nil
}

// Count asks how many versions search shows of a type in exactly this span, as
// exactly as the store reads boundaries; cdc.NotCounted when the store does not say.
func (c *Client) Count(ctx context.Context, datastore, resourceType string, span cdc.Span) (int, error) {
	r, err := c.get(opCount, datastore, resourceType, url.Values{
		"_lastUpdated": {"ge" + instant(span.From), "lt" + instant(span.To)},
		"_summary":     {"count"},
	})
	if err != nil {
		return 0, err
	}
	if !span.To.After(span.From) {
		return 0, invalidInput(opCount, adviceEmptySpan)
	}
	total := 0
	err = c.do(ctx, r, func(a answer) error {
		b, err := decodeBundle(a.body)
		if total = b.total; total < 0 {
			total = cdc.NotCounted
		}
		return err
	})
	return total, err
}

// Read asks for a resource's current version. One that is not there, or is
// deleted, is cdc.ClassNotFound; one that is larger than an answer may be is
// cdc.ClassTooLarge; one that is no readable version is cdc.ClassInvalidRequest.
func (c *Client) Read(ctx context.Context, datastore, resourceType, id string) (cdc.Resource, error) {
	r, err := c.get(opRead, datastore, resourceType, nil, id)
	if err != nil {
		return cdc.Resource{}, err
	}
	return c.resource(ctx, r, id, "")
}

// VRead asks for one version of a resource. One that is not there (any more) is
// cdc.ClassNotFound.
func (c *Client) VRead(ctx context.Context, datastore, resourceType, id, version string) (cdc.Resource, error) {
	r, err := c.get(opVRead, datastore, resourceType, nil, id, "_history", version)
	if err != nil {
		return cdc.Resource{}, err
	}
	if !cdc.UsableVersion(version) {
		return cdc.Resource{}, invalidInput(opVRead, adviceNoID)
	}
	return c.resource(ctx, r, id, version)
}

// resource asks for one resource, of any version where none is named.
func (c *Client) resource(ctx context.Context, r request, id, version string) (cdc.Resource, error) {
	var resource cdc.Resource
	err := c.do(ctx, r, func(a answer) error {
		read, err := decodeResource(a.body)
		switch {
		case errors.Is(err, errNotJSON):
			return err
		case read.Type != r.resourceType || read.ID != id:
			return errNotAsked
		case err != nil:
			return errUnreadable
		case version != "" && read.VersionID != version:
			return errNotAsked
		}
		resource = read
		return nil
	})
	return resource, err
}

// SearchableTypes returns, sorted, the types that the store's CapabilityStatement lists
// as searchable.
func (c *Client) SearchableTypes(ctx context.Context, datastore string) ([]string, error) {
	if !cdc.ValidDatastore(datastore) {
		return nil, invalidInput(opMetadata, "the datastore id is not valid")
	}
	var types []string
	r := request{op: opMetadata, datastore: datastore, target: c.target(datastore, nil, "metadata")}
	err := c.do(ctx, r, func(a answer) (err error) {
		types, err = decodeStatement(a.body)
		return err
	})
	return types, err
}

// ReadDefinition reads a resource that defines something, such as a Subscription,
// as it is. found is false when there is none.
func (c *Client) ReadDefinition(ctx context.Context, datastore, resourceType, id string) (body json.RawMessage, found bool, err error) {
	r, err := c.definition(opRead, datastore, resourceType, id)
	if err != nil {
		return nil, false, err
	}
	err = c.do(ctx, r, func(a answer) error {
		var head struct{ ResourceType, ID string }
		if json.Unmarshal(a.body, &head) != nil || head.ResourceType != resourceType || head.ID != id {
			return errNotAsked
		}
		body = a.body
		return nil
	})
	if cdc.ClassOf(err) == cdc.ClassNotFound {
		return nil, false, nil
	}
	return body, err == nil, err
}

// PutDefinition writes a resource that defines something, such as a Subscription, under its
// id: the client's only write. created is set when there was none before.
func (c *Client) PutDefinition(ctx context.Context, datastore, resourceType, id string, body []byte) (created bool, err error) {
	r, err := c.definition(opPut, datastore, resourceType, id)
	if err != nil {
		return false, err
	}
	if len(body) == 0 {
		return false, invalidInput(opPut, "there is no resource to put")
	}
	r.body = body
	err = c.do(ctx, r, func(a answer) error {
		created = a.status == http.StatusCreated
		return nil
	})
	return created, err
}

// definition is a request of one resource, whose id must be one of FHIR's.
func (c *Client) definition(op, datastore, resourceType, id string) (request, error) {
	if !cdc.ValidResourceID(id) {
		return request{}, invalidInput(op, adviceNoID)
	}
	return c.get(op, datastore, resourceType, nil, id)
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
