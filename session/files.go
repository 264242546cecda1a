package session

import (
	"path"
	"strings"

	"chrun/session/rootfs"
)

// addFile adds one small file: in the overlay of /etc, in our tmpfs, or bound
// over an existing file.
func (b *builder) addFile(feature string, f File) {
	if b.overlaid && f.Path.IsBelow("/etc") {
		n := b.linkOrCopy(feature, f)
		n.Path = "etc" + strings.TrimPrefix(string(f.Path), "/etc")
		b.addNode(n)
		return
	}
	at, err := b.walk(f.Path)
	if err != nil {
		b.note("%s: %s is unchanged: %v", feature, f.Path, err)
		return
	}
	m, source := b.findMount(at.full())
	switch {
	case m.Kind == FromTmpfs && !f.MakeInHome && !at.isDir():
		// In our own /run, maybe through a link of the tree.
		n := b.linkOrCopy(feature, f)
		n.Path = source
		b.addNode(n)
	case f.MakeInHome && m.Kind == FromHost && !m.AllowMountPoints:
		// The host's home is there, with the host's own file.
	default:
		b.bindFile(feature, f, at)
	}
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
	return Node{Kind: Regular, Mode: f.mode(), Data: f.Data, SecretFile: f.SecretFile}
}

// mode returns the permission bits.
func (f *File) mode() uint32 {
	if f.Mode == 0 {
		return 0o644
	}
	return f.Mode
}

// bindFile binds f over the file at the location at.
func (b *builder) bindFile(feature string, f File, at location) {
	dest, exists := at.full(), at.isFile()
	if f.MakeInHome && !at.exists() {
		if p, err := b.ensureMountPoint(f.Path, Regular); err == nil {
			dest, exists = p, true
		}
	}
	if !exists {
		b.note("%s: %s is unchanged: the tree has no such file to mount on", feature, f.Path)
		return
	}
	if f.HostFile != "" {
		b.note("%s: %s is a copy, which does not follow later changes on the host", feature, f.Path)
	}
	n := Node{Path: "files/" + strings.ReplaceAll(strings.Trim(string(f.Path), "/"), "/", "-"), Kind: Regular, Mode: f.mode(), Data: f.Data}
	b.addNode(n)
	b.mount(Mount{Kind: FromTmpfs, Source: n.Path, Dest: dest, ReadOnly: true, NoSuidNoDev: true, Feature: feature, Why: f.Why})
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
