package cdc

// MaxIdlePages is after how many pages in a row without anything new a list ends.
const MaxIdlePages = 20

// PageTrail is what the pages of one list were so far: a store may link its pages in
// a circle, or link on without end.
type PageTrail struct {
	// Seen are salted hashes of the links that were followed and of the pages' Content.
	Seen HashSet `json:"seen,omitzero"`
	// Idle is how many pages in a row showed nothing new.
	Idle int `json:"idle,omitempty"`
}

// Add adds a page, by its Content and its link to the one that follows. It reports
// whether the list repeats: the link was followed before, or MaxIdlePages were idle.
func (t *PageTrail) Add(salt Salt, content Hash, next string) (repeats bool) {
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

// Content stands for everything that a page shows; 0 when it shows nothing.
func (p Page) Content(salt Salt) Hash {
	parts := []string{"content"}
	for _, resource := range p.Resources {
		parts = append(parts, resource.ID, resource.VersionID)
	}
	for _, entry := range p.Unreadable {
		parts = append(parts, string(entry.Digest[:]))
	}
	if len(parts) == 1 {
		return 0
	}
	if p.IDsOnly {
		parts = append(parts, "ids") // another list, which shows the same again
	}
	return max(1, salt.hashOf(parts...))
}
