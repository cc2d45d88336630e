package awslocal

import (
	"container/heap"
	"container/list"
	"crypto/md5" //nolint:gosec // the digest that SQS returns
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

// A message is in exactly one place of its queue: in the list of visible
// messages, or in the heap of those that become visible later.
type message struct {
	seq           uint64
	id            string
	body          string
	bodyMD5       string
	attributes    map[string]messageAttribute
	sent          time.Time
	firstReceived time.Time
	receives      int
	deadLetterOf  string // ARN of the queue that it came from

	visible   *list.Element // in the list of visible messages
	visibleAt time.Time     // in the heap
	heapIndex int
	delayed   bool // in the heap because of a delay, not of a receive
}

func newMessage(body string, attributes map[string]messageAttribute, now time.Time) *message {
	sum := md5.Sum([]byte(body)) //nolint:gosec // the digest that SQS returns
	return &message{
		id: newUUID(), body: body, bodyMD5: hex.EncodeToString(sum[:]),
		attributes: attributes, sent: now,
	}
}

// size is the number of bytes that SQS counts: the body and the names, types and values
// of its attributes.
func (m *message) size() int64 { return messageSize(m.body, m.attributes) }

func messageSize(body string, attributes map[string]messageAttribute) int64 {
	n := len(body)
	for name, a := range attributes {
		n += len(name) + len(a.DataType) + len(a.StringValue) + len(a.BinaryValue)
	}
	return int64(n)
}

// A messageAttribute is a message attribute as the API carries it.
type messageAttribute struct {
	DataType    string
	StringValue string `json:",omitempty"`
	BinaryValue []byte `json:",omitempty"`
}

// attributesMD5 is the digest of "Amazon SQS message metadata": by name, the
// length-prefixed name, type and value, with a byte for the kind of value.
func attributesMD5(attributes map[string]messageAttribute) string {
	if len(attributes) == 0 {
		return ""
	}
	names := make([]string, 0, len(attributes))
	for name := range attributes {
		names = append(names, name)
	}
	slices.Sort(names)
	var buf []byte
	put := func(b []byte) {
		buf = binary.BigEndian.AppendUint32(buf, uint32(len(b)))
		buf = append(buf, b...)
	}
	for _, name := range names {
		a := attributes[name]
		put([]byte(name))
		put([]byte(a.DataType))
		if a.BinaryValue != nil {
			buf = append(buf, 2)
			put(a.BinaryValue)
		} else {
			buf = append(buf, 1)
			put([]byte(a.StringValue))
		}
	}
	sum := md5.Sum(buf) //nolint:gosec // the digest that SQS returns
	return hex.EncodeToString(sum[:])
}

// newUUID returns a random (version 4) UUID.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// laterHeap orders messages by the time at which they become visible.
type laterHeap []*message

var _ heap.Interface = (*laterHeap)(nil)

func (h laterHeap) Len() int           { return len(h) }
func (h laterHeap) Less(i, j int) bool { return h[i].visibleAt.Before(h[j].visibleAt) }
func (h laterHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapIndex, h[j].heapIndex = i, j
}

func (h *laterHeap) Push(x any) {
	m := x.(*message)
	m.heapIndex = len(*h)
	*h = append(*h, m)
}

func (h *laterHeap) Pop() any {
	old := *h
	m := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return m
}
