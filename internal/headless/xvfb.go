package headless

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Xvfb starts an X server with args for one test and returns the number of its
// display and its process, which is stopped when the test ends.
func Xvfb(t testing.TB, args ...string) (number int, process *os.Process) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command("Xvfb", append(args, "-displayfd", "3", "-nolisten", "tcp", "-screen", "0", "64x64x24")...)
	cmd.ExtraFiles = []*os.File{w}
	err = cmd.Start()
	w.Close()
	Must(t, "desktop", err)
	t.Cleanup(func() { cmd.Process.Signal(os.Interrupt); cmd.Wait() })
	r.SetReadDeadline(time.Now().Add(20 * time.Second))
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal("Xvfb did not start:", err)
	}
	if number, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		t.Fatal(err)
	}
	return number, cmd.Process
}
