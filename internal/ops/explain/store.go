package explain

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"healthlake-cdc/internal/cdc"
)

// Store is what explaining reads of a datastore. Its errors are *cdc.Error.
type Store interface {
	Read(ctx context.Context, datastore, resourceType, id string) (cdc.Resource, error)
	VRead(ctx context.Context, datastore, resourceType, id, version string) (cdc.Resource, error)
	History(ctx context.Context, datastore, resourceType, id, next string) (cdc.Page, error)
}

// found is a version with its state. It has no LastUpdated when the store does not say it.
type found struct {
	version cdc.Version
	state   Stored
}

type presence int

const (
	present presence = iota
	deleted
	absent
	notServed // the store does not serve such reads: it keeps no history, or has no such type
)

// presenceOf is what a read says of a resource or version; other errors are errors.
func presenceOf(err error) (presence, error) {
	var e *cdc.Error
	switch {
	case err == nil:
		return present, nil
	case !errors.As(err, &e):
		return notServed, err
	case e.Class == cdc.ClassNotFound && e.Status == http.StatusGone:
		return deleted, nil
	case e.Class == cdc.ClassNotFound:
		return absent, nil
	case e.Class == cdc.ClassInvalidRequest:
		return notServed, nil
	default:
		return notServed, err
	}
}

type reader struct {
	store Store
	Request
}

// version reads one version.
func (r reader) version(ctx context.Context, version string) (cdc.Version, presence, error) {
	resource, err := r.store.VRead(ctx, r.Datastore, r.Type, r.ID, version)
	p, err := presenceOf(err)
	return resource.Version, p, err
}

// find reads the version that is named, else the current one, else the last one before the
// delete.
func (r reader) find(ctx context.Context) (found, error) {
	f := found{version: cdc.Version{Type: r.Type, ID: r.ID, VersionID: r.Version}}
	resource, err := r.store.Read(ctx, r.Datastore, r.Type, r.ID)
	now, err := presenceOf(err)
	if err != nil {
		return f, err
	}
	current := resource.Version
	f.state.CurrentVersion = current.VersionID
	switch {
	case now == present && (r.Version == "" || r.Version == current.VersionID):
		f.version, f.state.Standing = current, Current
		return f, nil
	case r.Version == "" && now == deleted:
		return r.lastBeforeDelete(ctx)
	case r.Version == "" || now == notServed:
		f.state.Standing = Absent
		return f, nil
	}
	return r.older(ctx, f, current, now)
}

// older finds a named version that is not the current one.
func (r reader) older(ctx context.Context, f found, current cdc.Version, now presence) (found, error) {
	version, p, err := r.version(ctx, r.Version)
	if err != nil {
		return f, err
	}
	switch {
	case p == present:
		f.version, f.state.Standing = version, Replaced
		return r.replaced(ctx, f, current, now)
	case p == deleted:
		f.state.Standing = Tombstone
	case now == absent:
		f.state.Standing = Absent
	case now == present && after(r.Version, current.VersionID):
		f.state.Standing = NotWritten
	case now == present:
		f.state = Stored{
			Standing: NotStored, CurrentVersion: current.VersionID,
			ReplacedBy: current.VersionID, ReplacedAt: current.Time(), AtLatest: true,
		}
	default: // deleted, and history does not have the version
		last, err := r.lastBeforeDelete(ctx)
		if err != nil {
			return f, err
		}
		f.state.Standing, f.state.ByDelete = NotStored, true
		if newest := last.state.CurrentVersion; newest != "" && after(r.Version, newest) {
			f.state = Stored{Standing: NotWritten, CurrentVersion: newest}
		}
	}
	return f, nil
}

// after reports whether version a was written after b: versions are decimal strings
// from "1". Nothing is known of other forms.
func after(a, b string) bool {
	m, errM := strconv.ParseUint(a, 10, 63)
	n, errN := strconv.ParseUint(b, 10, 63)
	return errM == nil && errN == nil && m > n
}

// replaced finds what replaced a version that is not the current one.
func (r reader) replaced(ctx context.Context, f found, current cdc.Version, now presence) (found, error) {
	p := notServed
	var next cdc.Version
	n, err := strconv.ParseUint(f.version.VersionID, 10, 63)
	if err == nil {
		if next, p, err = r.version(ctx, strconv.FormatUint(n+1, 10)); err != nil {
			return f, err
		}
	}
	switch {
	case p == present:
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

// maxHistoryPages bounds the search for the last version of a deleted resource, which is
// mostly the second entry of the first page.
const maxHistoryPages = 10

// lastBeforeDelete finds the last version of a deleted resource: the newest entry of its
// history that is no tombstone. Where the store keeps no history the version stays empty.
func (r reader) lastBeforeDelete(ctx context.Context) (found, error) {
	f := found{version: cdc.Version{Type: r.Type, ID: r.ID}, state: Stored{Standing: Gone}}
	newer, next := "", ""
	for range maxHistoryPages {
		page, err := r.store.History(ctx, r.Datastore, r.Type, r.ID, next)
		if p, err := presenceOf(err); err != nil || p != present {
			return f, err
		}
		for _, entry := range page.Resources {
			if f.state.CurrentVersion == "" {
				f.state.CurrentVersion = entry.VersionID
			}
			if !entry.Deleted {
				f.version = entry.Version
				f.state.ByDelete, f.state.ReplacedBy = true, newer
				return f, nil
			}
			newer = entry.VersionID
		}
		if next = page.Next; next == "" {
			break
		}
	}
	return f, nil
}
