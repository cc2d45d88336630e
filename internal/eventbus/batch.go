package eventbus

import "healthlake-cdc/internal/cdc"

// CodeEntryTooLarge is the code of our own refusal of an event that is larger
// than CDC_MAX_EVENT_BYTES. Hydrate makes a reference of what does not fit, so
// only a limit below the size of a reference brings it about.
const CodeEntryTooLarge = "EntryTooLarge"

// batches cuts the events named by indices, in their order, into calls of at
// most MaxEntries entries and maxBytes bytes. Events that are larger than
// maxBytes alone are in tooLarge.
func batches(events []cdc.Event, indices []int, maxBytes int) (calls [][]int, tooLarge []int) {
	var call []int
	bytes := 0
	for _, i := range indices {
		size := events[i].Size()
		if size > maxBytes {
			tooLarge = append(tooLarge, i)
			continue
		}
		if len(call) == MaxEntries || bytes+size > maxBytes {
			calls = append(calls, call)
			call, bytes = nil, 0
		}
		call = append(call, i)
		bytes += size
	}
	if len(call) > 0 {
		calls = append(calls, call)
	}
	return calls, tooLarge
}
