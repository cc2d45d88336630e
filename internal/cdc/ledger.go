package cdc

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
)

// Hash stands for one version within one resource type of one ledger: the first 8
// bytes of HMAC-SHA-256 under the ledger's salt. Without the salt nobody can choose two
// versions with the same one; by chance 100,000 versions have a pair once in 10^9 windows.
type Hash uint64

// SaltBytes is the length of a Salt.
const SaltBytes = 16

// Salt is a random value that is fixed when a window or a range first starts. Without
// one, 8-byte hashes of two chosen ids were made equal in 17 minutes on two cores.
type Salt [SaltBytes]byte

// Hash stands for a version.
func (s Salt) Hash(v Version) Hash { return s.hashOf(v.ID, v.VersionID) }

// hashOf writes each text's length first: what could be divided in two ways differs.
func (s Salt) hashOf(texts ...string) Hash {
	mac := hmac.New(sha256.New, s[:])
	var length [8]byte
	for _, text := range texts {
		binary.BigEndian.PutUint64(length[:], uint64(len(text)))
		_, _ = mac.Write(length[:]) // never fails
		_, _ = io.WriteString(mac, text)
	}
	return Hash(binary.BigEndian.Uint64(mac.Sum(nil)))
}

// IsZero reports whether there is no salt.
func (s Salt) IsZero() bool { return s == Salt{} }

// MarshalText implements encoding.TextMarshaler: standard base64.
func (s Salt) MarshalText() ([]byte, error) {
	return []byte(base64.StdEncoding.EncodeToString(s[:])), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Salt) UnmarshalText(text []byte) error {
	decoded, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil || len(decoded) != SaltBytes {
		return errors.New("salt is not 16 bytes of base64")
	}
	copy(s[:], decoded)
	return nil
}

// HashSet is a set of hashes, in JSON base64 of 8 bytes each, ascending, big-endian:
// 150,000 stay under Temporal's payload limit of 2 MiB. The zero value is ready to use.
type HashSet struct{ set map[Hash]struct{} }

// Has reports whether h is in the set.
func (s HashSet) Has(h Hash) bool {
	_, ok := s.set[h]
	return ok
}

// Len is the number of hashes.
func (s HashSet) Len() int { return len(s.set) }

// Add puts h into the set and reports whether it is new.
func (s *HashSet) Add(h Hash) bool {
	if s.Has(h) {
		return false
	}
	if s.set == nil {
		s.set = make(map[Hash]struct{})
	}
	s.set[h] = struct{}{}
	return true
}

// Remove removes h.
func (s *HashSet) Remove(h Hash) { delete(s.set, h) }

// IsZero reports whether the set is empty, for JSON's omitzero.
func (s HashSet) IsZero() bool { return len(s.set) == 0 }

// Merge adds every hash of other and returns how many were new.
func (s *HashSet) Merge(other HashSet) int {
	added := 0
	for h := range other.set {
		if s.Add(h) {
			added++
		}
	}
	return added
}

// Clone returns a copy that shares nothing with s.
func (s HashSet) Clone() HashSet {
	var c HashSet
	c.Merge(s)
	return c
}

// Sorted returns the hashes in ascending order.
func (s HashSet) Sorted() []Hash {
	return slices.Sorted(maps.Keys(s.set))
}

const hashBytes = 8

// MarshalJSON implements json.Marshaler; equal sets give equal bytes.
func (s HashSet) MarshalJSON() ([]byte, error) {
	packed := make([]byte, 0, hashBytes*len(s.set))
	for _, h := range s.Sorted() {
		packed = binary.BigEndian.AppendUint64(packed, uint64(h))
	}
	return json.Marshal(packed)
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *HashSet) UnmarshalJSON(data []byte) error {
	var packed []byte
	if err := json.Unmarshal(data, &packed); err != nil || len(packed)%hashBytes != 0 {
		return errors.New("hash set is not base64 of hashes")
	}
	s.set = make(map[Hash]struct{}, len(packed)/hashBytes)
	for i := 0; i < len(packed); i += hashBytes {
		s.set[Hash(binary.BigEndian.Uint64(packed[i:]))] = struct{}{}
	}
	return nil
}

// TypeLedger is what is known of one resource type's versions in a window.
type TypeLedger struct {
	// Published holds the versions that EventBridge accepted.
	Published HashSet `json:"published"`
	// Skipped holds the versions that an operator, or a window's Skip, skipped.
	Skipped HashSet `json:"skipped"`
}

// Merge adds everything that other holds.
func (t *TypeLedger) Merge(other TypeLedger) {
	t.Published.Merge(other.Published)
	t.Skipped.Merge(other.Skipped)
}

// Known is what was published or skipped.
func (t TypeLedger) Known() HashSet {
	known := t.Published.Clone()
	known.Merge(t.Skipped)
	return known
}

// Ledger is what a window has published. A type that was swept and empty has an
// entry without hashes; a type that was not swept has none.
type Ledger struct {
	// Salt is that of every hash in the ledger.
	Salt  Salt                   `json:"salt"`
	Types map[string]*TypeLedger `json:"types"`
}

// Type returns the entry of a resource type, making it: the type counts as swept.
func (l *Ledger) Type(resourceType string) *TypeLedger {
	if l.Types == nil {
		l.Types = make(map[string]*TypeLedger)
	}
	entry := l.Types[resourceType]
	if entry == nil {
		entry = &TypeLedger{}
		l.Types[resourceType] = entry
	}
	return entry
}

// of is the entry of a type. Unlike Type it makes none.
func (l Ledger) of(resourceType string) TypeLedger {
	if entry := l.Types[resourceType]; entry != nil {
		return *entry
	}
	return TypeLedger{}
}

// Known is what was published or skipped of a type.
func (l Ledger) Known(resourceType string) HashSet { return l.of(resourceType).Known() }

// Swept reports whether the type was swept.
func (l Ledger) Swept(resourceType string) bool { return l.Types[resourceType] != nil }

// Has reports whether the version was published or skipped.
func (l Ledger) Has(v Version) bool {
	entry, hash := l.of(v.Type), l.Salt.Hash(v)
	return entry.Published.Has(hash) || entry.Skipped.Has(hash)
}

// HasPublished reports whether the version was published.
func (l Ledger) HasPublished(v Version) bool { return l.of(v.Type).Published.Has(l.Salt.Hash(v)) }

// ErrOtherSalt is of ledgers whose hashes say nothing of each other.
var ErrOtherSalt = errors.New("the ledgers have different salts")

// Merge adds everything that other holds. A ledger without a salt gets the other's.
func (l *Ledger) Merge(other Ledger) error {
	switch {
	case l.Salt.IsZero():
		l.Salt = other.Salt
	case len(other.Types) > 0 && other.Salt != l.Salt:
		return ErrOtherSalt
	}
	for _, name := range other.Names() {
		l.Type(name).Merge(*other.Types[name])
	}
	return nil
}

// Names returns the swept types in alphabetical order.
func (l Ledger) Names() []string {
	names := slices.Sorted(maps.Keys(l.Types))
	return slices.DeleteFunc(names, func(name string) bool { return l.Types[name] == nil })
}

// Published is the number of published versions of all types.
func (l Ledger) Published() int {
	sum := 0
	for _, name := range l.Names() {
		sum += l.Types[name].Published.Len()
	}
	return sum
}
