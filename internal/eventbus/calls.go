package eventbus

import "healthlake-cdc/internal/cdc"

const (
	// codeEntryTooLarge is the code of our own rejection of an event that is larger than
	// CDC_MAX_EVENT_BYTES. Only a limit below the size of a reference brings it about.
	codeEntryTooLarge = "EntryTooLarge"
	// codeNotBuilt is the code of our own rejection of what no event can be built of.
	codeNotBuilt = "NoEventCanBeBuilt"
)

// calls cuts a batch into calls of at most maxEntries entries and maxBytes bytes. It
// builds each event when its call begins, so that few are in memory at once.
type calls struct {
	batch    cdc.Batch
	maxBytes int
	at       int   // the next event to build
	over     *item // did not fit into the call before
}

// next is the next call, without what is accepted already. What cannot be sent at all is
// rejected.
func (c *calls) next(accepted []string, reject func(i int, code string)) (call []item) {
	bytes := 0
	for len(call) < maxEntries {
		e := c.over
		c.over = nil
		if e == nil {
			for c.at < len(accepted) && accepted[c.at] != "" {
				c.at++
			}
			if c.at == len(accepted) {
				break
			}
			i := c.at
			c.at++
			event, err := c.batch.Event(i)
			if err != nil {
				reject(i, codeNotBuilt)
				continue
			}
			e = &item{i, event}
		}
		size := e.event.Size()
		switch {
		case size > c.maxBytes:
			reject(e.i, codeEntryTooLarge)
			continue
		case bytes+size > c.maxBytes:
			c.over = e
			return call
		}
		call, bytes = append(call, *e), bytes+size
	}
	return call
}
