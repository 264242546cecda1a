package rootfs

import (
	"os"

	"golang.org/x/sys/unix"
)

// UseHome makes the directory dir of the host the home of the tree: what is at the
// path at and below is read there. Its links are resolved as if dir were the root,
// so they lead nowhere else.
func (r *Root) UseHome(at Path, dir HostPath) error {
	fd, err := unix.Open(string(dir), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: string(dir), Err: err}
	}
	r.at, r.home = at, &Root{fd: fd, dir: dir}
	return nil
}

// UseOwnHome makes the directory dir of the tree its home.
func (r *Root) UseOwnHome(at, dir Path) error {
	if at == dir {
		if !r.IsDir(dir) {
			return &os.PathError{Op: "open", Path: string(dir), Err: unix.ENOTDIR}
		}
		r.at = at
		return nil
	}
	fd, err := r.open(dir, unix.O_PATH|unix.O_DIRECTORY)
	if err == nil {
		r.at, r.home = at, &Root{fd: fd, dir: r.dir.Join(string(dir))}
	}
	return err
}

// Home returns the path of the home, or "" if none is used.
func (r *Root) Home() Path { return r.at }

// inHome returns the root that has p, and p there.
func (r *Root) inHome(p Path) (*Root, Path) {
	if r.home != nil && p.IsBelow(r.at) {
		return r.home, "/" + p[min(len(p), len(r.at)):]
	}
	return r, p
}
