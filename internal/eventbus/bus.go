package eventbus

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"golang.org/x/sync/singleflight"

	"healthlake-cdc/internal/cdc"
)

// busFresh is how long a bus that was found counts as there: PutEvents to a bus that is
// gone answers 200 and drops the events.
const busFresh = 10 * time.Second

// busCheck asks EventBridge whether the bus exists, at most once every busFresh
// and one question at a time, for all calls of Publish together.
type busCheck struct {
	*Publisher
	flight singleflight.Group
	warn   sync.Once
	// until is when the bus is to be checked again, in nanoseconds since 1970.
	until atomic.Int64
}

// exists returns nil when the bus is there, or when we may not know.
func (b *busCheck) exists(ctx context.Context) *cdc.Error {
	if b.now().UnixNano() < b.until.Load() {
		return nil
	}
	// All who wait share the call: it does not end with the context of the first.
	answer := b.flight.DoChan("", func() (any, error) {
		return b.ask(context.WithoutCancel(ctx)), nil
	})
	select {
	case <-ctx.Done():
		return interrupted()
	case result := <-answer:
		err, _ := result.Val.(*cdc.Error)
		return err
	}
}

// forget makes the next call ask again.
func (b *busCheck) forget() { b.until.Store(0) }

// ask asks EventBridge, and notes for how long its answer counts.
func (b *busCheck) ask(ctx context.Context) *cdc.Error {
	ctx, cancel := context.WithTimeout(ctx, b.callTimeout)
	defer cancel()
	asked := b.now()
	_, err := b.Client.DescribeEventBus(ctx, &eventbridge.DescribeEventBusInput{Name: aws.String(b.Bus)})
	if err != nil {
		failure := callError(opDescribe, err)
		switch {
		case cannotTell(failure):
			b.warn.Do(func() {
				b.Logger.Warn("cannot check that the event bus exists; events to a missing bus would be lost: allow events:DescribeEventBus",
					"class", string(failure.Class), "code", failure.Code, "status", failure.Status)
			})
		case failure.Class == cdc.ClassInvalidRequest:
			// The name itself is not a bus's.
			failure.Class, failure.Advice = cdc.ClassBusMissing, advice[cdc.ClassBusMissing]
			return failure
		default:
			return failure
		}
	}
	b.until.Store(asked.Add(busFresh).UnixNano())
	return nil
}

// cannotTell reports whether the answer says nothing of the bus: the call is forbidden to
// us (PutEvents may be allowed all the same), or the endpoint does not have it.
func cannotTell(e *cdc.Error) bool {
	return e.Class == cdc.ClassForbidden || e.Code == "UnknownOperationException" || e.Status == http.StatusNotImplemented
}
