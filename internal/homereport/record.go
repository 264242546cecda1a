package homereport

import (
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// record is the file that lists what the person has been told of: a stamp for
// each name at the top of a home, and for each link of chrun's that was moved, by
// its path. Launches that run hold a shared lock on it.
type record struct {
	file *os.File
	text string // the content, as it was read
}

// recordHeader is the first name in a record. A file without it is empty, or was
// written by an earlier version.
const recordHeader = "chrun home 1"

// removed is the stamp of a link that was removed inside.
const removed = "removed"

// openRecord opens the record, or makes it. It returns nil if it cannot: then
// launches report what they see, and nothing is lost.
func openRecord(file string) *record {
	// With os.OpenFile a launch would start the poller of package os.
	const flags = unix.O_RDWR | unix.O_CREAT | unix.O_CLOEXEC
	fd, err := unix.Open(file, flags, 0o600)
	if err == unix.ENOENT && os.MkdirAll(path.Dir(file), 0o700) == nil {
		fd, err = unix.Open(file, flags, 0o600)
	}
	if err != nil {
		return nil
	}
	return &record{file: os.NewFile(uintptr(fd), file)}
}

// lock keeps other launches from reading and writing records until unlock.
func (r *record) lock() (unlock func()) {
	dir, err := unix.Open(path.Dir(r.file.Name()), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return func() {}
	}
	_ = unix.Flock(dir, unix.LOCK_EX)
	return func() { unix.Close(dir) }
}

// isAlone reports whether no other launch that reports runs in the home. From then
// on this one counts as running, until it ends.
func (r *record) isAlone() bool {
	fd := int(r.file.Fd())
	alone := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) == nil
	_ = unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB)
	return alone
}

// read returns the stamps by name. ok is false if nothing was recorded yet.
func (r *record) read() (known map[string]string, ok bool) {
	data, _ := io.ReadAll(io.NewSectionReader(r.file, 0, 1<<20))
	r.text = string(data)
	words := strings.Split(r.text, "\x00")
	known = map[string]string{}
	for i := 1; i+1 < len(words); i += 2 {
		known[words[i]] = words[i+1]
	}
	return known, words[0] == recordHeader
}

// write replaces the content, after read. If it fails, the next launch says more than needed.
func (r *record) write(known map[string]string) {
	words := []string{recordHeader}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		words = append(words, name, known[name])
	}
	text := strings.Join(words, "\x00")
	if text == r.text {
		return
	}
	if _, err := r.file.WriteAt([]byte(text), 0); err == nil {
		_ = r.file.Truncate(int64(len(text)))
	}
}
