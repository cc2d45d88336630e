package activities

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	smithytime "github.com/aws/smithy-go/time"
	"go.temporal.io/sdk/activity"
	sdktemporal "go.temporal.io/sdk/temporal"

	"healthlake-cdc/internal/cdc"
)

const (
	// quickRetries is how often a request is repeated within its attempt; what lasts is
	// Temporal's to retry.
	quickRetries = 2
	// quickRequest is how long a request may have taken to be repeated: a store that
	// hangs is not asked again in the same attempt.
	quickRequest = 5 * time.Second
	// maxQuickDelay is the longest Retry-After for which an attempt waits.
	maxQuickDelay = 2 * time.Second
	// firstQuickDelay is about how long an attempt waits before it repeats a request.
	firstQuickDelay = 250 * time.Millisecond
)

// Quickly repeats a request at once, a few times, when it fails for a reason that often
// passes.
func Quickly[T any](ctx context.Context, request func() (T, error)) (T, error) {
	return quickly(ctx, func() error { return nil }, request)
}

// quickly takes a token for each repetition. Without one the request is not repeated.
func quickly[T any](ctx context.Context, token func() error, request func() (T, error)) (T, error) {
	for try := 1; ; try++ {
		began := time.Now()
		response, err := request()
		if err == nil || try > quickRetries || time.Since(began) > quickRequest || !passesSoon(err) ||
			!Pause(ctx, try, retryAfter(err)) || token() != nil {
			return response, err
		}
	}
}

// passesSoon reports whether the same request may succeed within the attempt.
func passesSoon(err error) bool {
	class := cdc.ClassOf(err)
	return class.Retryable() && class != cdc.ClassInterrupted && retryAfter(err) <= maxQuickDelay
}

// WithTicks calls tick every so often until run returns.
func WithTicks(every time.Duration, tick func(), run func() error) error {
	done := make(chan error, 1)
	go func() { done <- run() }()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-ticker.C:
			tick()
		}
	}
}

// Pause waits before the try-th repetition: as long as the store asked for, or about a
// quarter second, doubled each time. It reports whether to go on.
func Pause(ctx context.Context, try int, asked time.Duration) bool {
	if asked == 0 {
		asked = jitter(cdc.Backoff(try, firstQuickDelay, maxQuickDelay))
	}
	return smithytime.SleepWithContext(ctx, asked) == nil
}

// jitter is half of d to one and a half, so that attempts come apart.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d) //nolint:gosec // no secret
}

// retryAfter is how long the store or the bus asked us to wait, 0 if it did not.
func retryAfter(err error) time.Duration {
	if known, ok := errors.AsType[*cdc.Error](err); ok {
		return known.RetryAfter
	}
	return 0
}

// ApplicationError turns an error of the store or the bus into Temporal's: its class is
// the type, only invalid input is never retried; details are for the workflow. It must be
// the outermost error an activity returns, or Temporal does not see whether to retry.
func ApplicationError(ctx context.Context, err error, details ...any) error {
	if err == nil {
		return nil
	}
	known, ok := errors.AsType[*cdc.Error](err)
	if !ok {
		if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		known = &cdc.Error{Op: "activity", Class: cdc.ClassInterrupted}
	}
	return sdktemporal.NewApplicationErrorWithOptions(known.Error(), string(known.Class), sdktemporal.ApplicationErrorOptions{
		NonRetryable:   known.Class == cdc.ClassInvalidInput,
		NextRetryDelay: nextDelay(ctx, known.RetryAfter),
		Details:        details,
	})
}

// nextDelay is the delay that an error asks for, where it is longer than the one
// that the retry policy gives (workflows/policies.go: 1 s, doubled up to 15
// minutes): a store that is down for a day and always asks for 3 s is not tried
// every 3 s by each window. Zero leaves the delay to the policy.
func nextDelay(ctx context.Context, asked time.Duration) time.Duration {
	if asked <= cdc.Backoff(int(Attempt(ctx)), time.Second, 15*time.Minute) {
		return 0
	}
	return asked
}

// InvalidInput is the error of an activity whose input makes no sense.
func InvalidInput(ctx context.Context, what string) error {
	return ApplicationError(ctx, &cdc.Error{Op: "activity input", Class: cdc.ClassInvalidInput, Advice: what})
}

// Attempt is the number of the activity's attempt, from 1.
func Attempt(ctx context.Context) int32 {
	if !activity.IsActivity(ctx) {
		return 1
	}
	return activity.GetInfo(ctx).Attempt
}

// Heartbeat says that an attempt goes on, with what a retry goes on from.
func Heartbeat(ctx context.Context, details ...any) {
	if activity.IsActivity(ctx) {
		activity.RecordHeartbeat(ctx, details...)
	}
}
