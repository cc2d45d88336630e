package eventbus

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"healthlake-cdc/internal/cdc"
)

// run is one Publish.
type run struct {
	*Publisher
	events   []cdc.Event
	ids      []string
	rejected []cdc.Rejection
	progress func([]string)

	// heard is when EventBridge last accepted or rejected something, or the start.
	heard time.Time
	// failed is the last failure that may pass, since heard; nil if none.
	failed *cdc.Error
}

// all sends what is not accepted yet. One call whose entries keep failing does not hold
// up the others, a second one does: then it is the bus. A call with accepted entries does
// not count.
func (r *run) all(ctx context.Context) error {
	var pending []int
	for i, id := range r.ids {
		if id == "" {
			pending = append(pending, i)
		}
	}
	calls, tooLarge := batches(r.events, pending, r.MaxBytes)
	for _, i := range tooLarge {
		r.reject(i, codeEntryTooLarge)
	}
	var first *cdc.Error
	stuck := false
	for _, call := range calls {
		err := r.send(ctx, call)
		switch {
		case err == nil:
			continue
		case blamesContent(err) && slices.ContainsFunc(call, func(i int) bool { return r.ids[i] != "" }):
		case !stuck && (isEntryFailure(err) || blamesContent(err)):
			stuck = true
		default:
			return err
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		return nil // of the interface's type
	}
	return first
}

// batches cuts the events named by indices, in their order, into calls of at
// most maxEntries entries and maxBytes bytes. Events that are larger than
// maxBytes alone are in tooLarge.
func batches(events []cdc.Event, indices []int, maxBytes int) (calls [][]int, tooLarge []int) {
	var call []int
	bytes := 0
	for _, i := range indices {
		size := events[i].Size()
		if size > maxBytes {
			tooLarge = append(tooLarge, i)
			continue
		}
		if len(call) == maxEntries || bytes+size > maxBytes {
			calls = append(calls, call)
			call, bytes = nil, 0
		}
		call = append(call, i)
		bytes += size
	}
	if len(call) > 0 {
		calls = append(calls, call)
	}
	return calls, tooLarge
}

// isEntryFailure reports whether EventBridge answered, and failed single entries for a
// reason other than its load.
func isEntryFailure(e *cdc.Error) bool {
	return e.Class == cdc.ClassUnavailable && e.Status == http.StatusOK
}

// send sends the entries of one call until each is accepted or rejected.
func (r *run) send(ctx context.Context, call []int) *cdc.Error {
	for tries := 1; ; tries++ {
		again, err := r.attempt(ctx, call)
		switch {
		case err == nil:
			return nil
		case blamesContent(err) && len(again) > 1:
			return r.sendHalves(ctx, again, err)
		case !err.Class.Retryable() || err.Class == cdc.ClassInterrupted:
			return err
		}
		if len(again) < len(call) {
			tries = 1
		}
		call, r.failed = again, err
		delay := r.backoff(tries)
		if tries >= maxTries || r.silentIn(delay) {
			return err
		}
		if r.sleep(ctx, delay) != nil {
			return interrupted()
		}
	}
}

// sendHalves sends what EventBridge does not accept together as two calls. An entry that
// it does not accept alone either is an error and no rejection: the answer to a whole
// call may be about the bus, the region or the credentials just as well.
func (r *run) sendHalves(ctx context.Context, call []int, err *cdc.Error) *cdc.Error {
	if r.silentIn(0) {
		return err
	}
	half := len(call) / 2
	first := r.send(ctx, call[:half])
	if first != nil && !blamesContent(first) {
		return first
	}
	if second := r.send(ctx, call[half:]); second != nil {
		return second
	}
	return first
}

// backoff is a random delay, up to a bound that doubles with the tries.
func backoff(tries int) time.Duration {
	return rand.N(cdc.Backoff(tries, firstBackoff, maxBackoff)) + 1 //nolint:gosec // jitter is no secret
}

// silentIn reports whether, after a delay, EventBridge will have accepted nothing for so
// long that Publish has to return.
func (r *run) silentIn(delay time.Duration) bool {
	return r.now().Add(delay).Sub(r.heard) >= r.callTimeout
}

// attempt makes one call and returns the entries that are to be sent again,
// with the reason. A nil error says that there are none.
func (r *run) attempt(ctx context.Context, call []int) ([]int, *cdc.Error) {
	if done(ctx) {
		return call, interrupted()
	}
	if err := r.check.exists(ctx); err != nil {
		return call, err
	}
	if r.failed != nil && r.silentIn(0) {
		return call, r.failed
	}
	// The check may have taken a while.
	if done(ctx) {
		return call, interrupted()
	}
	answers, failure := r.put(ctx, call)
	if failure != nil {
		r.Observe(Call{Failed: len(call), Class: failure.Class})
		return call, failure
	}
	rejectedBefore := len(r.rejected)
	again, failure := r.record(call, answers)
	r.Observe(Call{Failed: len(again), Rejected: len(r.rejected) - rejectedBefore})
	if len(again) < len(call) {
		r.heard, r.failed = r.now(), nil
		r.progress(slices.Clone(r.ids))
	}
	return again, failure
}

// put makes one PutEvents call. A cancellation of ctx does not tear it off: only
// its answer shows what was accepted.
func (r *run) put(ctx context.Context, call []int) ([]types.PutEventsResultEntry, *cdc.Error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.callTimeout)
	defer cancel()
	out, err := r.Client.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: r.entries(call)})
	if err != nil {
		failure := callError(opPut, err)
		if failure.Class == cdc.ClassBusMissing {
			r.check.forget()
		}
		return nil, failure
	}
	if len(out.Entries) != len(call) {
		return nil, &cdc.Error{
			Op: opPut, Class: cdc.ClassMalformed, Status: http.StatusOK,
			Advice: "EventBridge's answer does not say what became of each entry; check AWS_ENDPOINT_URL_EVENTBRIDGE",
		}
	}
	return out.Entries, nil
}

// record notes what became of each entry and returns those that are to be sent again,
// with the gravest reason.
func (r *run) record(call []int, answers []types.PutEventsResultEntry) (again []int, failure *cdc.Error) {
	for k, answer := range answers {
		i := call[k]
		if id := aws.ToString(answer.EventId); id != "" && aws.ToString(answer.ErrorCode) == "" {
			r.ids[i] = id
			continue
		}
		code := cleanCode(aws.ToString(answer.ErrorCode))
		class := entryClass(code)
		if class == cdc.ClassEventRejected {
			r.reject(i, code)
			continue
		}
		again = append(again, i)
		if failure == nil || slices.Index(entryGravity, class) > slices.Index(entryGravity, failure.Class) {
			failure = entryError(class, code)
		}
	}
	if failure != nil && failure.Class == cdc.ClassBusMissing {
		r.check.forget()
	}
	return again, failure
}

func (r *run) reject(i int, code string) {
	r.rejected = append(r.rejected, cdc.Rejection{Index: i, Code: code})
}

func (r *run) entries(call []int) []types.PutEventsRequestEntry {
	entries := make([]types.PutEventsRequestEntry, len(call))
	for k, i := range call {
		event := &r.events[i]
		entries[k] = types.PutEventsRequestEntry{
			EventBusName: &r.Bus,
			Source:       &event.Source,
			DetailType:   &event.DetailType,
			Detail:       aws.String(string(event.Detail)),
		}
		if !event.Time.IsZero() {
			entries[k].Time = &event.Time
		}
	}
	return entries
}

// done reports whether ctx has ended, also by its deadline alone: in a process that was
// stopped and goes on, the timer may be late.
func done(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(deadline)
}
