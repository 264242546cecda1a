package launch

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

// runFilter returns what a filter decides about a system call, and whether it looked
// at an argument.
func runFilter(t *testing.T, f []unix.SockFilter, arch, nr uint32, request uint64) (result uint32, looked bool) {
	t.Helper()
	var data [64]byte // struct seccomp_data
	binary.LittleEndian.PutUint32(data[0:], nr)
	binary.LittleEndian.PutUint32(data[4:], arch)
	binary.LittleEndian.PutUint64(data[24:], request)
	var a uint32
	for i := 0; ; i++ {
		switch o := f[i]; o.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			a, looked = binary.LittleEndian.Uint32(data[o.K:]), looked || o.K >= 16
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			a &= o.K
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			if i += int(o.Jf); a == o.K {
				i += int(o.Jt) - int(o.Jf)
			}
		case unix.BPF_RET | unix.BPF_K:
			return o.K, looked
		default:
			t.Fatalf("unknown instruction %#x", o.Code)
		}
	}
}

// The filter refuses two requests of each number of ioctl(2), on each machine, and
// looks at no argument of another system call.
func TestTypingFilter(t *testing.T) {
	ioctls := map[string]map[uint32][]uint32{
		"amd64": {unix.AUDIT_ARCH_X86_64: {16, 514, 0x40000000 + 16, 0x40000000 + 514}, unix.AUDIT_ARCH_I386: {54}},
		"arm64": {unix.AUDIT_ARCH_AARCH64: {29}, unix.AUDIT_ARCH_ARM: {54}},
	}
	const refused = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	for machine, tables := range callTables() {
		f := typingFilter(tables)
		for arch, numbers := range ioctls[machine] {
			for _, base := range []uint32{0, 0x40000000} {
				for nr := base; nr < base+600; nr++ {
					isIoctl := false
					for _, n := range numbers {
						isIoctl = isIoctl || n == nr
					}
					for request, want := range map[uint64]uint32{0x5412: refused, 0x541c: refused, 0xffffffff_00005412: refused, 1<<32 | 0x541c: refused,
						0x5413: unix.SECCOMP_RET_ALLOW, 0x5411: unix.SECCOMP_RET_ALLOW, 0x1_5412: unix.SECCOMP_RET_ALLOW, 0x5412 << 32: unix.SECCOMP_RET_ALLOW} {
						if !isIoctl {
							want = unix.SECCOMP_RET_ALLOW
						}
						got, looked := runFilter(t, f, arch, nr, request)
						if got != want || looked != isIoctl {
							t.Errorf("%s, machine %#x, call %#x, request %#x: %#x (looked %v), want %#x", machine, arch, nr, request, got, looked, want)
						}
					}
				}
			}
		}
	}
}
