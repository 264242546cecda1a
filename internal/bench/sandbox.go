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

// sandbox is a plan of chrun's in bwrap's words: the same directories at the
// same places, the same small files, the same environment.
type sandbox struct {
	plan    *session.Plan
	store   string // where the plan's small files lie
	overlay bool   // bwrap can make overlays
	binds   int
	left    []string // small files without a place
	how     string
	words   []string
	few     []string // without the small files
}

// newSandbox writes the small files and finds words that bwrap accepts.
func (b *bench) newSandbox(p *session.Plan) (*sandbox, error) {
	var failed error
	for _, overlay := range []bool{true, false} {
		s := &sandbox{plan: p, store: filepath.Join(b.own, "files"), overlay: overlay}
		if err := s.write(b.session.User.UID, b.session.User.GID); err != nil {
			return nil, err
		}
		s.few = s.translate(false)
		s.words = s.translate(true)
		if failed = b.works(s.run("/bin/true")...); failed == nil {
			s.describe()
			return s, nil
		}
	}
	return nil, failed
}

// run is the command line for a program, bare the one without small files.
func (s *sandbox) run(argv ...string) []string {
	return append(append(slices.Clone(s.words), "--"), argv...)
}

func (s *sandbox) bare(argv ...string) []string {
	return append(append(slices.Clone(s.few), "--"), argv...)
}

func (s *sandbox) describe() {
	s.how = "over /etc lie read-only binds of single files, where chrun has one overlay (this bwrap has no --ro-overlay, or it fails)"
	if s.overlay {
		s.how = "/etc is an overlay, as chrun's"
	}
	if len(s.left) > 0 {
		s.how += "; left out, having no mount point in the chroot: " + strings.Join(s.left, ", ")
	}
}

// write writes the plan's tmpfs to disk: bwrap has no way to be handed many
// small files that hyperfine could repeat.
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
			err = os.WriteFile(at, n.Data, os.FileMode(n.Mode&0o777))
		}
		if err = errors.Join(err, os.Lchown(at, uid, gid)); err != nil {
			return err
		}
	}
	return nil
}

// translate is the plan in bwrap's words, with or without the small files.
func (s *sandbox) translate(files bool) []string {
	words := []string{"bwrap", "--die-with-parent", "--chdir", string(s.plan.Cwd), "--clearenv"}
	for _, kv := range s.plan.Env {
		name, value, _ := strings.Cut(kv, "=")
		words = append(words, "--setenv", name, value)
	}
	s.binds, s.left = 0, nil
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
			if files {
				words = append(words, s.layer(m)...)
			}
		}
	}
	return append(words, last...)
}

// bind is one bind. bwrap makes every one nosuid, and nodev unless it is asked
// not to.
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

// below are the nodes below a directory of the plan's tmpfs, by their paths
// relative to it.
func (s *sandbox) below(dir string) (nodes []session.Node) {
	for _, n := range s.plan.Tmpfs {
		if rel, ok := strings.CutPrefix(n.Path, dir+"/"); ok {
			n.Path = rel
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// tmpfs is a mount of our tmpfs, or of one file of it.
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
	nodes := s.below(m.Source)
	for _, n := range nodes {
		at := path.Join(string(m.Dest), n.Path)
		switch {
		case n.Kind == session.Symlink:
			words = append(words, "--symlink", n.Target, at)
		case n.Kind == session.Regular && files && !s.covered(at):
			words = append(words, s.bind(true, filepath.Join(s.store, m.Source, n.Path), at)...)
		case n.Kind == session.Dir && (n.Mode != 0o755 || !s.covered(at) && !filled(nodes, n.Path)):
			words = append(words, "--perms", fmt.Sprintf("%04o", n.Mode), "--dir", at)
		}
	}
	return words
}

// covered says whether something is mounted at or below dest: bwrap makes mount
// points by itself.
func (s *sandbox) covered(dest string) bool {
	return slices.ContainsFunc(s.plan.Mounts, func(m session.Mount) bool {
		return strings.HasPrefix(string(m.Dest)+"/", dest+"/")
	})
}

func filled(nodes []session.Node, dir string) bool {
	return slices.ContainsFunc(nodes, func(n session.Node) bool { return strings.HasPrefix(n.Path, dir+"/") })
}

// layer is a read-only overlay, or the binds that come nearest to it.
func (s *sandbox) layer(m session.Mount) (words []string) {
	if s.overlay {
		s.binds++
		return []string{"--overlay-src", path.Join(string(s.plan.Tree), m.Lower),
			"--overlay-src", filepath.Join(s.store, m.Source), "--ro-overlay", string(m.Dest)}
	}
	for _, n := range s.below(m.Source) {
		if n.Kind == session.Dir {
			continue
		}
		source := filepath.Join(s.store, m.Source, n.Path)
		if n.Kind == session.Symlink {
			source = s.onHost(n.Target)
		}
		dest := inTree(string(s.plan.Tree), path.Join(m.Lower, n.Path))
		if source == "" || dest == "" {
			s.left = append(s.left, path.Join(m.Lower, n.Path))
			continue
		}
		words = append(words, s.bind(true, source, dest)...)
	}
	return words
}

// onHost is where a path inside lies on the host, when it is bound from there.
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

// inTree follows the links at the end of a path inside a tree; "" when nothing
// is there. bwrap cannot mount on a link.
func inTree(tree, inside string) string {
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
