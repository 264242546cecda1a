package launch

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

func TestTextMappings(t *testing.T) {
	const maps = `00400000-006f2000 r-xp 00000000 fe:00 10011238                           /usr/bin/chrun
006f2000-009e7000 r--p 002f2000 fe:00 10011238                           /usr/bin/chrun
009e7000-009ff000 rw-p 005e7000 fe:00 10011238                           /usr/bin/chrun
009ff000-00a36000 rw-p 00000000 00:00 0
7f1d29425000-7f1d29497000 r--p 00000000 00:00 0
7ffc1c3f4000-7ffc1c3f8000 r--p 00000000 00:00 0                          [vvar]
7ffc1c3f8000-7ffc1c3fa000 r-xp 00000000 00:00 0                          [vdso]
not a line
`
	code, constants := mapping{0x400000, 0x6f2000}, mapping{0x6f2000, 0x9e7000}
	if got := textMappings(maps, false); !reflect.DeepEqual(got, []mapping{code, constants}) {
		t.Errorf("%x", got)
	}
	if got := textMappings(maps, true); !reflect.DeepEqual(got, []mapping{code}) {
		t.Errorf("relocated: %x", got)
	}
	const library = "7f4c93700000-7f4c93800000 r-xp 00000000 fe:00 77 /usr/lib/libc.so.6\n7f4c93800000-7f4c93804000 r--p 00100000 fe:00 77 /usr/lib/libc.so.6\n"
	if got := textMappings(maps+library, false); !reflect.DeepEqual(got, []mapping{code, {0x7f4c93700000, 0x7f4c93800000}}) {
		t.Errorf("with a library: %x", got)
	}
}

// The program goes on after its pages have gone.
func TestGiveBackText(t *testing.T) {
	rss := func() (kilobytes int) {
		status := readTable(t, os.Getpid(), "status", ":")
		for _, name := range []string{"RssFile", "RssShmem"} { // on a tmpfs it is the latter
			kilobytes += parseInt(t, strings.TrimSuffix(status[name], " kB"))
		}
		return kilobytes
	}
	before := rss()
	giveBackText()
	if after := rss(); after >= before {
		t.Errorf("%d KiB of files are in memory, before %d", after, before)
	}
}
