package cdc

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"io"
)

// MaxIdlePages is how many pages of one list in a row may show nothing that those
// before it did not, before the list is taken for one without end.
const MaxIdlePages = 20

// PageTrail is what the pages of one list were so far: a store may link its pages in
// a circle, or link on without end. The zero value is the trail of a list of which no
// page was read.
type PageTrail struct {
	// Seen are salted hashes of the links that were followed and of what the pages
	// held.
	Seen HashSet `json:"seen,omitzero"`
	// Idle is how many pages in a row were empty or showed just what one before
	// showed.
	Idle int `json:"idle,omitempty"`
}

// Add notes a page that was taken in wholly, by its Content and its link to the page
// that follows. It reports whether the list goes round, so that the page is to be its
// last: the link was followed before, or MaxIdlePages showed nothing new.
func (t *PageTrail) Add(salt Salt, content Hash, next string) (round bool) {
	if content != 0 && t.Seen.Add(content) {
		t.Idle = 0
	} else {
		t.Idle++
	}
	if next == "" {
		return false
	}
	return !t.Seen.Add(salt.hashOf("link", next)) || t.Idle >= MaxIdlePages
}

// Content stands for everything that a page shows, by a salted hash; 0 when it shows
// nothing.
func (p Page) Content(salt Salt) Hash {
	parts := make([]string, 0, 1+2*len(p.Resources)+len(p.Unreadable))
	for _, resource := range p.Resources {
		parts = append(parts, resource.ID, resource.VersionID)
	}
	for _, entry := range p.Unreadable {
		parts = append(parts, string(entry.Digest[:]))
	}
	if len(parts) == 0 {
		return 0
	}
	if p.IDsOnly {
		parts = append(parts, "ids") // another list, which shows the same again
	}
	return max(1, salt.hashOf("content", parts...))
}

// hashOf stands for texts of one kind.
func (s Salt) hashOf(kind string, texts ...string) Hash {
	mac := hmac.New(sha256.New, s[:])
	for _, text := range append([]string{kind}, texts...) {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(text)))
		// A hash never fails to take what is written.
		_, _ = mac.Write(length[:])
		_, _ = io.WriteString(mac, text)
	}
	return Hash(binary.BigEndian.Uint64(mac.Sum(nil)))
}
