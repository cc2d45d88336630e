package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"healthlake-cdc/activities"
	"healthlake-cdc/internal/cdc"
)

const testStore = "0123456789abcdef"

// windowAt is the n-th window of a store.
func windowAt(store string, n int) cdc.Window {
	return cdc.WindowAt(store, auditStart.Add(time.Duration(n)*cdc.WindowWidth))
}

// auditStart is the beginning of audited spans.
var auditStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// spanOf is a span of n windows from auditStart on.
func spanOf(n int) cdc.Span {
	return cdc.Span{From: auditStart, To: auditStart.Add(time.Duration(n) * cdc.WindowWidth)}
}

// auditStore is a FHIR store in memory. Search shows the newest version of each
// resource, history all; pages go by position.
type auditStore struct {
	activities.Store // nothing else is asked

	mu       sync.Mutex
	versions []cdc.Resource
	// fail answers a search of a type (further: of a next page) with an error.
	fail func(resourceType string, further bool) error
	// paged is called after each page, with the store unlocked.
	paged func(resourceType string)
	// claims is what the store says that it counts, instead of the true number.
	claims int
	// historyError is what history answers.
	historyError error
	searches     int
	histories    []string
	bodies       int
}

func (s *auditStore) write(resourceType, id string, number int, at time.Time) cdc.Version {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := cdc.Version{Type: resourceType, ID: id, VersionID: strconv.Itoa(number), LastUpdated: at.UTC().Format(time.RFC3339Nano)}
	body := fmt.Sprintf(`{"resourceType":%q,"id":%q}`, resourceType, id)
	s.versions = append(s.versions, cdc.Resource{Version: v, Body: []byte(body)})
	return v
}

// current are the newest versions of a type in a span.
func (s *auditStore) current(resourceType string, span cdc.Span) []cdc.Resource {
	newest := make(map[string]cdc.Resource)
	for _, v := range s.versions {
		if v.Type == resourceType {
			newest[v.ID] = v
		}
	}
	var shown []cdc.Resource
	for _, v := range newest {
		if !v.Deleted && span.Contains(v.Time()) {
			shown = append(shown, v)
		}
	}
	slices.SortFunc(shown, func(a, b cdc.Resource) int { return strings.Compare(b.ID, a.ID) })
	return shown
}

func (s *auditStore) Search(_ context.Context, r cdc.SearchRequest) (cdc.Page, error) {
	return s.page(r.Datastore, r.Type, r.Span, 0, r.IDsOnly, false)
}

func (s *auditStore) Next(_ context.Context, datastore, resourceType, next string) (cdc.Page, error) {
	parts := strings.Split(next, "|")
	offset, _ := strconv.Atoi(parts[0])
	from, _ := time.Parse(time.RFC3339Nano, parts[1])
	to, _ := time.Parse(time.RFC3339Nano, parts[2])
	return s.page(datastore, resourceType, cdc.Span{From: from, To: to}, offset, parts[3] == "ids", true)
}

func (s *auditStore) page(_, resourceType string, span cdc.Span, offset int, idsOnly, further bool) (cdc.Page, error) {
	s.mu.Lock()
	s.searches++
	if s.fail != nil {
		if err := s.fail(resourceType, further); err != nil {
			s.mu.Unlock()
			return cdc.Page{}, err
		}
	}
	const margin = 2 * time.Second
	shown := s.current(resourceType, cdc.Span{From: span.From.Add(-margin), To: span.To.Add(margin)})
	page := cdc.Page{Total: len(shown)}
	if s.claims > 0 {
		page.Total = s.claims
	}
	end := min(len(shown), offset+cdc.PageSize)
	for _, resource := range shown[min(offset, end):end] {
		if idsOnly {
			resource.Body = nil
		} else {
			s.bodies++
		}
		page.Resources = append(page.Resources, resource)
	}
	if end < len(shown) {
		kind := "full"
		if idsOnly {
			kind = "ids"
		}
		page.Next = fmt.Sprintf("%d|%s|%s|%s", end, span.From.Format(time.RFC3339Nano), span.To.Format(time.RFC3339Nano), kind)
	}
	s.mu.Unlock()
	if s.paged != nil {
		s.paged(resourceType)
	}
	return page, nil
}

