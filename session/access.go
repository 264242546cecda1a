package session

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session/acl"
)

// NeedsBusRelay reports whether the desktop's servers know the program under
// another uid than it has or sees, so that its buses go through a relay.
func (f *Facts) NeedsBusRelay() bool {
	return f.Identity.Kind != "" && (f.Identity.UID != f.Caller.UID || f.Identity.InsideUID != f.Caller.UID)
}

// PrivateRuntimeDir reports whether the program has another uid than the caller,
// so that it gets its own runtime directory, at the path of the caller's, with
// single sockets in it.
func (f *Facts) PrivateRuntimeDir() bool {
	return f.Identity.Kind != "" && f.Identity.UID != f.Caller.UID
}

// Writable reports whether the program could write the directory p of the tree.
func (f *Facts) Writable(p Path) bool {
	id := &f.Identity
	if id.Kind == "" || id.UID == f.Caller.UID {
		return f.Root.CanAccess(p, unix.W_OK|unix.X_OK)
	}
	st, err := f.Root.Stat(p)
	if err != nil || f.Root.IsReadOnly() {
		return false
	}
	switch {
	case id.UID == 0:
		return true
	case id.InsideUID == 0: // owns all ids that are mapped
		return id.UIDs.ToInside(int(st.Uid)) >= 0
	}
	return int(st.Uid) == id.UID && st.Mode&0o200 != 0
}

// canMakeFile reports whether the launch can make a file in the directory p of the
// tree: with the program's rights or, if it maps all ids of the tree, with those of
// the tree's root.
func (f *Facts) canMakeFile(p Path) bool {
	if f.Identity.Kind != Subid || f.Identity.InsideUID == 0 {
		return f.Writable(p)
	}
	st, err := f.Root.Stat(p)
	return err == nil && !f.Root.IsReadOnly() && f.Identity.UIDs.ToInside(int(st.Uid)) >= 0
}

// protected are the directories of the tree that say who is who, or what runs.
// The libraries (lib, lib64, …) are protected too.
var protected = []string{"etc", "usr", "bin", "sbin", "boot", "dev", "proc", "sys", "run"}

// checkDestination returns an error if root mounts and dest is in a protected
// directory, where the desktop's user must not put files.
func (b *builder) checkDestination(dest Path) error {
	if !b.f.Identity.RootMounts() || b.req.NoDesktop {
		return nil
	}
	if at, err := b.walk(dest); err == nil {
		dest = at.full()
	}
	top, _, _ := strings.Cut(strings.TrimPrefix(string(dest), "/"), "/")
	if slices.Contains(protected, top) || strings.HasPrefix(top, "lib") {
		return fmt.Errorf("cannot share anything on %s: root mounts in this launch, so only root decides which files are there", dest)
	}
	return nil
}

// relaySocket adds a relay for the socket of s if the program needs an ACL entry
// that the file system of the socket does not support. It reports whether it did.
func (b *builder) relaySocket(s Bind) bool {
	if b.f.Identity.Kind != Grant || !IsSocket(s.Source) {
		return false
	}
	f, err := acl.Open(string(s.Source))
	if err != nil {
		return false
	}
	defer f.Close()
	if _, err = f.Get(); !errors.Is(err, acl.ErrUnsupported) {
		return false
	}
	if _, err := b.ensureMountPoint(Path(path.Dir(string(s.Dest))), Dir); err != nil {
		return false
	}
	b.plan.Relays = append(b.plan.Relays, Relay{Bus: string(s.Source), Path: s.Dest, Raw: true})
	return true
}

// restrictMounts makes the host's files nosuid and nodev where root mounts,
// except devices.
func (b *builder) restrictMounts() {
	if !b.f.Identity.RootMounts() || b.req.NoDesktop {
		return
	}
	for i, m := range b.plan.Mounts {
		if m.Kind == FromHost && !slices.Contains([]string{"base", "gpu", "devices"}, m.Feature) {
			b.plan.Mounts[i].NoSuidNoDev = true
		}
	}
}

// setOwners gives the program the small files that it must own, where root or
// another uid makes them.
func (b *builder) setOwners() {
	id := &b.f.Identity
	if id.UID == b.f.Caller.UID && id.Kind != Direct || b.req.NoDesktop {
		return
	}
	isIn := func(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }
	for i, n := range b.plan.Tmpfs {
		runtime := isIn(n.Path, "runtime")
		if runtime && n.Kind == Dir {
			b.plan.Tmpfs[i].Mode = 0o700
		}
		b.plan.Tmpfs[i].OwnedByProgram = runtime || n.Path == "home" || isIn(n.Path, strings.TrimPrefix(string(PrivateDir), "/"))
	}
}

// listAdmissions lists the sockets to which a program with another uid must be
// granted access. Root inside needs none.
func (b *builder) listAdmissions() {
	id := &b.f.Identity
	if id.Kind != Grant || id.UID == b.f.Caller.UID || b.req.NoDesktop {
		return
	}
	for _, m := range b.plan.Mounts {
		if m.Kind != FromHost {
			continue
		}
		st, err := statSocket(m.Source)
		if st == nil {
			continue
		}
		if err != nil {
			b.fail(fmt.Errorf("cannot grant uid %d access to %s, which you cannot use yourself: %w", id.UID, m.Source, err))
			continue
		}
		b.plan.Admissions = append(b.plan.Admissions,
			Admission{Socket: HostPath(m.Source), Dest: m.Dest, Device: st.Dev, Inode: st.Ino, Why: m.Feature + ": " + m.Why})
	}
}

// statSocket describes the socket at p, nil if p is not one. The error says why the
// caller may not connect to it: the path may be the caller's choice, and root grants
// no access that the caller does not have. Both are of one descriptor, because the
// path may lead elsewhere at any time.
func statSocket(p string) (st *unix.Stat_t, denied error) {
	fd, err := unix.Open(p, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil
	}
	defer unix.Close(fd)
	st = &unix.Stat_t{}
	if unix.Fstat(fd, st) != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return nil, nil
	}
	return st, unix.Access("/proc/self/fd/"+strconv.Itoa(fd), unix.W_OK)
}
