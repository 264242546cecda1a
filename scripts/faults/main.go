// Faults lets every system call of a launch fail, one in each launch, under each
// identity, and of an export. After each it checks that the program had no other
// uid and nothing else of the host than planned, that nothing is left, and that
// what failed was reported. `make faults` runs it, as root.
//
// It runs in namespaces of its own, with a small tree and a headless desktop, so
// that launches of others cannot disturb it, nor it them.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	switch filepath.Base(os.Args[0]) {
	case programName:
		report()
		return
	case asCallerName:
		fmt.Fprintln(os.Stderr, "faults:", becomeCaller())
		os.Exit(1)
	case "faults-init":
		os.Exit(reap())
	case "faults-run":
		unix.CloseOnExec(rowFile)
		os.Exit(run(parseOptions()))
	}
	if os.Getuid() != 0 {
		fmt.Fprintln(os.Stderr, "faults: only root can follow setuid programs: sudo make faults")
		os.Exit(2)
	}
	if !runAll(parseOptions()) {
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	bin     string
	every   int
	only    string
	from    int
	to      int
	verbose bool
}

func parseOptions() (o options) {
	flag.StringVar(&o.bin, "bin", "bin", "the directory with chrun and chrunctl")
	flag.IntVar(&o.every, "every", 1, "let only every N-th call fail")
	flag.StringVar(&o.only, "only", "", "only these cases, separated by commas")
	flag.IntVar(&o.from, "from", 1, "begin with this call")
	flag.IntVar(&o.to, "to", 1<<30, "end with this call")
	flag.BoolVar(&o.verbose, "v", false, "print each launch")
	flag.Parse()
	return o
}

// runAll runs each case in namespaces of its own, as many at a time as there are
// processors, and prints the table. It reports whether all is well.
func runAll(o options) bool {
	var cases []string
	for _, l := range launches {
		if o.only == "" || slices.Contains(strings.Split(o.only, ","), l.name) {
			cases = append(cases, l.name)
		}
	}
	var all sync.WaitGroup
	rows, free := make([]string, len(cases)), make(chan bool, runtime.NumCPU())
	for i, name := range cases {
		all.Go(func() {
			free <- true
			defer func() { <-free }()
			cmd := again("faults-init", append(os.Args[1:], "-only", name)...)
			cmd.SysProcAttr = &syscall.SysProcAttr{
				Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS}
			r, w, err := os.Pipe()
			if err != nil {
				rows[i] = err.Error()
				return
			}
			defer r.Close()
			cmd.ExtraFiles = []*os.File{w} // for the row
			err = cmd.Run()
			w.Close()
			line, _ := io.ReadAll(r)
			row := string(line)
			if row == "" {
				row = fmt.Sprintf("%-12s %v\n", name, err)
			}
			if err != nil {
				row = strings.TrimSuffix(row, "\n") + "  <--\n"
			}
			rows[i] = row
		})
	}
	all.Wait()
	fmt.Printf("%-12s %7s %7s %8s %7s %9s %7s %10s %8s\n", "identity", "calls", "failed", "refused", "less", "all there", "by gc", "violations", "seconds")
	fmt.Print(strings.Join(rows, ""))
	return !strings.Contains(strings.Join(rows, ""), "<--")
}

// rowFile is the descriptor to which the row of a case is written.
const rowFile = 3

// again returns a command that executes this program under another name.
func again(name string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Args[0] = name
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd
}

// reap is the first process of the new process namespace. It waits for the rest
// of launches.
func reap() int {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		fmt.Fprintln(os.Stderr, "faults: mount:", err)
		return 1
	}
	unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	cmd := again("faults-run", os.Args[1:]...)
	cmd.ExtraFiles = []*os.File{os.NewFile(rowFile, "row")}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		return 1
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		if pid == cmd.Process.Pid {
			return status.ExitStatus()
		}
		if err != nil && err != unix.EINTR {
			return 1
		}
	}
}

// run makes the launches of one case and prints its row. It returns the exit status.
func run(o options) int {
	row, err := runCase(o)
	if err != nil {
		fmt.Fprintf(os.Stderr, "faults: %s: %v\n", o.only, err)
		return 1
	}
	fmt.Fprintf(os.NewFile(rowFile, "row"), "%-12s %7d %7d %8d %7d %9d %7d %10d %8.0f\n", row.name, row.calls, row.failed, row.refused, row.less, row.complete, row.collected, row.violations, row.seconds)
	return min(row.violations, 1)
}

func runCase(o options) (*row, error) {
	w, err := openWorld(o)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	r := &row{name: o.only}
	start := time.Now()
	for _, l := range launches {
		if l.name == o.only {
			err = w.inject(l, r, o)
		}
	}
	r.seconds = time.Since(start).Seconds()
	return r, err
}

// row is one line of the table.
type row struct {
	name       string
	calls      int // of a launch in which nothing fails
	failed     int // launches in which a call failed
	refused    int // of these, those that ended with an error before the program ran
	less       int // those in which the program ran without something that was not essential, or as chrun said
	complete   int // those in which the program had everything
	collected  int // those whose rest was left for "chrunctl gc"
	violations int
	seconds    float64
}

func atoi(s string) int { n, _ := strconv.Atoi(s); return n }
