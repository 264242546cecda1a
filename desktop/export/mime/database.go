package mime

import (
	"os"
	"path"
	"path/filepath"
	"strings"

	"chrun/session/rootfs"
)

// database is the host's shared-mime-info (shared-mime-info-spec 0.21), from
// the text files that update-mime-database writes beside mime.cache.
type database struct {
	types   map[string]bool
	aliases map[string]string
	parents map[string][]string
	globs   map[string]bool // lower case
	wild    []string        // those globs that are neither a name nor "*.name"
}

// readDatabase reads those of the data directories, the first wins. As GLib,
// it leaves out those without mime.cache where one has it.
func readDatabase(dirs []string) database {
	d := database{map[string]bool{}, map[string]string{}, map[string][]string{}, map[string]bool{}, nil}
	var cached, all []string
	for _, dir := range dirs {
		dir = filepath.Join(dir, "mime")
		all = append(all, dir)
		if _, err := os.Stat(dir + "/mime.cache"); err == nil {
			cached = append(cached, dir)
		}
	}
	if cached != nil {
		all = cached
	}
	for _, dir := range all {
		forEachLine(dir+"/types", func(t string) { d.types[t] = true })
		forEachLine(dir+"/aliases", func(line string) {
			alias, t, _ := strings.Cut(line, " ")
			if _, there := d.aliases[alias]; !there && t != "" {
				d.aliases[alias] = t
			}
		})
		forEachLine(dir+"/subclasses", func(line string) {
			if t, parent, ok := strings.Cut(line, " "); ok {
				d.parents[t] = expand(append([]string{}, d.parents[t]...), []string{parent}, nil)
			}
		})
		forEachLine(dir+"/globs2", func(line string) { // weight:type:glob[:flags]
			if f := strings.Split(line, ":"); len(f) >= 3 {
				glob := strings.ToLower(f[2])
				d.globs[glob] = true
				if strings.ContainsAny(strings.TrimPrefix(glob, "*."), "*?[") {
					d.wild = append(d.wild, glob)
				}
			}
		})
	}
	return d
}

func forEachLine(file string, each func(string)) {
	data, err := rootfs.ReadHost(rootfs.HostPath(file), 0, 0)
	if err != nil {
		return
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		if line != "" && line[0] != '#' {
			each(line)
		}
	}
}

func (d database) resolveAlias(t string) string {
	if real, ok := d.aliases[t]; ok {
		return real
	}
	return t
}

func (d database) knows(t string) bool {
	_, alias := d.aliases[t]
	return alias || d.types[t]
}

// lineage is the type and all that it is a kind of, nearest first
// (get_list_of_mimetypes in gdesktopappinfo.c). GLib takes no text/plain for
// text/*, nor application/octet-stream, where the database does not say so.
func (d database) lineage(t string) []string {
	list := []string{d.resolveAlias(t)}
	for i := 0; i < len(list); i++ {
		t := d.resolveAlias(list[i])
		list = expand(list, []string{t}, nil)
		list = expand(list, d.parents[t], nil)
	}
	return list
}

// hasGlobFor says whether the host already gives files of this glob a type: by it,
// by a shorter suffix, or by a pattern that matches it.
func (d database) hasGlobFor(glob string) bool {
	glob = strings.ToLower(glob)
	if d.globs[glob] {
		return true
	}
	name := strings.TrimPrefix(glob, "*")
	for at := strings.IndexByte(name, '.'); at >= 0; {
		if d.globs["*"+name[at:]] {
			return true
		}
		next := strings.IndexByte(name[at+1:], '.')
		if next < 0 {
			break
		}
		at += 1 + next
	}
	for _, wild := range d.wild {
		if ok, _ := path.Match(wild, name); ok {
			return true
		}
	}
	return false
}
