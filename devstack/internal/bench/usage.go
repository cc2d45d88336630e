package bench

import (
	"fmt"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

// meter measures what a process uses from a moment on.
type meter struct {
	process *process.Process
	before  time.Duration
}

// measure begins to measure a process by its id.
func measure(pid int) (*meter, error) {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return nil, fmt.Errorf("measuring a process: %w", err)
	}
	m := &meter{process: p}
	m.before, err = m.total()
	return m, err
}

func (m *meter) total() (time.Duration, error) {
	t, err := m.process.Times()
	if err != nil {
		return 0, fmt.Errorf("reading a process's times: %w", err)
	}
	return time.Duration((t.User + t.System) * float64(time.Second)), nil
}

// cpu is the processor time since measure.
func (m *meter) cpu() (time.Duration, error) {
	now, err := m.total()
	return now - m.before, err
}

// memory is the resident memory now, in bytes.
func (m *meter) memory() uint64 {
	info, err := m.process.MemoryInfo()
	if err != nil {
		return 0 // it has ended
	}
	return info.RSS
}

// peak follows the resident memory of a process until stop is called, which returns
// the most that it had, in bytes.
func (m *meter) peak() (stop func() uint64) {
	done, most := make(chan struct{}), make(chan uint64)
	go func() {
		ticker := time.NewTicker(50 * time.Millisecond)
		defer ticker.Stop()
		var peak uint64
		for {
			select {
			case <-ticker.C:
				peak = max(peak, m.memory())
			case <-done:
				most <- max(peak, m.memory())
				return
			}
		}
	}()
	return func() uint64 {
		close(done)
		return <-most
	}
}
