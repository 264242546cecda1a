package session

// overlayEtc makes files in /etc replaceable. Usually the program cannot write
// the tree, and /etc becomes one read-only overlay of our files over the tree's:
// so files can be added that the tree does not have, the tree stays unchanged, and
// one mount is enough. A writable tree keeps its /etc, so that useradd and package
// managers work in it and their changes last; with mapped ids too, where sudo works.
func (b *builder) overlayEtc() {
	at, err := b.walk("/etc")
	if err == nil && at.isDir() {
		m, source := b.findMount(at.path)
		if m.Kind != FromTree || b.req.NoOverlay || b.f.Identity.Kind == Subid || b.writable(Path(source)) {
			return
		}
		b.addNode(Node{Path: "etc", Kind: Dir, Mode: 0o755})
		b.mount(Mount{Kind: Overlay, Source: "etc", Lower: source, Dest: at.path, ReadOnly: true, Required: true,
			Feature: "etc", Why: "files of /etc that differ inside, over the tree's"})
		b.overlaid = true
		return
	}
	if dest, err := b.ensureMountPoint("/etc", Dir); err == nil {
		b.addNode(Node{Path: "etc", Kind: Dir, Mode: 0o755})
		b.mount(Mount{Kind: FromTmpfs, Source: "etc", Dest: dest, ReadOnly: true, Feature: "etc", Why: "the tree has no /etc"})
	}
}
