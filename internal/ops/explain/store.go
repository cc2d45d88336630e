package explain

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"healthlake-cdc/internal/cdc"
)

// Store is what is asked of a datastore. Its errors are *cdc.Error.
type Store interface {
	Read(ctx context.Context, datastore, resourceType, id string) (cdc.Resource, error)
	VRead(ctx context.Context, datastore, resourceType, id, version string) (cdc.Resource, error)
}

// found is what the store tells of the version.
type found struct {
	// version has no LastUpdated when the store does not tell it.
	version cdc.Version
	state   State
}

// presence is the answer to a read.
type presence int

const (
	there presence = iota
	deleted
	absent
	refused // the store does not serve such reads: no history, or no such type
)

func presenceOf(err error) (presence, error) {
	var e *cdc.Error
	switch {
	case err == nil:
		return there, nil
	case !errors.As(err, &e):
		return refused, err
	case e.Class == cdc.ClassNotFound && e.Status == http.StatusGone:
		return deleted, nil
	case e.Class == cdc.ClassNotFound:
		return absent, nil
	case e.Class == cdc.ClassRejected:
		return refused, nil
	default:
		return refused, err
	}
}

// reader reads one resource.
type reader struct {
	store Store
	ask   Ask
}

func (r reader) current(ctx context.Context) (cdc.Version, presence, error) {
	resource, err := r.store.Read(ctx, r.ask.Datastore, r.ask.Type, r.ask.ID)
	p, err := presenceOf(err)
	return resource.Version, p, err
}

func (r reader) version(ctx context.Context, version string) (cdc.Version, presence, error) {
	resource, err := r.store.VRead(ctx, r.ask.Datastore, r.ask.Type, r.ask.ID, version)
	p, err := presenceOf(err)
	return resource.Version, p, err
}

// look asks the store for the version, and how it stands.
func (r reader) look(ctx context.Context) (found, error) {
	f := found{version: cdc.Version{Type: r.ask.Type, ID: r.ask.ID, VersionID: r.ask.Version}}
	current, now, err := r.current(ctx)
	if err != nil {
		return f, err
	}
	f.state.CurrentVersion = current.VersionID
	switch {
	case now == there && (r.ask.Version == "" || r.ask.Version == current.VersionID):
		f.version, f.state.Standing = current, Current
		return f, nil
	case r.ask.Version == "" && now == deleted:
		return r.lastBeforeDelete(ctx, f)
	case r.ask.Version == "" || now == refused:
		f.state.Standing = Absent
		return f, nil
	}
	return r.older(ctx, f, current, now)
}

// older looks for a named version that is not the current one.
func (r reader) older(ctx context.Context, f found, current cdc.Version, now presence) (found, error) {
	version, p, err := r.version(ctx, r.ask.Version)
	if err != nil {
		return f, err
	}
	switch {
	case p == there:
		f.version, f.state.Standing = version, Replaced
		return r.replaced(ctx, f, current, now)
	case p == deleted:
		f.state.Standing = Tombstone
	case now == absent:
		f.state.Standing = Absent
	case now == there && after(r.ask.Version, current.VersionID):
		f.state.Standing = NotWritten
	case now == there:
		f.state.Standing, f.state.ReplacedBy, f.state.ReplacedAt, f.state.AtLatest =
			Untold, current.VersionID, current.Time(), true
	default: // deleted, and history does not have the version
		last, err := r.lastBeforeDelete(ctx, f)
		if err != nil {
			return f, err
		}
		f.state.Standing, f.state.ByDelete = Untold, true
		if newest := last.state.CurrentVersion; newest != "" && after(r.ask.Version, newest) {
			f.state = State{Standing: NotWritten, CurrentVersion: newest}
		}
	}
	return f, nil
}

// after tells whether version a was written after b: versions are decimal
// strings from "1". Of other forms nothing is known.
func after(a, b string) bool {
	m, errM := strconv.ParseUint(a, 10, 63)
	n, errN := strconv.ParseUint(b, 10, 63)
	return errM == nil && errN == nil && m > n
}

// replaced finds what followed the version.
func (r reader) replaced(ctx context.Context, f found, current cdc.Version, now presence) (found, error) {
	p := refused
	var next cdc.Version
	n, err := strconv.ParseUint(f.version.VersionID, 10, 63)
	if err == nil {
		if next, p, err = r.version(ctx, strconv.FormatUint(n+1, 10)); err != nil {
			return f, err
		}
	}
	switch {
	case p == there:
		f.state.ReplacedBy, f.state.ReplacedAt = next.VersionID, next.Time()
	case p == deleted:
		f.state.ReplacedBy, f.state.ByDelete = strconv.FormatUint(n+1, 10), true
	case now == deleted:
		f.state.ByDelete, f.state.AtLatest = true, true
	default: // history lags, or has gaps
		f.state.ReplacedBy, f.state.ReplacedAt, f.state.AtLatest = current.VersionID, current.Time(), true
	}
	return f, nil
}

// mostVersions bounds the search for the last version of a deleted resource.
const mostVersions = 1 << 20

// lastBeforeDelete finds the last version that had a body, and the delete after
// it, by reads of versions: first by doubling, then by halving. Where history
// has none the version stays empty.
func (r reader) lastBeforeDelete(ctx context.Context, f found) (found, error) {
	f.version.VersionID, f.state.Standing = "", Gone
	exists := func(n int) (cdc.Version, presence, error) { return r.version(ctx, strconv.Itoa(n)) }
	low, high := 0, 1 // low exists, high does not
	for ; high <= mostVersions; low, high = high, 2*high {
		_, p, err := exists(high)
		if err != nil {
			return f, err
		}
		if p == absent || p == refused {
			break
		}
	}
	for high-low > 1 {
		middle := (low + high) / 2
		_, p, err := exists(middle)
		if err != nil {
			return f, err
		}
		if p == absent || p == refused {
			high = middle
		} else {
			low = middle
		}
	}
	if low == 0 {
		return f, nil
	}
	f.state.CurrentVersion = strconv.Itoa(low)
	for n := low; n > 0 && n >= low-1; n-- {
		version, p, err := exists(n)
		if err != nil {
			return f, err
		}
		if p == there {
			f.version = version
			f.state.ByDelete, f.state.ReplacedBy = true, strconv.Itoa(n+1)
			break
		}
	}
	return f, nil
}
