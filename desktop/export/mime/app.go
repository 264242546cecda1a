package mime

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/desktop/export/service"
	"chrun/session/rootfs"
)

const entryGroup = "Desktop Entry"

// canStart reports whether GLib would start the entry in the file
// (g_desktop_app_info_load_from_keyfile). That includes Hidden entries, which a
// list may name.
func (h *Host) canStart(file string) bool {
	ok, known := h.startable[file]
	if !known {
		k := readKeyFile(h.failures, file)
		ok = k != nil && h.isStartable(k)
		h.startable[file] = ok
	}
	return ok
}

func readKeyFile(f *failures, file string) *keyFile {
	data, err := rootfs.ReadHost(rootfs.HostPath(file), 0, 0)
	if err != nil {
		f.note(err)
		return nil
	}
	return parseKeyFile(string(data))
}

func (h *Host) isStartable(k *keyFile) bool {
	kind, _, _ := k.getString(entryGroup, "Type")
	if k.first != entryGroup || kind != "Application" {
		return false
	}
	dir, _, bad1 := k.getString(entryGroup, "Path")
	try, _, bad2 := k.getString(entryGroup, "TryExec")
	exec, _, bad3 := k.getString(entryGroup, "Exec")
	if bad1 || bad2 || bad3 || try != "" && !h.hasProgram(try, dir) {
		return false
	}
	if exec == "" {
		return true
	}
	argv, err := service.SplitCommand(exec)
	return err == nil && h.hasProgram(argv[0], dir)
}

// hasProgram reports whether g_find_program_for_path finds the program. dir is the
// entry's Path.
func (h *Host) hasProgram(program, dir string) bool {
	isExecutable := func(p string) bool {
		if !filepath.IsAbs(p) && dir != "" {
			p = filepath.Join(dir, p)
		}
		st, err := os.Stat(p)
		if err == nil && !st.IsDir() {
			if err = unix.Access(p, unix.X_OK); err == nil {
				return true
			}
		}
		h.failures.note(err)
		return false
	}
	if filepath.IsAbs(program) {
		return isExecutable(program)
	}
	if (dir != "" || strings.Contains(program, "/")) && isExecutable(program) {
		return true
	}
	for p := range strings.SplitSeq(h.dirs.Path, ":") {
		if isExecutable(filepath.Join(p, program)) {
			return true
		}
	}
	return false
}

// listEntries returns the desktop entries below dir by ID, in which "-" stands for
// "/".
func listEntries(f *failures, dir string) map[string]string {
	files := map[string]string{}
	var walk func(dir, prefix string, depth int)
	walk = func(dir, prefix string, depth int) {
		list, err := os.ReadDir(dir)
		f.note(err)
		for _, e := range list {
			file := filepath.Join(dir, e.Name())
			if strings.HasSuffix(e.Name(), ".desktop") {
				files[prefix+e.Name()] = file
			} else if depth < 8 && isDir(file, e) { // the depth ends loops of links
				walk(file, prefix+e.Name()+"-", depth+1)
			}
		}
	}
	walk(dir, "", 0)
	return files
}

func isDir(file string, e os.DirEntry) bool {
	if e.Type()&os.ModeSymlink == 0 {
		return e.IsDir()
	}
	st, err := os.Stat(file)
	return err == nil && st.IsDir()
}
