package simulator

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Lag says how long a version of resourceType in datastore takes to become
// searchable. It draws only on r, which the simulator seeds.
type Lag func(datastore, resourceType string, r *rand.Rand) time.Duration

// Delay is a length of time drawn from r.
type Delay func(r *rand.Rand) time.Duration

// FixedLag is the same lag for every version.
func FixedLag(d time.Duration) Lag { return RandomLag(Fixed(d)) }

// RandomLag draws each version's lag from delay.
func RandomLag(delay Delay) Lag {
	return func(_, _ string, r *rand.Rand) time.Duration { return delay(r) }
}

// Fixed is always d.
func Fixed(d time.Duration) Delay { return func(*rand.Rand) time.Duration { return d } }

// Between is evenly spread over [low, high].
func Between(low, high time.Duration) Delay {
	return func(r *rand.Rand) time.Duration {
		if high <= low {
			return low
		}
		return low + time.Duration(r.Int64N(int64(high-low)+1))
	}
}

// LongTail is at least low, low+mean on average, and never above high: most
// values are small, few are very large.
func LongTail(low, mean, high time.Duration) Delay {
	return func(r *rand.Rand) time.Duration {
		return min(low+time.Duration(r.ExpFloat64()*float64(mean)), high)
	}
}

// chance is one stream of random choices. Each purpose has its own, so that one
// more record does not change the ids that come after it.
type chance struct {
	mu  sync.Mutex
	src *rand.ChaCha8
	r   *rand.Rand
}

type stream uint64

const (
	streamResourceIDs stream = iota + 1
	streamRequestIDs
	streamLag
	streamDigits
	streamTrail
	streamTokens
	streamDeliveries
	streamNotices
	streamNoticeIDs
)

func newChance(seed uint64, s stream) *chance {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	binary.LittleEndian.PutUint64(key[8:], uint64(s))
	src := rand.NewChaCha8(key)
	return &chance{src: src, r: rand.New(src)} //nolint:gosec // choices that a seed repeats
}

func (c *chance) do(f func(r *rand.Rand)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c.r)
}

func (c *chance) uuid() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b [16]byte
	_, _ = c.src.Read(b[:]) // a ChaCha8 source never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return uuid.UUID(b).String()
}
