package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// profile writes a CPU profile of the stage's worker into the results' folder, if there is
// one. The wait that it returns is over when the profile is written.
func (r *runner) profile(ctx context.Context, s *stage, name string, length time.Duration) (wait func() error) {
	if r.Dir == "" {
		return func() error { return nil }
	}
	done := make(chan error, 1)
	go func() { done <- fetchProfile(ctx, s.profiles, filepath.Join(r.Dir, name+".pprof"), length) }()
	return func() error { return <-done }
}

func fetchProfile(ctx context.Context, address, file string, length time.Duration) error {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", address, int(length.Seconds()))
	var response *http.Response
	for tries := 0; ; tries++ {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if response, err = http.DefaultClient.Do(request); err == nil {
			break
		} else if tries == 600 {
			return fmt.Errorf("profiling the worker: %w", err)
		}
		time.Sleep(100 * time.Millisecond) // it starts
	}
	defer func() { _ = response.Body.Close() }() // reading it shows what Close could
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return fmt.Errorf("making the results' folder: %w", err)
	}
	out, err := os.Create(file) //nolint:gosec // the operator's own folder
	if err != nil {
		return fmt.Errorf("writing a profile: %w", err)
	}
	if _, err := io.Copy(out, response.Body); err != nil {
		_ = out.Close()
		return fmt.Errorf("writing a profile: %w", err)
	}
	return out.Close()
}
