package activities

import "healthlake-cdc/internal/cdc"

// beginSkipping takes what a window was started to skip: what it finds, and what
// it was given as wanted, goes into the ledger unpublished.
func (r *rebuild) beginSkipping(in cdc.CaptureWindowInput) {
	if !in.Skip {
		return
	}
	r.skipping = true
	for _, version := range in.Wanted {
		if in.Window.Contains(version.Time()) {
			r.wanted = append(r.wanted, version)
		}
	}
	if r.before == "" {
		r.skipWanted()
	}
}

// skipWanted takes the wanted versions: what the run before had published of them
// is known by now.
func (r *rebuild) skipWanted() {
	for _, version := range r.wanted {
		r.skip(version)
	}
	r.wanted = nil
}

// found takes what a pass has found.
func (r *rebuild) found(answer cdc.Answer) {
	if answer.State == cdc.AnswerDone {
		r.ledger.Type(answer.Type)
	}
	if !r.skipping {
		return // what is found is published, and known by that
	}
	for _, change := range answer.Changes {
		r.skip(change.Version)
	}
}

func (r *rebuild) skip(version cdc.Version) {
	r.salted()
	if !r.ledger.Has(version) {
		r.ledger.Type(version.Type).Skipped.Add(r.ledger.Salt.Hash(version))
	}
}
