package inside

import (
	"bytes"
	"debug/elf"
	"path"
	"slices"
	"strings"
)

// libraries finds shared libraries of the chroot as its loader does (ld.so(8)).
type libraries struct {
	dirs   []string
	cache  []byte // ld.so.cache
	opened int    // files
	listed int    // names
}

// Limits of what is looked at; a hostile chroot could have more.
const (
	maxOpened = 10000
	maxListed = 100000
)

// read reads an ELF file.
func (l *libraries) read(file string) (*elfFile, error) {
	if l.opened++; l.opened > maxOpened {
		return nil, errNotELF
	}
	return readELF(file)
}

// list returns the names in a directory.
func (l *libraries) list(dir string) []string {
	names := listDirectory(dir, max(maxListed-l.listed, 1))
	l.listed += len(names)
	return names
}

func newLibraries(in *Input) *libraries {
	l := &libraries{}
	for _, dir := range strings.Split(in.Env.Get("LD_LIBRARY_PATH"), ":") {
		l.addDir(dir)
	}
	l.readConfig("/etc/ld.so.conf", 0)
	for _, triplet := range []string{"x86_64-linux-gnu", "i386-linux-gnu", "aarch64-linux-gnu", "arm-linux-gnueabihf", "riscv64-linux-gnu"} {
		l.addDir("/usr/lib/" + triplet)
		l.addDir("/lib/" + triplet)
	}
	for _, dir := range []string{"/usr/lib64", "/lib64", "/usr/lib32", "/lib32", "/usr/lib", "/lib", "/usr/local/lib"} {
		l.addDir(dir)
	}
	l.cache, _ = readRegular("/etc/ld.so.cache", 8<<20)
	return l
}

func (l *libraries) addDir(dir string) {
	if path.IsAbs(dir) && !slices.Contains(l.dirs, dir) && len(l.dirs) < 64 && listDirectory(dir, 1) != nil {
		l.dirs = append(l.dirs, dir)
	}
}

// readConfig reads the directories in ld.so.conf and the files that it includes.
func (l *libraries) readConfig(file string, depth int) {
	if l.opened++; l.opened > 200 || depth > 2 {
		return
	}
	data, err := readRegular(file, 64<<10)
	if err != nil {
		return
	}
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		switch {
		case len(words) == 2 && words[0] == "include":
			pattern := words[1]
			if !path.IsAbs(pattern) {
				pattern = path.Join(path.Dir(file), pattern)
			}
			names := listDirectory(path.Dir(pattern), 100)
			slices.Sort(names)
			for _, name := range names {
				if ok, _ := path.Match(path.Base(pattern), name); ok {
					l.readConfig(path.Join(path.Dir(pattern), name), depth+1)
				}
			}
		case len(words) == 1:
			l.addDir(words[0])
		}
	}
}

// find returns the path and content of a library of a class, nil if there is none.
func (l *libraries) find(name string, class elf.Class, first []string) (string, *elfFile) {
	if path.IsAbs(name) {
		first, name = []string{path.Dir(name)}, path.Base(name)
	}
	for _, dir := range slices.Concat(first, l.dirs) {
		file := path.Join(dir, name)
		if f, err := l.read(file); err == nil && f.class == class {
			return file, f
		}
	}
	return "", nil
}

// has reports whether the chroot has a library of a class.
func (l *libraries) has(name string, class elf.Class) bool {
	_, f := l.find(name, class, nil)
	return f != nil
}

// missing returns the libraries that a file needs, directly or not, and that the chroot
// lacks. count is the number of those that it has.
func (l *libraries) missing(f *elfFile) (missing []string, count int) {
	seen := map[string]bool{}
	for pending := []*elfFile{f}; len(pending) > 0; {
		next := pending[0]
		pending = pending[1:]
		for _, name := range next.needed {
			if seen[name] || len(seen) > 2000 {
				continue
			}
			seen[name] = true
			_, library := l.find(name, f.class, slices.Concat(next.search, f.search))
			switch {
			case library != nil:
				count++
				pending = append(pending, library)
			case !bytes.Contains(l.cache, append([]byte(name), 0)):
				missing = append(missing, name)
			}
		}
	}
	return missing, count
}
