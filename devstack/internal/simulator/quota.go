package simulator

import (
	"math"
	"time"

	"golang.org/x/time/rate"
)

// quotaClass is what a request counts against.
type quotaClass int

const (
	quotaNone quotaClass = iota
	quotaSearchGet
	quotaSearchPost
	quotaRead
	quotaWrite
	quotaClasses
)

// quota is a data store's token buckets. Each holds one second's worth, the
// write bucket at least a whole bundle.
type quota struct {
	buckets    [quotaClasses]*rate.Limiter
	retryAfter time.Duration
}

func newQuota(l Limits) quota {
	q := quota{retryAfter: l.RetryAfter}
	for class, perSecond := range map[quotaClass]float64{
		quotaSearchGet: l.SearchGet, quotaSearchPost: l.SearchPost, quotaRead: l.Read, quotaWrite: l.Write,
	} {
		burst := max(1, int(math.Ceil(perSecond)))
		if class == quotaWrite {
			burst = max(burst, MaxBundleEntries)
		}
		if perSecond < 0 {
			q.buckets[class] = rate.NewLimiter(rate.Inf, 1)
			continue
		}
		q.buckets[class] = rate.NewLimiter(rate.Limit(perSecond), burst)
	}
	return q
}

// allow takes n tokens at time now, or returns a 429.
func (q *quota) allow(class quotaClass, n int, now time.Time) *problem {
	if b := q.buckets[class]; b != nil && !b.AllowN(now, n) {
		return throttled(q.retryAfter)
	}
	return nil
}
