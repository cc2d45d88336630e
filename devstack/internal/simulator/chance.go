package simulator

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Lag is the time until a version of resourceType in datastore becomes searchable. r is
// its only source of randomness.
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

// Between is uniform over [low, high].
func Between(low, high time.Duration) Delay {
	return func(r *rand.Rand) time.Duration {
		if high <= low {
			return low
		}
		return low + time.Duration(r.Int64N(int64(high-low)+1))
	}
}

// chance is one stream of random choices. Each purpose has its own: an additional record
// does not change later ids.
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
