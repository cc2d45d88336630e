package eventbus

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"golang.org/x/sync/errgroup"

	"healthlake-cdc/internal/cdc"
)

// item is an event that is to be put on the bus, and its place in the batch.
type item struct {
	i     int
	event cdc.Event
}

// run is one Publish: several calls in flight, each until its entries are accepted or
// rejected.
type run struct {
	*Publisher
	calls calls

	mu       sync.Mutex // of all below
	ids      []string
	rejected []cdc.Rejection
	progress func([]string)
	// heard is when EventBridge last accepted or rejected something, or the start.
	heard time.Time
	// failed is the last failure that may pass, since heard; nil if none.
	failed *cdc.Error
	// first is the error of the first call that failed, stuck is set when its entries keep
	// failing.
	first *cdc.Error
	stuck bool
}

// all sends what is not accepted yet. One call whose entries keep failing does not hold
// up the others, a second one does: then it is the bus. A call with accepted entries does
// not count.
func (r *run) all(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var group errgroup.Group
	for range r.inFlight {
		group.Go(func() error {
			for call := r.nextCall(); len(call) > 0 && ctx.Err() == nil; call = r.nextCall() {
				if err := r.send(ctx, call); err != nil && r.ends(call, err, ctx.Err() != nil) {
					stop()
				}
			}
			return nil
		})
	}
	_ = group.Wait() // errors are in first
	if r.first == nil && ctx.Err() != nil {
		return interrupted()
	}
	if r.first == nil {
		return nil // of the interface's type
	}
	return r.first
}

// nextCall is the next call's entries; none at the end.
func (r *run) nextCall() []item {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls.next(r.ids, r.reject)
}

// ends notes the error of a call, and reports whether it ends the Publish. Once that has
// ended, the errors of other calls say nothing more.
func (r *run) ends(call []item, err *cdc.Error, ended bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ended && r.first != nil {
		return true
	}
	someAccepted := slices.ContainsFunc(call, func(e item) bool { return r.ids[e.i] != "" })
	switch {
	case blamesContent(err) && someAccepted:
	case !r.stuck && (isEntryFailure(err) || blamesContent(err)):
		r.stuck = true
	default:
		r.first = err
		return true
	}
	if r.first == nil {
		r.first = err
	}
	return false
}

// isEntryFailure reports whether EventBridge answered, and failed single entries for a
// reason other than its load.
func isEntryFailure(e *cdc.Error) bool {
	return e.Class == cdc.ClassUnavailable && e.Status == http.StatusOK
}

// send sends the entries of one call until each is accepted or rejected.
func (r *run) send(ctx context.Context, call []item) *cdc.Error {
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
		call = again
		delay := r.backoff(tries)
		if r.noteFailed(err, delay) || tries >= maxTries {
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
func (r *run) sendHalves(ctx context.Context, call []item, err *cdc.Error) *cdc.Error {
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
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.silent(delay)
}

// silent is silentIn for a caller that holds mu.
func (r *run) silent(delay time.Duration) bool {
	return r.now().Add(delay).Sub(r.heard) >= r.callTimeout
}

// noteFailed notes a failure that may pass, and reports as silentIn does.
func (r *run) noteFailed(err *cdc.Error, delay time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = err
	return r.silent(delay)
}

// failedInSilence is the last failure, once EventBridge has been silent for too long.
func (r *run) failedInSilence() *cdc.Error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed != nil && r.silent(0) {
		return r.failed
	}
	return nil
}

// attempt makes one call and returns the entries that are to be sent again,
// with the reason. A nil error says that there are none.
func (r *run) attempt(ctx context.Context, call []item) ([]item, *cdc.Error) {
	if done(ctx) {
		return call, interrupted()
	}
	if err := r.check.exists(ctx); err != nil {
		return call, err
	}
	if err := r.failedInSilence(); err != nil {
		return call, err
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
	r.mu.Lock()
	defer r.mu.Unlock()
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
func (r *run) put(ctx context.Context, call []item) ([]types.PutEventsResultEntry, *cdc.Error) {
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
// with the gravest reason. The caller holds mu.
func (r *run) record(call []item, answers []types.PutEventsResultEntry) (again []item, failure *cdc.Error) {
	for k, answer := range answers {
		i := call[k].i
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
		again = append(again, call[k])
		if failure == nil || slices.Index(entryGravity, class) > slices.Index(entryGravity, failure.Class) {
			failure = entryError(class, code)
		}
	}
	if failure != nil && failure.Class == cdc.ClassBusMissing {
		r.check.forget()
	}
	return again, failure
}

// reject notes an entry that no later call sends. The caller holds mu.
func (r *run) reject(i int, code string) {
	r.rejected = append(r.rejected, cdc.Rejection{Index: i, Code: code})
}

func (r *run) entries(call []item) []types.PutEventsRequestEntry {
	entries := make([]types.PutEventsRequestEntry, len(call))
	for k := range call {
		event := &call[k].event
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
