package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"chrun/session"
)

// sandbox is a plan of chrun as a bwrap command line: the same directories at the
// same paths, the same small files, the same environment.
type sandbox struct {
	plan    *session.Plan
	store   string // directory of the plan's small files
	overlay bool   // use --ro-overlay
	binds   int
	skipped []string // small files that have no mount point in the chroot
	how     string   // description for the notes
	words   []string
	bare    []string // words without the small files
}

// newSandbox writes the small files and finds options that this bwrap accepts.
func (b *bench) newSandbox(p *session.Plan) (*sandbox, error) {
	var failed error
	for _, overlay := range []bool{true, false} {
		s := &sandbox{plan: p, store: filepath.Join(b.own, "files"), overlay: overlay}
		if err := s.write(b.session.User.UID, b.session.User.GID); err != nil {
			return nil, err
		}
		s.bare = s.translate(false)
		s.words = s.translate(true)
		if failed = b.try(s.run("/bin/true")...); failed == nil {
			s.describe()
			return s, nil
		}
	}
	return nil, failed
}

// run returns the command line for a program.
func (s *sandbox) run(argv ...string) []string {
	return append(append(slices.Clone(s.words), "--"), argv...)
}

// runBare returns the command line without the small files.
func (s *sandbox) runBare(argv ...string) []string {
	return append(append(slices.Clone(s.bare), "--"), argv...)
}

func (s *sandbox) describe() {
	s.how = "it binds single files read-only in /etc where chrun has one overlay (this bwrap has no --ro-overlay, or it fails)"
	if s.overlay {
		s.how = "/etc is an overlay, as with chrun"
	}
	if len(s.skipped) > 0 {
		s.how += "; skipped for lack of a mount point in the chroot: " + strings.Join(s.skipped, ", ")
	}
}

// write writes the plan's tmpfs to disk, because bwrap reads small files from
// descriptors, which hyperfine could not pass to each run.
func (s *sandbox) write(uid, gid int) error {
	if err := os.RemoveAll(s.store); err != nil {
		return err
	}
	nodes := append([]session.Node{{Kind: session.Dir, Mode: 0o755}}, s.plan.Tmpfs...)
	for _, n := range nodes {
		at := filepath.Join(s.store, n.Path)
		var err error
		switch n.Kind {
		case session.Dir:
			err = os.Mkdir(at, 0o755)
		case session.Symlink:
			err = os.Symlink(n.Target, at)
		case session.Regular:
			data := n.Data
			if n.SecretFile != "" { // not printed in the plan
				if data, err = os.ReadFile(string(n.SecretFile)); err != nil {
					return err
				}
			}
			err = os.WriteFile(at, data, os.FileMode(n.Mode&0o777))
		}
		if err = errors.Join(err, os.Lchown(at, uid, gid)); err != nil {
			return err
		}
	}
	return nil
}

// translate returns the plan as a bwrap command line, with or without the small
// files.
func (s *sandbox) translate(files bool) []string {
	words := []string{"bwrap", "--die-with-parent", "--chdir", string(s.plan.Cwd), "--clearenv"}
	for _, kv := range s.plan.Env {
		name, value, _ := strings.Cut(kv, "=")
		words = append(words, "--setenv", name, value)
	}
	s.binds, s.skipped = 0, nil
	var last []string
	for _, m := range s.plan.Mounts {
		switch m.Kind {
		case session.FromTree:
			words = append(words, s.bind(m.ReadOnly, path.Join(string(s.plan.Tree), m.Source), string(m.Dest))...)
		case session.FromHost:
			words = append(words, s.bind(m.ReadOnly, m.Source, string(m.Dest))...)
		case session.FromTmpfs:
			words = append(words, s.tmpfs(m, files)...)
			if m.ReadOnly {
				last = append(last, "--remount-ro", string(m.Dest))
			}
		case session.Overlay:
			words = append(words, s.overlayOptions(m, files)...)
		}
	}
	return append(words, last...)
}

// bind returns the options for one bind. bwrap makes every bind nosuid, and also
// nodev unless it is --dev-bind.
func (s *sandbox) bind(readOnly bool, source, dest string) []string {
	s.binds++
	option := "--bind"
	switch {
	case strings.HasPrefix(source+"/", "/dev/"):
		option = "--dev-bind"
	case readOnly:
		option = "--ro-bind"
	}
	return []string{option, source, dest}
}

