package export

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/desktop/export/inside"
	"chrun/session/rootfs"
)

// isUpToDate reports whether a plan would find nothing to do: the selection, all
// that a plan reads, and the exported files are as they were after the last run.
func (s *Set) isUpToDate(selection *Selection, treeState string) bool {
	if s.previous.pending || s.previous.state == "" || !s.previous.selection.equal(selection) {
		return false
	}
	byDir := map[string][]string{}
	for path, r := range s.previous.files {
		if r.source != "" {
			continue // an icon: state covers its directory
		}
		dir, name := filepath.Split(path)
		byDir[dir] = append(byDir[dir], name)
	}
	for dir, names := range byDir {
		fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return false
		}
		defer unix.Close(fd)
		for _, name := range names {
			var st unix.Stat_t
			r := s.previous.files[dir+name]
			if unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG ||
				st.Size != r.size || st.Mtim.Nano() != r.mtime || len(r.sums) != 1 {
				return false
			}
		}
	}
	return s.state(treeState) == s.previous.state
}

// state identifies the state of everything that a plan reads, without reading
// files: package managers replace files by renaming, which changes the directory.
// treeState was computed before planning, so the next run notices what changed in
// the chroot since then. The host's part is computed after the run, which itself
// changes the host.
func (s *Set) state(treeState string) string {
	h := stateHash{sha256.New()}
	io.WriteString(h, treeState)
	host := s.host
	for _, dir := range append([]string{host.DataHome}, host.DataDirs...) {
		for _, sub := range []string{"applications", "mime", "dbus-1/services", "icons", "icons/hicolor"} {
			h.addHostDir(filepath.Join(dir, sub), s.previous.files)
		}
		sizes, _ := filepath.Glob(dir + "/icons/hicolor/*/*")
		for _, d := range sizes {
			h.addFile(unix.AT_FDCWD, d)
		}
	}
	for _, dir := range append([]string{host.ConfigHome}, host.ConfigDirs...) {
		if len(s.previous.selection.Autostart) > 0 {
			h.addHostDir(filepath.Join(dir, "autostart"), s.previous.files)
		}
		for _, d := range append(slices.Clone(host.Desktops), "") {
			h.addFile(unix.AT_FDCWD, filepath.Join(dir, strings.TrimPrefix(strings.ToLower(d)+"-mimeapps.list", "-")))
		}
	}
	for _, dir := range append(filepath.SplitList(host.Path), "/usr/share/pixmaps", host.Home+"/.icons", host.Home+"/.icons/hicolor", host.RuntimeDir+"/dbus-1/services") {
		h.addFile(unix.AT_FDCWD, dir)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// treeState identifies the state of the chroot and the selection.
func (s *Set) treeState(root *rootfs.Root, selection *Selection) string {
	h := stateHash{sha256.New()}
	host := s.host
	fmt.Fprintln(h, *selection, host.Launcher, host.Locale, host.Dirs, host.RuntimeDir)
	for _, p := range inside.LoginFiles {
		if st, err := root.Stat(p); err == nil {
			io.WriteString(h, stamp(&st))
		}
	}
	walkEntries(root, append(entryDirs(root), autostartDirs(root)...), func(dir rootfs.Path, _ string, _ []string) { h.addTreeDir(root, dir) })
	for _, data := range inside.DataDirs(root) {
		theme := data.Join("icons/hicolor") // other themes have a cache, and its update changes the theme's directory
		for _, dir := range []rootfs.Path{data.Join("mime/packages"), data.Join("dbus-1/services"), data.Join("pixmaps"), data.Join("icons"), theme} {
			h.addTreeDir(root, dir)
		}
		sizes, _ := root.List(theme)
		for _, e := range sizes {
			h.addTreeDir(root, theme.Join(e.Name()))
		}
	}
	for _, program := range selection.Commands {
		p := FindProgram(root, program)
		fmt.Fprintln(h, p, commandText(host, s.chroot, program, p))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// stateHash is a hash of the stamps of files.
type stateHash struct{ hash.Hash }

// addFile adds a file in the directory fd; with the name "", the directory itself.
func (h stateHash) addFile(fd int, name string) {
	var st unix.Stat_t
	flags := 0
	if name == "" {
		flags = unix.AT_EMPTY_PATH
	}
	if unix.Fstatat(fd, name, &st, flags) == nil {
		io.WriteString(h, name+" "+stamp(&st)+"\n")
	}
}

// addTreeDir adds a directory of the chroot and the files in it. It does not
// follow links.
func (h stateHash) addTreeDir(root *rootfs.Root, dir rootfs.Path) {
	fd, err := root.OpenDir(dir)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	h.addFile(fd, "")
	entries, _ := root.List(dir)
	for _, e := range entries {
		var st unix.Stat_t
		if unix.Fstatat(fd, e.Name(), &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
			io.WriteString(h, e.Name()+" "+stamp(&st)+"\n")
		}
	}
}

// addHostDir adds a directory of the host and the files in it, except exported
// ones.
func (h stateHash) addHostDir(dir string, exported map[string]record) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	h.addFile(fd, "")
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if _, ok := exported[dir+"/"+e.Name()]; !ok {
			h.addFile(fd, e.Name())
		}
	}
}
