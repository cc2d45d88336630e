// Package proc runs the development stack's child processes: the Temporal server and the real
// worker and starter binaries. A child has its own process group, is told apart in one log by a
// prefix, can be stopped, killed and started again as it was. On Linux the kernel kills it when its
// parent is gone; elsewhere a parent that is killed itself leaves it behind, unless
// it ends with its stdin (Spec.EndsWithParent).
package proc
