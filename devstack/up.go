package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"healthlake-cdc/devstack/internal/simulator"
	"healthlake-cdc/devstack/internal/stack"
)

// up starts the parts and keeps them until ctx ends. What goes to standard
// output can be pasted into a shell, or read by one.
func up(ctx context.Context, o stack.Options, lag, delay time.Duration) (err error) {
	o.Progress = os.Stderr
	o.Simulator.SearchLag = simulator.FixedLag(lag)
	o.Simulator.Trail.Delay = simulator.Between(time.Second, delay)
	s, err := stack.Start(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for _, variable := range s.Env() {
		fmt.Println("export " + variable)
	}
	if s.Temporal != nil && s.Temporal.UIURL() != "" {
		fmt.Println("# Temporal UI: " + s.Temporal.UIURL())
	}
	fmt.Println("# codec endpoint: " + s.CodecURL)
	fmt.Println("# dead-letter queue: " + s.Outputs["DlqUrl"])
	fmt.Fprintln(os.Stderr, "running; paste these lines into a shell and start `go run ./worker` there. Ctrl-C stops.")
	<-ctx.Done()
	return nil
}
