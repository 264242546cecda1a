package session

import (
	"net/url"
	"path"
	"slices"
)

// Clicked is a file or directory that a person clicked on the host: an argument of
// a launch from the menu.
type Clicked struct {
	Arg  int      // its index in Argv
	URI  bool     // the argument is a file URI
	Path HostPath // in the argument
	File HostPath // Path without symlinks
	Dir  bool     // it is a directory
	// IsFixed reports whether the menu entry itself has this argument, which then
	// means the file inside. It is called only if there is one.
	IsFixed func() bool
}

// showClicked lets the program open the host's file. Where the path leads to
// something else inside, or to nothing, the file's directory is bound below
// /run/host, where it covers nothing, and the argument becomes the path there.
func (b *builder) showClicked(feature string, c Clicked) {
	at := Path(c.Path)
	if exists := b.exists(at); b.finds(at, c.File, c.Path) || b.linked[at] && !exists || exists && c.IsFixed() {
		return // linked: the launch will make a link to it
	}
	dir, inside := c.File, HomeAlias(c.File)
	if !c.Dir && path.Dir(string(c.File)) != "/" {
		dir = HostPath(path.Dir(string(c.File)))
	}
	if !b.finds(inside, c.File, c.File) {
		b.bind(feature, Bind{Source: dir, Dest: HomeAlias(dir), Why: "a file in it was clicked"})
	}
	if !b.finds(inside, c.File, c.File) {
		b.plan.Notices = append(b.plan.Notices, string(c.Path)+" cannot be opened: it is not visible in the chroot "+b.f.Name)
		return
	}
	b.clicked[c.Path] = true
	b.plan.Argv = slices.Clone(b.plan.Argv)
	b.plan.Argv[c.Arg] = string(inside)
	if c.URI {
		b.plan.Argv[c.Arg] = (&url.URL{Scheme: "file", Path: string(inside)}).String()
	}
}

// finds reports whether p inside leads to the host's file, which has one of these
// paths.
func (b *builder) finds(p Path, paths ...HostPath) bool {
	_, at, err := b.follow(p)
	if err != nil || !at.exists() {
		return false
	}
	m, from := b.findMount(at.path)
	return m.Kind == FromHost && slices.Contains(paths, HostPath(from))
}