// History gives pages of two versions, newest first.
func (s *auditStore) History(_ context.Context, _, resourceType, id, next string) (cdc.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if next == "" {
		s.histories = append(s.histories, id)
	}
	if s.historyError != nil {
		return cdc.Page{}, s.historyError
	}
	var all []cdc.Resource
	for _, v := range slices.Backward(s.versions) {
		if v.Type == resourceType && v.ID == id {
			all = append(all, v)
		}
	}
	offset, _ := strconv.Atoi(next)
	end := min(len(all), offset+2)
	page := cdc.Page{Resources: all[offset:end]}
	if end < len(all) {
		page.Next = strconv.Itoa(end)
	}
	return page, nil
}

// engine is Temporal with executions, of which visibility does not show some yet.
type engine struct {
	executions
	unseen map[string]bool
	// shownToAll are found by every query.
	shownToAll []string
	// queries were asked; those with the word in them are refused.
	queries []string
	refuses string
}

func (e *engine) ListWorkflow(ctx context.Context, r *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	e.queries = append(e.queries, r.GetQuery())
	if e.refuses != "" && strings.Contains(r.GetQuery(), e.refuses) {
		return nil, serviceerror.NewInvalidArgument("no such search attribute")
	}
	answer, err := e.executions.ListWorkflow(ctx, r)
	if err != nil {
		return nil, err
	}
	kept := answer.Executions[:0]
	for _, info := range answer.GetExecutions() {
		if !e.unseen[info.GetExecution().GetWorkflowId()] {
			kept = append(kept, info)
		}
	}
	answer.Executions = kept
	for _, id := range e.shownToAll {
		answer.Executions = append(answer.Executions, &workflowpb.WorkflowExecutionInfo{Execution: &commonpb.WorkflowExecution{WorkflowId: id}})
	}
	return answer, nil
}

// closedWith puts a closed run of a window, with its ledger.
func (e *engine) closedWith(start time.Time, n int, ledger cdc.Ledger) {
	id := cdc.WindowAt(testStore, start).RerunID(n)
	e.executions[id] = execution{status: completed, result: cdc.CaptureWindowResult{Ledger: ledger}}
}

type silent struct{ activities.Observer }

func (silent) Invalid(string, string, int) {}

// auditor audits a store.
func auditor(store activities.Store, e *engine) *Activities {
	logger := slog.New(slog.DiscardHandler)
	return &Activities{
		Reader: &activities.Reader{
			Store: store, Limits: activities.NewLimits(1e6, 1e6), Observer: silent{}, Logger: logger, MaxEventBytes: 1_000_000,
			Format: cdc.EventFormat{Source: "com.fhir-{type}", DetailType: "Fhir{Type}Changed"},
		},
		Executions: executionsOf(e), Logger: logger,
	}
}

func newEngine() *engine { return &engine{executions: make(executions), unseen: make(map[string]bool)} }

// ages is a horizon that no window is older than.
const ages = 100 * 365 * 24 * time.Hour

// audited runs AuditSpan.
func audited(t require.TestingT, a *Activities, in cdc.AuditSpanInput) cdc.AuditSpanResult {
	in.Datastore = testStore
	if in.Versions == "" {
		in.Versions = cdc.VersionsLatest
	}
	if in.Horizon == 0 {
		in.Horizon = ages
	}
	result, err := a.AuditSpan(context.Background(), in)
	require.NoError(t, err)
	return result
}

// naiveDigest is the digest as the contract words it.
func naiveDigest(versions []cdc.Version) string {
	var keys []string
	for _, v := range versions {
		keys = append(keys, testStore+"/"+v.Type+"/"+v.ID+"/_history/"+v.VersionID)
	}
	slices.Sort(keys)
	sum := sha256.Sum256([]byte(strings.Join(keys, "\n")))
	return hex.EncodeToString(sum[:])
}

func publishedLedger(versions ...cdc.Version) cdc.Ledger {
	ledger := cdc.Ledger{Salt: salt}
	for _, v := range versions {
		ledger.Type(v.Type).Published.Add(salt.Hash(v))
	}
	return ledger
}
