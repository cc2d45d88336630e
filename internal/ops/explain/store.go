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

// finder finds a version and how it stands in its store.
type finder struct {
	store Store
	Request
	// version and state are what it finds. The version has no LastUpdated when the store
	// does not say it.
	version cdc.Version
	state   Stored
	// current is the newest version, when the resource is present.
	current cdc.Version
	now     presence
}

// find finds the version that is named, else the current one, else the last one before the
// delete.
func (f *finder) find(ctx context.Context) error {
	resource, err := f.store.Read(ctx, f.Datastore, f.Type, f.ID)
	if f.now, err = presenceOf(err); err != nil {
		return err
	}
	f.current = resource.Version
	f.version = cdc.Version{Type: f.Type, ID: f.ID, VersionID: f.Version}
	f.state.CurrentVersion = f.current.VersionID
	switch {
	case f.now == present && (f.Version == "" || f.Version == f.current.VersionID):
		f.version, f.state.Standing = f.current, Current
	case f.Version == "" && f.now == deleted:
		f.version, f.state, err = f.lastBeforeDelete(ctx)
	case f.Version == "" || f.now == notServed:
		f.state.Standing = Absent
	default:
		err = f.findOlder(ctx)
	}
	return err
}

// findOlder finds a named version that is not the current one.
func (f *finder) findOlder(ctx context.Context) error {
	version, p, err := f.readVersion(ctx, f.Version)
	switch {
	case err != nil:
		return err
	case p == present:
		f.version, f.state.Standing = version, Replaced
		return f.findReplacement(ctx)
	case p == deleted:
		f.state.Standing = Tombstone
	case f.now == absent:
		f.state.Standing = Absent
	case f.now == present && after(f.Version, f.current.VersionID):
		f.state.Standing = NotWritten
	case f.now == present:
		f.state = Stored{
			Standing: NotStored, CurrentVersion: f.current.VersionID,
			ReplacedBy: f.current.VersionID, ReplacedAt: f.current.Time(), AtLatest: true,
		}
	default: // deleted, and history does not have the version
		_, last, err := f.lastBeforeDelete(ctx)
		if err != nil {
			return err
		}
		f.state.Standing, f.state.ByDelete = NotStored, true
		if newest := last.CurrentVersion; newest != "" && after(f.Version, newest) {
			f.state = Stored{Standing: NotWritten, CurrentVersion: newest}
		}
	}
	return nil
}

func (f *finder) readVersion(ctx context.Context, version string) (cdc.Version, presence, error) {
	resource, err := f.store.VRead(ctx, f.Datastore, f.Type, f.ID, version)
	p, err := presenceOf(err)
	return resource.Version, p, err
}

// after reports whether version a was written after b: versions are decimal strings
// from "1". Nothing is known of other forms.
func after(a, b string) bool {
	m, errM := strconv.ParseUint(a, 10, 63)
	n, errN := strconv.ParseUint(b, 10, 63)
	return errM == nil && errN == nil && m > n
}

// findReplacement finds what replaced the version, which is not the current one.
func (f *finder) findReplacement(ctx context.Context) error {
	p := notServed
	var next cdc.Version
	n, err := strconv.ParseUint(f.version.VersionID, 10, 63)
	if err == nil {
		if next, p, err = f.readVersion(ctx, strconv.FormatUint(n+1, 10)); err != nil {
			return err
		}
	}
	switch {
	case p == present:
		f.state.ReplacedBy, f.state.ReplacedAt = next.VersionID, next.Time()
	case p == deleted:
		f.state.ReplacedBy, f.state.ByDelete = strconv.FormatUint(n+1, 10), true
	case f.now == deleted:
		f.state.ByDelete, f.state.AtLatest = true, true
	default: // history lags, or has gaps
		f.state.ReplacedBy, f.state.ReplacedAt, f.state.AtLatest = f.current.VersionID, f.current.Time(), true
	}
	return nil
}

// maxHistoryPages bounds the search for the last version of a deleted resource, which is
// mostly the second entry of the first page.
const maxHistoryPages = 10

// lastBeforeDelete finds the last version of a deleted resource: the newest entry of its
// history that is no tombstone. Where the store keeps no history the version stays empty.
func (f *finder) lastBeforeDelete(ctx context.Context) (last cdc.Version, state Stored, err error) {
	last, state = cdc.Version{Type: f.Type, ID: f.ID}, Stored{Standing: Gone}
	newer, next := "", ""
	for range maxHistoryPages {
		page, err := f.store.History(ctx, f.Datastore, f.Type, f.ID, next)
		if p, err := presenceOf(err); err != nil || p != present {
			return last, state, err
		}
		for _, entry := range page.Resources {
			if state.CurrentVersion == "" {
				state.CurrentVersion = entry.VersionID
			}
			if !entry.Deleted {
				state.ByDelete, state.ReplacedBy = true, newer
				return entry.Version, state, nil
			}
			newer = entry.VersionID
		}
		if next = page.Next; next == "" {
			break
		}
	}
	return last, state, nil
}
