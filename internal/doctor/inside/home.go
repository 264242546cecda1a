package inside

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"chrun/internal/doctor/report"
	"chrun/session"
)

// room is what a file system has, in bytes.
type room struct{ size, free uint64 }

// Sizes below which programs fail.
const (
	leastFree = 1 << 20   // programs cannot save their settings
	fewFree   = 100 << 20 // browsers cannot keep their caches
	leastShm  = 64 << 20
	goodShm   = 256 << 20
)

func measure(dir string) (r room, ok bool) {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return r, false
	}
	unit := uint64(cmp.Or(st.Frsize, st.Bsize))
	return room{st.Blocks * unit, st.Bavail * unit}, st.Blocks > 0
}

// tryWriting makes a file without a name and writes a page to it, which vanishes.
func tryWriting(dir string) error {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	switch err {
	case nil:
		defer unix.Close(fd)
		_, err = unix.Write(fd, make([]byte, 4096))
		return err
	case unix.EOPNOTSUPP, unix.EISDIR, unix.EINVAL: // NFS, FUSE
		return unix.Access(dir, unix.W_OK|unix.X_OK)
	}
	return err
}

// probeHome looks whether programs can save something in the home.
func probeHome(_ context.Context, in *Input, add func(...report.Check)) {
	const row = "home"
	home := in.Env.Get("HOME")
	var st unix.Stat_t
	if err := unix.Stat(home, &st); home == "" || err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		add(report.Bad(row, report.Reachable, "no-home", "there is no home directory "+home+" inside",
			"home", session.Quote(cmp.Or(in.HomeHost, in.Tree+home)), "user", session.Quote(in.User)))
		return
	}
	add(CheckHome(home, cmp.Or(in.HomeHost, in.Tree+home), in.User))
}

// CheckHome looks whether programs can save something in a directory. host is where the
// host has it, and user the host's account of the person.
func CheckHome(dir, host, user string) report.Check {
	const row = "home"
	var st unix.Stat_t
	_ = unix.Stat(dir, &st) // the answer is below
	r, measured := measure(dir)
	host = session.Quote(host)
	switch err := tryWriting(dir); {
	case err == unix.ENOSPC || err == unix.EDQUOT || err == nil && measured && r.free < leastFree:
		return report.Bad(row, report.Answers, "home-full", "the disk with "+dir+" is full", "home", host)
	case err == unix.EROFS:
		return report.Bad(row, report.Answers, "home-read-only", dir+" is on a file system that cannot be written", "home", host)
	case err != nil && int(st.Uid) == os.Getuid() && st.Mode&0o300 != 0o300:
		return report.Bad(row, report.Answers, "home-mode", dir+" cannot be written: its mode forbids it", "home", host)
	case err != nil:
		return report.Bad(row, report.Answers, "home-closed", dir+" cannot be written: "+err.Error(), "home", host, "user", session.Quote(user))
	case measured && r.free < fewFree:
		return report.Notice(row, report.Answers, "home-full", fmt.Sprintf("only %d MB are free in %s", r.free>>20, dir), "home", host)
	}
	return report.Good(row, report.Answers, dir+" can be written")
}

// Identify says which file a path leads to. A file system that does not answer does not
// stop it (statx(2), AT_STATX_DONT_SYNC).
func Identify(name string) (SameFile, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, name, unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, unix.STATX_INO, &st)
	return SameFile{name, unix.Mkdev(st.Dev_major, st.Dev_minor), st.Ino}, err
}

// probeDocuments looks whether documents are the same files as on the host.
func probeDocuments(_ context.Context, in *Input, add func(...report.Check)) {
	const row = "documents"
	good := 0
	for _, same := range in.Same {
		found, err := Identify(same.Path)
		switch {
		case err != nil && !errors.Is(err, unix.ENOENT):
			add(report.Bad(row, report.Reachable, "documents-closed", same.Path+": "+err.Error()))
		case err != nil || found != same:
			add(report.Bad(row, report.Reachable, "documents-differ", same.Path+" is not the host's inside"))
		default:
			good++
			continue
		}
		return
	}
	if good > 0 {
		add(report.Good(row, report.Reachable, fmt.Sprintf("the same as on the host: %d files and folders", good)))
	}
}

// probeShm looks at the size of shared memory, and makes some.
func probeShm(_ context.Context, in *Input, add func(...report.Check)) {
	const row, dir = "shm", "/dev/shm"
	if in.denies(row) {
		return
	}
	r, ok := measure(dir)
	err := tryWriting(dir)
	switch {
	case !exists(dir):
		add(report.Bad(row, report.Reachable, "no-shm", "there is no /dev/shm"))
	case err != nil && err != unix.ENOSPC:
		add(report.Bad(row, report.Answers, "shm-closed", "/dev/shm cannot be written: "+err.Error()))
	case ok && r.size < leastShm, err == unix.ENOSPC:
		add(report.Bad(row, report.Answers, "tabs-crash", fmt.Sprintf("/dev/shm has %d MB, %d MB free: browsers and X crash", r.size>>20, r.free>>20)))
	case ok && (r.size < goodShm || r.free < leastShm/4):
		add(report.Notice(row, report.Answers, "tabs-crash", fmt.Sprintf("/dev/shm has only %d MB, %d MB free: browsers may crash", r.size>>20, r.free>>20)))
	default:
		add(report.Good(row, report.Answers, fmt.Sprintf("/dev/shm can be written, %d MB", r.size>>20)))
	}
}

// probeTmp looks whether programs can make temporary files.
func probeTmp(_ context.Context, _ *Input, add func(...report.Check)) {
	const row, dir = "tmp", "/tmp"
	r, measured := measure(dir)
	switch err := tryWriting(dir); {
	case err == unix.ENOSPC || err == unix.EDQUOT || err == nil && measured && r.free < leastFree:
		add(report.Bad(row, report.Answers, "tmp-full", "/tmp is full"))
	case err != nil:
		add(report.Bad(row, report.Answers, "tmp-closed", "/tmp cannot be written: "+err.Error()))
	default:
		add(report.Good(row, report.Answers, "/tmp can be written"))
	}
}
