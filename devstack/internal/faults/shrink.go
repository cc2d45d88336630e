package faults

// shrink looks for a part of a plan that still fails, by delta debugging: it tries each
// part alone and each part left out, in ever smaller parts, with so many runs at most.
// A run that fails by chance only makes the result larger than it need be.
func shrink(plan []Fault, runs int, fails func([]Fault) bool) []Fault {
	for parts := 2; len(plan) > 1 && parts <= len(plan); {
		smaller, left := smallerPart(plan, parts, &runs, fails)
		switch {
		case smaller != nil:
			plan = smaller
			if parts = 2; left > 1 { // what is left of several parts is cut as before
				parts = left
			}
		case parts == len(plan):
			return plan
		default:
			parts = min(2*parts, len(plan))
		}
		if runs <= 0 {
			return plan
		}
	}
	return plan
}

// smallerPart tries the parts of a plan. It returns one that fails and in how many parts
// to cut it, or nil.
func smallerPart(plan []Fault, parts int, runs *int, fails func([]Fault) bool) ([]Fault, int) {
	try := func(part []Fault) bool {
		*runs--
		return fails(part)
	}
	for i := range parts {
		if part := plan[i*len(plan)/parts : (i+1)*len(plan)/parts]; *runs > 0 && try(part) {
			return part, 0
		}
	}
	for i := range parts {
		if parts == 2 || *runs <= 0 {
			break // of two parts, each is what is left without the other
		}
		var rest []Fault
		rest = append(append(rest, plan[:i*len(plan)/parts]...), plan[(i+1)*len(plan)/parts:]...)
		if try(rest) {
			return rest, parts - 1
		}
	}
	return nil, 0
}
