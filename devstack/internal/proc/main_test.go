package proc_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"healthlake-cdc/devstack/internal/proc"
)

// childEnv makes the test binary act as a child process; its value is the role.
const childEnv = "PROC_TEST_CHILD"

func TestMain(m *testing.M) {
	switch role := os.Getenv(childEnv); role {
	case "":
		os.Exit(m.Run())
	case "serve": // runs until SIGTERM, then ends with code 3
		term := make(chan os.Signal, 1)
		signal.Notify(term, syscall.SIGTERM)
		fmt.Println("ready", os.Getpid())
		fmt.Fprintln(os.Stderr, "a complaint")
		<-term
		fmt.Print("last words")
		os.Exit(3)
	case "stubborn": // never ends by itself
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready", os.Getpid())
		select {}
	case "reject": // a configuration error
		fmt.Fprintln(os.Stderr, "CDC_QUEUE_URL is not set")
		os.Exit(2)
	case "env":
		fmt.Println(strings.Join(os.Environ(), "|"))
	case "parent": // starts a grandchild and waits to be killed
		child, err := proc.Start(context.Background(), spec("stubborn"))
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("grandchild", child.Pid())
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
		select {}
	}
}
