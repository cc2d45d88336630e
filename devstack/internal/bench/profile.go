package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	smithytime "github.com/aws/smithy-go/time"
)

// profile writes a CPU profile of the stage's worker, of so long from its first answer on,
// and then a heap profile into the results' folder, if there is one. The wait that it
// returns is over when they are written.
func (r *runner) profile(ctx context.Context, s *stage, name string, length time.Duration) (wait func() error) {
	if r.Dir == "" {
		return func() error { return nil }
	}
	done := make(chan error, 1)
	go func() {
		base := "http://" + s.profiles + "/debug/pprof/"
		err := fetch(ctx, fmt.Sprintf("%sprofile?seconds=%d", base, int(length.Seconds())), filepath.Join(r.Dir, name+"-cpu.pprof"))
		if err == nil {
			err = fetch(ctx, base+"heap", filepath.Join(r.Dir, name+"-heap.pprof"))
		}
		done <- err
	}()
	return func() error { return <-done }
}

// startPatience is how long a worker may take to be built and to serve its profiles.
const startPatience = 3 * time.Minute

func fetch(ctx context.Context, url, file string) error {
	var response *http.Response
	for began := time.Now(); ; {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if response, err = profileClient.Do(request); err == nil {
			break
		} else if time.Since(began) > startPatience {
			return fmt.Errorf("profiling the worker: %w", err)
		}
		if err := smithytime.SleepWithContext(ctx, 100*time.Millisecond); err != nil {
			return err
		}
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

// profileClient waits as long as a profile takes.
var profileClient = &http.Client{}
