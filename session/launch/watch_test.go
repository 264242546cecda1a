package launch

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// observation has the mounts of the namespace in which chrun ran.
type observation struct {
	Before, During, After string
	Gone                  bool // the program died with chrun
}

// watchMounts carries out s in a child, kills that when it is ready, and prints
// an observation. A private mount namespace keeps other mounts out of it.
func watchMounts(s *setup) {
	mounts := func() string {
		data, err := os.ReadFile("/proc/self/mountinfo")
		must(err)
		return string(data)
	}
	seen := observation{Before: mounts()}
	text, err := json.Marshal(s)
	must(err)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), setupVar+"="+string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(err)
	must(cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	must(err)
	seen.During = mounts()
	must(cmd.Process.Kill())
	cmd.Wait()
	pid := strings.TrimSpace(strings.TrimPrefix(line, "ready "))
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end) && !seen.Gone; time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		_, state, _ := strings.Cut(string(stat), ") ")
		seen.Gone = os.IsNotExist(err) || strings.HasPrefix(state, "Z") || strings.HasPrefix(state, "X") || err == unix.ESRCH
	}
	seen.After = mounts()
	json.NewEncoder(os.Stdout).Encode(seen)
	os.Exit(0)
}

// When chrun is killed with SIGKILL, the program dies, too. At no time has chrun
// mounted anything on the host or changed the tree.
func TestKilled(t *testing.T) {
	eachCaller(t, func(t *testing.T, c *caller) {
		tree := newTree(t)
		sum := tree.sum()
		s := setup{Caller: c, Watch: true, Request: tree.request("/bin/probe", "sleep")}
		if os.Getuid() == 0 {
			s.Mounts = [][]string{{"tmpfs", "tmpfs", tree.outside("empty"), ""}} // a namespace of its own
		}
		got := perform(t, s)
		var seen observation
		if err := json.Unmarshal([]byte(got.out), &seen); err != nil {
			t.Fatalf("%v: %s %s", err, got.out, got.err)
		}
		if !seen.Gone {
			t.Error("the program outlives a killed chrun")
		}
		if seen.During != seen.Before || seen.After != seen.Before {
			t.Errorf("mounts of the host before:\n%s\nduring:\n%s\nafter:\n%s", seen.Before, seen.During, seen.After)
		}
		if now := tree.sum(); now != sum {
			t.Errorf("the tree has changed: %s", now)
		}
	})
}

// A process that outlives the program keeps its root and its mounts.
func TestDetachedProcess(t *testing.T) {
	eachCaller(t, func(t *testing.T, c *caller) {
		tree := newTree(t)
		got := perform(t, setup{Caller: c, Request: tree.request("/bin/probe", "detach")})
		pid := strings.TrimSpace(got.out)
		if got.status != 0 || pid == "" {
			t.Fatalf("status %d, %q, %s", got.status, got.out, got.err)
		}
		root, err := os.Readlink(filepath.Join("/proc", pid, "cwd"))
		if err != nil || root != "/" {
			t.Errorf("its working directory is %q, %v", root, err)
		}
		if _, err := os.Stat(filepath.Join("/proc", pid, "root/bin/probe")); err != nil {
			t.Error(err)
		}
		killProcess(t, pid)
	})
}
