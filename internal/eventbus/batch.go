package eventbus

import "healthlake-cdc/internal/cdc"

// codeEntryTooLarge is the code of our own rejection of an event that is larger than
// CDC_MAX_EVENT_BYTES. Only a limit below the size of a reference brings it about.
const codeEntryTooLarge = "EntryTooLarge"

// batches cuts the events named by indices, in their order, into calls of at
// most maxEntries entries and maxBytes bytes. Events that are larger than
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
		if len(call) == maxEntries || bytes+size > maxBytes {
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
