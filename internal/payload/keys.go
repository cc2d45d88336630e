package payload

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strings"
)

const (
	// KeySize is the length of a key in bytes: AES-256.
	KeySize = 32
	// MaxKeyIDLength is the longest key id in bytes: at this length a summary of 200
	// bytes, the most that the SDK documents, stays under the server's limit of 400.
	MaxKeyIDLength = 32
)

// KeyRing holds the keys of a [Codec]: the first encrypts, all of them decrypt. It prints
// as its key ids only, in every format.
type KeyRing struct {
	ids   []string
	aeads map[string]cipher.AEAD
}

// ParseKeys reads "id:base64key,…": each key is [KeySize] bytes in standard
// base64, each id 1 to [MaxKeyIDLength] of A-Z a-z 0-9 . _ -. White space around
// an entry is ignored.
//
// Errors name an entry by its position only, because a mistake such as a swapped
// id and key would otherwise print the key.
func ParseKeys(s string) (*KeyRing, error) {
	if strings.TrimSpace(s) == "" {
		return nil, errors.New("no key given: write id:base64key, with 32 random bytes as the key")
	}
	ring := &KeyRing{aeads: make(map[string]cipher.AEAD)}
	var keys [][]byte
	for i, entry := range strings.Split(s, ",") {
		id, key, err := parseEntry(strings.TrimSpace(entry))
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i+1, err)
		}
		for j, other := range keys {
			if ring.ids[j] == id {
				return nil, fmt.Errorf("entries %d and %d have the same id: give each key an id of its own", j+1, i+1)
			}
			if subtle.ConstantTimeCompare(other, key) == 1 {
				return nil, fmt.Errorf("entries %d and %d are the same key: a rotation needs a new key", j+1, i+1)
			}
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("entry %d: preparing AES: %w", i+1, err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("entry %d: preparing GCM: %w", i+1, err)
		}
		keys = append(keys, key)
		ring.ids = append(ring.ids, id)
		ring.aeads[id] = aead
	}
	return ring, nil
}

func parseEntry(entry string) (id string, key []byte, err error) {
	id, encoded, found := strings.Cut(entry, ":")
	switch {
	case !found:
		return "", nil, errors.New("no colon: write id:base64key")
	case id == "":
		return "", nil, errors.New("the id is empty: write id:base64key")
	case !validKeyID(id):
		return "", nil, fmt.Errorf("the id must be 1 to %d of A-Z a-z 0-9 . _ -", MaxKeyIDLength)
	}
	key, err = base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return "", nil, errors.New("the key is not standard base64")
	}
	if len(key) != KeySize {
		return "", nil, fmt.Errorf("the key has %d bytes, AES-256 needs %d", len(key), KeySize)
	}
	if subtle.ConstantTimeCompare(key, make([]byte, KeySize)) == 1 {
		return "", nil, errors.New("the key is all zeros: use random bytes")
	}
	return id, key, nil
}

var keyIDPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,32}$`) // MaxKeyIDLength

func validKeyID(id string) bool { return keyIDPattern.MatchString(id) }

// GenerateKey returns a new entry "id:base64key" for [ParseKeys], with a random
// key of [KeySize] bytes and a random id of the form "k-1a2b3c4d".
//
// GCM with random nonces is sound for 2³² payloads a key (NIST SP 800-38D,
// section 8.3): at 100 payloads a second that is more than a year. Rotate before.
func GenerateKey() string {
	var key [KeySize]byte
	var id [4]byte
	// Read never returns an error.
	_, _ = rand.Read(key[:])
	_, _ = rand.Read(id[:])
	return "k-" + hex.EncodeToString(id[:]) + ":" + base64.StdEncoding.EncodeToString(key[:])
}

// IDs returns the ids of all keys, the encrypting one first.
func (r *KeyRing) IDs() []string {
	if r == nil {
		return nil
	}
	return slices.Clone(r.ids)
}

// UnmarshalText is [ParseKeys] for configuration loaders.
func (r *KeyRing) UnmarshalText(text []byte) error {
	ring, err := ParseKeys(string(text))
	if err != nil {
		return err
	}
	*r = *ring
	return nil
}

// String lists the key ids and no key.
func (r *KeyRing) String() string {
	if r == nil || len(r.ids) == 0 {
		return "[no keys]"
	}
	return "[keys " + strings.Join(r.ids, ", ") + "]"
}

// Format makes every verb of package fmt print [KeyRing.String]: %+v would else print the
// expanded key.
func (r *KeyRing) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// LogValue makes package slog log [KeyRing.String].
func (r *KeyRing) LogValue() slog.Value { return slog.StringValue(r.String()) }

// MarshalText makes encoders print [KeyRing.String].
func (r *KeyRing) MarshalText() ([]byte, error) { return []byte(r.String()), nil }
