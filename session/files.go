package session

import (
	"path"
	"strings"

	"chrun/session/rootfs"
)

// addFiles adds the files of a feature and describes what became of them.
func (b *builder) addFiles(feature string, files []File) string {
	var shared, kept []string
	for _, f := range files {
		if why := b.addFile(feature, f); why != "" {
			b.note("%s: %s is not shared: %s", feature, f.Path, why)
			kept = append(kept, string(f.Path))
		} else {
			shared = append(shared, string(f.Path))
		}
	}
	switch {
	case len(kept) == 0:
		return strings.Join(shared, ", ")
	case len(shared) == 0:
		return "not shared: " + strings.Join(kept, ", ")
	}
	return strings.Join(shared, ", ") + "; not shared: " + strings.Join(kept, ", ")
}

// addFile adds one small file: in the overlay of /etc, in our tmpfs, or bound over
// the file of the tree. If the program sees the tree's file instead, it returns why.
func (b *builder) addFile(feature string, f File) (kept string) {
	if b.overlaid && f.Path.IsBelow("/etc") {
		n := b.linkOrCopy(feature, f)
		n.Path = "etc" + strings.TrimPrefix(string(f.Path), "/etc")
		b.addNode(n)
		return ""
	}
	at, err := b.walk(f.Path)
	if err != nil {
		return err.Error()
	}
	m, source := b.findMount(at.full())
	switch {
	case m.Kind == FromTmpfs && !f.MakeInHome && !at.isDir():
		// In our own /run, maybe through a link of the tree.
		n := b.linkOrCopy(feature, f)
		n.Path = source
		b.addNode(n)
	case f.Instead.Name != "":
		b.instead = append(b.instead, f.Instead)
	case b.req.RootInside && !f.ForRoot && m.Kind == FromTree && b.writableFile(at):
		if at.exists() {
			return "root inside can change the chroot's own"
		}
		return "the chroot has none, and a package may bring it"
	case f.MakeInHome && m.Kind == FromHost && !m.AllowMountPoints:
		// The host's home is there, with the host's own file.
	case f.MakeInHome && m.Kind == FromTree && len(at.missing) > 1:
		return "the home has no directory for it" // which would stay
	default:
		return b.bindFile(feature, f, at)
	}
	return ""
}

// writableFile reports whether the program could make or replace the file.
func (b *builder) writableFile(at location) bool {
	dir := at.path
	if at.exists() {
		dir = Path(path.Dir(string(dir)))
	}
	m, source := b.findMount(dir)
	return m.Kind == FromTree && b.writable(Path(source))
}

// linkOrCopy returns the node for f without its path. A symlink is better than a
// copy, because it shows later changes.
func (b *builder) linkOrCopy(feature string, f File) Node {
	if f.Link != "" {
		return Node{Kind: Symlink, Mode: f.mode(), Target: f.Link}
	}
	if target, ok := b.linkToHost(f.HostFile); ok {
		return Node{Kind: Symlink, Mode: f.mode(), Target: target}
	}
	if f.HostFile != "" {
		b.note("%s: %s is a copy, which does not follow later changes on the host", feature, f.Path)
	}
	return f.node()
}

// node returns the node for a copy of f, without its path.
func (f *File) node() Node {
	n := Node{Kind: Regular, Mode: f.mode(), Data: f.Data, Pieces: f.Pieces, SecretFile: f.SecretFile, SecretDisplays: f.SecretDisplays}
	if len(f.Pieces) > 0 {
		n.Original = f.Path
	}
	return n
}

// mode returns the permission bits.
func (f *File) mode() uint32 {
	if f.Mode == 0 {
		return 0o644
	}
	return f.Mode
}

// bindFile binds f over the file at the location at. It returns why if it cannot.
func (b *builder) bindFile(feature string, f File, at location) (kept string) {
	dest, err := b.ensureFile(at)
	if err != nil {
		return err.Error()
	}
	if f.HostFile != "" {
		b.note("%s: %s is a copy, which does not follow later changes on the host", feature, f.Path)
	}
	n := f.node()
	n.Path = "files/" + strings.ReplaceAll(strings.Trim(string(f.Path), "/"), "/", "-")
	b.addNode(n)
	b.mount(Mount{Kind: FromTmpfs, Source: n.Path, Dest: dest, ReadOnly: true, NoSuidNoDev: true, Feature: feature, Why: f.Why})
	return ""
}

// linkToHost returns a path below /run/host that shows the host's file p with
// later changes. It binds the directory of p there, not p: the host replaces
// such files by renaming. ok is false if that directory cannot be shared.
func (b *builder) linkToHost(p HostPath) (target string, ok bool) {
	if p == "" {
		return "", false
	}
	file, err := rootfs.ResolveHost(p)
	if err != nil {
		return "", false
	}
	dir := path.Dir(string(file))
	if dir == "/" || HostPath(b.f.Caller.Account.Home).IsBelow(HostPath(dir)) {
		return "", false
	}
	for _, top := range []string{"/etc", "/usr/share/zoneinfo"} {
		if strings.HasPrefix(dir, top+"/") {
			dir = top
		}
	}
	return "/run/host" + string(file), b.bindBelowRunHost(HostPath(dir))
}

// bindBelowRunHost shows a directory of the host read-only below /run/host.
func (b *builder) bindBelowRunHost(dir HostPath) bool {
	dest := Path("/run/host" + string(dir))
	if b.shows(dest, dir) {
		return true
	}
	at, err := b.ensureMountPoint(dest, Dir)
	if err != nil {
		return false
	}
	b.mount(Mount{Kind: FromHost, Source: string(dir), Dest: at, ReadOnly: true, NoSuidNoDev: true,
		Feature: "run", Why: "the host's directory, to see changes of its files"})
	return true
}
