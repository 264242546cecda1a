// Report prints what package start has changed.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session/start"
)

func main() {
	text, _ := os.ReadFile("/proc/self/smaps")
	fmt.Println("processors", runtime.GOMAXPROCS(0))
	fmt.Println("slack", slackOfThread())
	fmt.Println("code", rssOf(string(text), "r-xp"))
	done := make(chan string)
	go func() {
		start.LockOSThread()
		done <- slackOfThread()
	}()
	fmt.Println("other", <-done)
}

func slackOfThread() string {
	n, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	return fmt.Sprint(n, err)
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
