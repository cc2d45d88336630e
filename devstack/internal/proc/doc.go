// Package proc runs the development stack's child processes: the Temporal server and the real
// worker and starter binaries. A child has its own process group and a prefix in a shared log, and
// can be stopped, killed and started again with the same Spec. On Linux the kernel kills it when its
// parent ends; elsewhere it survives a parent that is killed, unless it ends with its stdin
// (Spec.EndsWithParent).
package proc
