// Typist types into its terminal as an attacker would. For each way it prints the
// errno of the system call.
package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"unsafe"
)

const (
	tiocsti   = 0x5412
	tioclinux = 0x541c
	high      = 0xdeadbeef00000000 // the kernel ignores these bits of a request
)

// way is a way to make an ioctl on the terminal.
type way struct {
	name  string
	ioctl func(request, pointer uintptr) syscall.Errno
}

// number makes the system call nr.
func number(nr uintptr) func(request, pointer uintptr) syscall.Errno {
	return func(request, pointer uintptr) syscall.Errno {
		_, _, errno := syscall.Syscall(nr, 0, request, pointer)
		return errno
	}
}

var data [16]byte // its address has 32 bits

func main() {
	pointer := uintptr(unsafe.Pointer(&data))
	for _, w := range ways {
		for suffix, bits := range map[string]uintptr{"": 0, "-high": high} {
			var errno syscall.Errno
			for _, c := range []byte(w.name + suffix + "\n") {
				data[0] = c
				if errno = w.ioctl(tiocsti|bits, pointer); errno != 0 {
					break
				}
			}
			fmt.Printf("%s%s=%d\n", w.name, suffix, errno)
			for _, subcode := range []byte{2, 3, 11} { // select text, paste it, blank the console
				data[0] = subcode
				fmt.Printf("%s%s-console-%d=%d\n", w.name, suffix, subcode, w.ioctl(tioclinux|bits, pointer))
			}
		}
	}
	fmt.Printf("window-size=%d\n", number(syscall.SYS_IOCTL)(syscall.TIOCGWINSZ, pointer))
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if filters, ok := strings.CutPrefix(line, "Seccomp_filters:"); ok {
			fmt.Println("filters:", strings.TrimSpace(filters))
		}
	}
}
