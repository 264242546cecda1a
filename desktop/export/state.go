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

	"chrun/session/rootfs"
)

// asDone says whether a plan would find nothing to do: the same is asked, all
// that it looks at is as after the last run, and so is what that wrote.
func (s *Set) asDone(asked *Selection, tree string) bool {
	if s.had.pending || s.had.state == "" || fmt.Sprint(*asked) != fmt.Sprint(s.had.asked) {
		return false
	}
	byDir := map[string][]string{}
	for at := range s.had.files {
		dir, name := filepath.Split(at)
		if s.had.files[at].from != "" {
			continue // of icons the directory tells: state
		}
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
			old := s.had.files[dir+name]
			if unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG ||
				st.Size != old.size || st.Mtim.Nano() != old.mtime || len(old.sums) != 1 {
				return false
			}
		}
	}
	return s.state(tree) == s.had.state
}

// state tells one state of all that a plan looks at from another, without reading
// it: package managers change files by renaming new ones over them, which changes
// the directory. tree is treeState of before the plan, for what changes meanwhile
// is to be seen by the next; the host changes by our own hand.
func (s *Set) state(tree string) string {
	h := &looker{sha256.New()}
	io.WriteString(h, tree)
	host := s.host
	for _, dir := range append([]string{host.DataHome}, host.DataDirs...) {
		for _, b := range []string{"applications", "mime", "dbus-1/services", "icons", "icons/hicolor"} {
			h.host(filepath.Join(dir, b), s.had.files)
		}
		sizes, _ := filepath.Glob(dir + "/icons/hicolor/*/*")
		for _, d := range sizes {
			h.at(unix.AT_FDCWD, d)
		}
	}
	for _, dir := range append([]string{host.ConfigHome}, host.ConfigDirs...) {
		for _, d := range append(slices.Clone(host.Desktops), "") {
			h.at(unix.AT_FDCWD, filepath.Join(dir, strings.TrimPrefix(strings.ToLower(d)+"-mimeapps.list", "-")))
		}
	}
	for _, dir := range append(filepath.SplitList(host.Path), "/usr/share/pixmaps", host.Home+"/.icons", host.Home+"/.icons/hicolor", host.RuntimeDir+"/dbus-1/services") {
		h.at(unix.AT_FDCWD, dir)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// treeState is that of the chroot, and of what is asked.
func (s *Set) treeState(root *rootfs.Root, asked *Selection) string {
	h := &looker{sha256.New()}
	host := s.host
	fmt.Fprintln(h, *asked, host.Launcher, host.Locale, host.Dirs, host.RuntimeDir)
	for _, dir := range []rootfs.Path{"/usr/share/applications", "/usr/local/share/applications", "/usr/share/mime/packages", "/usr/share/dbus-1/services",
		"/usr/share/pixmaps", "/usr/local/share/pixmaps", "/usr/share/icons", "/usr/local/share/icons",
		"/usr/share/icons/hicolor", "/usr/local/share/icons/hicolor"} { // other themes have a cache, which changes the theme's own directory
		h.tree(root, dir)
	}
	for _, sub := range []rootfs.Path{"/usr/share/icons/hicolor", "/usr/local/share/icons/hicolor"} {
		sizes, _ := root.List(sub)
		for _, e := range sizes {
			h.tree(root, sub.Join(e.Name()))
		}
	}
	for _, b := range asked.Commands {
		fmt.Fprintln(h, FindProgram(root, b))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// looker adds the states of files to a sum.
type looker struct{ hash.Hash }

// at adds the state of name in the directory fd, "" for fd itself.
func (h *looker) at(fd int, name string) {
	var st unix.Stat_t
	flags := 0
	if name == "" {
		flags = unix.AT_EMPTY_PATH
	}
	if unix.Fstatat(fd, name, &st, flags) == nil {
		io.WriteString(h, name+" "+stamp(&st)+"\n")
	}
}

// tree adds a directory of the chroot and the files in it; links are not
// followed.
func (h *looker) tree(root *rootfs.Root, dir rootfs.Path) {
	fd, err := root.OpenDir(dir)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	h.at(fd, "")
	entries, _ := root.List(dir)
	for _, e := range entries {
		var st unix.Stat_t
		if unix.Fstatat(fd, e.Name(), &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
			io.WriteString(h, e.Name()+" "+stamp(&st)+"\n")
		}
	}
}

// host adds a directory of the host and the files in it, but for ours.
func (h *looker) host(dir string, ours map[string]written) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	h.at(fd, "")
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if _, is := ours[dir+"/"+e.Name()]; !is {
			h.at(fd, e.Name())
		}
	}
}
