// Report prints what package start has changed.
package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session/start"
	"chrun/session/start/early"
)

func main() {
	text, _ := os.ReadFile("/proc/self/smaps")
	fmt.Println("processors", runtime.GOMAXPROCS(0))
	fmt.Printf("arguments %q\n", os.Args[1:])
	environment := os.Environ()
	slices.Sort(environment)
	fmt.Printf("environment %q\n", environment)
	fmt.Println("threads", slackOfThreads())
	fmt.Println("code", rssOf(string(text), "r-xp"))
	var files unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files)
	fmt.Println("files", early.NoFile, files, err)
	start.LockOSThread()
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	fmt.Println("slack", slack, err)
}

// slackOfThreads returns the timer slack of all threads, in ns, which only root can read.
func slackOfThreads() (list []string) {
	threads, _ := os.ReadDir("/proc/self/task")
	for _, thread := range threads {
		slack, _ := os.ReadFile("/proc/" + thread.Name() + "/timerslack_ns")
		list = append(list, strings.TrimSpace(string(slack)))
	}
	return list
}

// rssOf returns the size of the first mapping of this program with these permissions,
// and what is in memory of it.
func rssOf(smaps, permissions string) (sizes string) {
	_, smaps, _ = strings.Cut(smaps, " "+permissions+" ")
	for _, name := range []string{"Size:", "Rss:"} {
		_, after, _ := strings.Cut(smaps, "\n"+name)
		sizes += strings.Fields(after)[0] + " "
	}
	return strings.TrimSpace(sizes)
}
