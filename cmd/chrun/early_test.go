package main

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// One goroutine of chrun runs at a time, from before the packages are initialised
// that allocate memory.
func TestEarly(t *testing.T) {
	if n := runtime.GOMAXPROCS(0); n != 1 {
		t.Errorf("GOMAXPROCS is %d, want 1", n)
	}
	cmd := exec.Command(os.Args[0], "--version")
	cmd.Env = append(os.Environ(), asChrun+"=1", "GODEBUG=inittrace=1")
	var trace strings.Builder
	cmd.Stderr = &trace
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	var order []string
	for line := range strings.Lines(trace.String()) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "init" {
			order = append(order, f[1])
		}
	}
	at := slices.Index(order, "chrun/cmd/chrun/internal/early")
	if before := slices.Index(order, "os"); at < 0 || before < 0 || at > before {
		t.Errorf("early is not initialised before os: %s", order)
	}
}
