package desktop

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"

	"chrun/session"
	"chrun/session/rootfs"
)

// link is a symlink in a shared directory.
type link struct {
	source session.HostPath // the symlink
	target session.Path     // where a program inside looks for its target
}

// maxLinks is how many symlinks of one shared directory are followed.
const maxLinks = 200

// fewFiles is how many files of one directory are shared one by one. If there are
// more, the directory is shared.
const fewFiles = 8

// stores are directories of package managers whose files refer to each other.
var stores = []session.HostPath{"/nix/store", "/gnu/store"}

// listLinks lists the symlinks in a shared directory that lead out of it, and those
// in its subdirectories down to depth levels.
func listLinks(source session.HostPath, dest session.Path, depth int) (links []link) {
	var add func(dir string, level int)
	add = func(dir string, level int) {
		list, _ := rootfs.ListHost(source.Join(dir))
		for _, e := range list {
			name := path.Join(dir, e.Name())
			switch {
			case e.IsDir() && level < depth:
				add(name, level+1)
			case e.Type()&fs.ModeSymlink != 0 && len(links) < maxLinks:
				text, err := os.Readlink(string(source.Join(name)))
				if err != nil {
					continue
				}
				target := session.Path(path.Clean(text))
				if !path.IsAbs(text) {
					target = dest.Join(dir, text)
				}
				if !target.IsBelow(dest) {
					links = append(links, link{source.Join(name), target})
				}
			}
		}
	}
	add("", 1)
	return links
}

// storeLinks returns a link for a shared directory that is in a store: its files
// are symlinks to others there, in more places than listLinks looks at.
func storeLinks(source session.HostPath) []link {
	real, err := rootfs.ResolveHost(source)
	if err != nil || !slices.ContainsFunc(stores, real.IsBelow) {
		return nil
	}
	return []link{{source, session.Path(real)}}
}

// shareLinkTargets shares what symlinks in shared directories lead to, where a
// program inside looks for it, unless something is there.
func shareLinkTargets(s *session.Share, links []link) {
	if len(links) == 0 {
		return
	}
	found := make(chan session.Bind, len(links))
	go func() {
		defer close(found)
		for _, l := range links {
			if real, err := rootfs.ResolveHost(l.source); err == nil {
				found <- session.Bind{Source: real, Dest: l.target, ReadOnly: true, OnlyIfMissing: true,
					Why: fmt.Sprintf("the target of the link %s", l.source)}
			}
		}
	}()
	var binds []session.Bind
	defer func() { s.Binds = append(s.Binds, joinFolders(binds)...) }()
	timeout := time.After(linkTime)
	for {
		select {
		case b, more := <-found:
			if !more {
				return
			}
			binds = append(binds, b)
		case <-timeout:
			s.Notes = append(s.Notes, "some symlinks of fonts, themes or settings lead nowhere inside: a file system did not answer")
			return
		}
	}
}

// joinFolders replaces many files of one directory by the directory, and whatever
// is in a store by the store.
func joinFolders(binds []session.Bind) (joined []session.Bind) {
	type folder struct {
		source session.HostPath
		dest   session.Path
	}
	count, done := map[folder]int{}, map[folder]bool{}
	find := func(b session.Bind) (f folder) {
		for _, store := range stores {
			if dest := session.Path(store); b.Dest.IsBelow(dest) {
				return folder{store, dest}
			}
		}
		if path.Base(string(b.Source)) == path.Base(string(b.Dest)) {
			f = folder{session.HostPath(path.Dir(string(b.Source))), session.Path(path.Dir(string(b.Dest)))}
		}
		return f
	}
	for _, b := range binds {
		count[find(b)]++
	}
	for _, b := range binds {
		f := find(b)
		isStore := slices.Contains(stores, f.source)
		if isStore || f.source != "" && f.dest != "/" && count[f] > fewFiles {
			if done[f] {
				continue
			}
			done[f] = true
			b.Source, b.Dest = f.source, f.dest
		}
		joined = append(joined, b)
	}
	return joined
}
