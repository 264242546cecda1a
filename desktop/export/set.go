package export

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Set is what is exported from one chroot. Close it.
type Set struct {
	host     *Host
	chroot   string // its name
	previous *manifest
	lock     *os.File // nil if the set is only read

	// Explain makes Plan return all notes, even if nothing has changed.
	Explain bool
}

// Open reads what is exported from the chroot of that name. If change is true, it
// waits until another run has ended, and no other run can begin before Close.
// Errors are *os.PathError, or say that the manifest cannot be read.
func Open(h *Host, chroot string, change bool) (s *Set, err error) {
	s = &Set{host: h, chroot: chroot}
	if change {
		if s.lock, err = h.lock(); err != nil {
			return nil, err
		}
	}
	if s.previous, err = readManifest(h.manifestFile(chroot)); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if change {
		s.previous.removeTemporaries()
	}
	return s, nil
}

// lock keeps runs from overlapping. It locks the runtime directory, which only its
// owner can open: other users could lock a home that they can list, for ever. Without
// one, or on NFS, where directories cannot be locked, it locks the other.
func (h *Host) lock() (f *os.File, err error) {
	dirs := []string{h.RuntimeDir, h.Home}
	if st, err := os.Stat(h.RuntimeDir); err != nil || st.Mode().Perm()&0o077 != 0 {
		slices.Reverse(dirs)
	}
	for _, dir := range dirs {
		var e error
		if f, e = os.Open(dir); e == nil {
			for e = unix.EINTR; e == unix.EINTR; {
				e = unix.Flock(int(f.Fd()), unix.LOCK_EX)
			}
			if e == nil {
				return f, nil
			}
			f.Close()
			e = &os.PathError{Op: "lock", Path: dir, Err: e}
		}
		err = cmp.Or(err, e)
	}
	return nil, err
}

// Close releases the lock.
func (s *Set) Close() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}

func (h *Host) manifestFile(chroot string) string {
	return filepath.Join(h.StateDir, "exports", chroot)
}

// HasExports reports whether something of the chroot is exported.
func (h *Host) HasExports(chroot string) bool { return slices.Contains(h.listManifests(), chroot) }

// ListExports returns the names of the chroots that have exports, in order.
func (h *Host) ListExports() []string { return h.listManifests() }

// HasFiles reports whether files of an export of the chroot exist. After a sync
// without the chroot none does, but its selection is kept until it is forgotten.
func (h *Host) HasFiles(chroot string) bool {
	m, err := readManifest(h.manifestFile(chroot))
	return err != nil || len(m.files) > 0
}

// ExportedChroots returns the names of the chroots that have exports, in order.
func (h *Host) ExportedChroots() ([]string, error) {
	lock, err := h.lock()
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	newManifest(h.manifestFile("any")).removeTemporaries()
	return h.listManifests(), nil
}

func (h *Host) listManifests() []string {
	var names []string
	entries, _ := os.ReadDir(filepath.Join(h.StateDir, "exports"))
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), "~") {
			names = append(names, e.Name())
		}
	}
	return names
}

// IsPending reports whether the last run was killed, or lacked a tool.
func (s *Set) IsPending() bool { return s.previous.pending }

// Selection returns a copy of the selection of the previous export.
func (s *Set) Selection() Selection {
	c := s.previous.selection
	for _, list := range []*[]string{&c.Apps, &c.Except, &c.Commands, &c.Autostart} {
		*list = slices.Clone(*list)
	}
	c.CustomEntries = slices.Clone(c.CustomEntries)
	return c
}

// ExportedID returns the ID under which an app of the chroot is exported, or "".
func (s *Set) ExportedID(id string) string {
	for _, exported := range []string{id, id + "." + s.chroot} {
		if _, ok := s.previous.files[s.host.entryFile(exported)]; ok {
			return exported
		}
	}
	return ""
}