// nodesBelow returns the nodes below a directory of the plan's tmpfs, with paths
// relative to it.
func (s *sandbox) nodesBelow(dir string) (nodes []session.Node) {
	for _, n := range s.plan.Tmpfs {
		if rel, ok := strings.CutPrefix(n.Path, dir+"/"); ok {
			n.Path = rel
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// tmpfs returns the options for a mount of the plan's tmpfs, or of one file in it.
func (s *sandbox) tmpfs(m session.Mount, files bool) []string {
	for _, n := range s.plan.Tmpfs {
		if n.Path == m.Source && n.Kind == session.Regular {
			if !files {
				return nil
			}
			return s.bind(true, filepath.Join(s.store, n.Path), string(m.Dest))
		}
	}
	s.binds++
	words := []string{"--tmpfs", string(m.Dest)}
	nodes := s.nodesBelow(m.Source)
	for _, n := range nodes {
		at := path.Join(string(m.Dest), n.Path)
		switch {
		case n.Kind == session.Symlink:
			words = append(words, "--symlink", n.Target, at)
		case n.Kind == session.Regular && files && !s.hasMount(at):
			words = append(words, s.bind(true, filepath.Join(s.store, m.Source, n.Path), at)...)
		case n.Kind == session.Dir && (n.Mode != 0o755 || !s.hasMount(at) && !hasNodes(nodes, n.Path)):
			words = append(words, "--perms", fmt.Sprintf("%04o", n.Mode), "--dir", at)
		}
	}
	return words
}

// hasMount reports whether something is mounted at or below dest. bwrap makes mount
// points itself.
func (s *sandbox) hasMount(dest string) bool {
	return slices.ContainsFunc(s.plan.Mounts, func(m session.Mount) bool {
		return strings.HasPrefix(string(m.Dest)+"/", dest+"/")
	})
}

func hasNodes(nodes []session.Node, dir string) bool {
	return slices.ContainsFunc(nodes, func(n session.Node) bool { return strings.HasPrefix(n.Path, dir+"/") })
}

// overlayOptions returns the options for a read-only overlay, or the binds that
// come closest to it: of the tree's directory and, with files, of the small files in it.
func (s *sandbox) overlayOptions(m session.Mount, files bool) (words []string) {
	if s.overlay && files {
		s.binds++
		return []string{"--overlay-src", path.Join(string(s.plan.Tree), m.Lower),
			"--overlay-src", filepath.Join(s.store, m.Source), "--ro-overlay", string(m.Dest)}
	}
	words = s.bind(m.ReadOnly, path.Join(string(s.plan.Tree), m.Lower), string(m.Dest))
	if !files {
		return words
	}
	for _, n := range s.nodesBelow(m.Source) {
		if n.Kind == session.Dir {
			continue
		}
		source := filepath.Join(s.store, m.Source, n.Path)
		if n.Kind == session.Symlink {
			source = s.onHost(n.Target)
		}
		dest := followLinks(string(s.plan.Tree), path.Join(m.Lower, n.Path))
		if source == "" || dest == "" {
			s.skipped = append(s.skipped, path.Join(m.Lower, n.Path))
			continue
		}
		words = append(words, s.bind(true, source, dest)...)
	}
	return words
}

// onHost returns the host path that is bound at a path inside, or "".
func (s *sandbox) onHost(inside string) string {
	for _, m := range slices.Backward(s.plan.Mounts) {
		if rel, ok := strings.CutPrefix(inside, string(m.Dest)+"/"); ok && m.Kind == session.FromHost {
			source := path.Join(m.Source, rel)
			if _, err := os.Stat(source); err == nil {
				return source
			}
		}
	}
	return ""
}

// followLinks follows symlinks at the end of a path inside a tree. It returns "" if
// nothing exists there. bwrap cannot mount on a symlink.
func followLinks(tree, inside string) string {
	for range 10 {
		at := filepath.Join(tree, inside)
		st, err := os.Lstat(at)
		if err != nil {
			return ""
		}
		if st.Mode()&os.ModeSymlink == 0 {
			return inside
		}
		target, err := os.Readlink(at)
		if err != nil {
			return ""
		}
		if !path.IsAbs(target) {
			target = path.Join(path.Dir(inside), target)
		}
		inside = path.Clean("/" + target)
	}
	return ""
}
