package mime

import (
	"os"
	"path"
	"path/filepath"
	"strings"

	"chrun/session/rootfs"
)

// database is the host's shared-mime-info (shared-mime-info-spec 0.21), read from
// the text files that update-mime-database writes next to mime.cache.
type database struct {
	types     map[string]bool
	aliases   map[string]string
	parents   map[string][]string
	globs     map[string]bool // lower case
	wildcards []string        // globs that are neither a name nor "*.name"
}

// readDatabase reads the databases of the data directories; the first one wins.
// Like GLib, it leaves out those without mime.cache if any has one.
func readDatabase(f *failures, dirs []string) database {
	d := database{map[string]bool{}, map[string]string{}, map[string][]string{}, map[string]bool{}, nil}
	var cached, all []string
	for _, dir := range dirs {
		dir = filepath.Join(dir, "mime")
		all = append(all, dir)
		_, err := os.Stat(dir + "/mime.cache")
		f.note(err)
		if err == nil {
			cached = append(cached, dir)
		}
	}
	if cached != nil {
		all = cached
	}
	for _, dir := range all {
		forEachLine(f, dir+"/types", func(t string) { d.types[t] = true })
		forEachLine(f, dir+"/aliases", func(line string) {
			alias, t, _ := strings.Cut(line, " ")
			if _, seen := d.aliases[alias]; !seen && t != "" {
				d.aliases[alias] = t
			}
		})
		forEachLine(f, dir+"/subclasses", func(line string) {
			if t, parent, ok := strings.Cut(line, " "); ok {
				d.parents[t] = appendNew(append([]string{}, d.parents[t]...), []string{parent}, nil)
			}
		})
		forEachLine(f, dir+"/globs2", func(line string) { // weight:type:glob[:flags]
			if f := strings.Split(line, ":"); len(f) >= 3 {
				glob := strings.ToLower(f[2])
				d.globs[glob] = true
				if strings.ContainsAny(strings.TrimPrefix(glob, "*."), "*?[") {
					d.wildcards = append(d.wildcards, glob)
				}
			}
		})
	}
	return d
}

// forEachLine calls each with every line that is neither empty nor a comment.
func forEachLine(f *failures, file string, each func(string)) {
	data, err := rootfs.ReadHost(rootfs.HostPath(file), 0, 0)
	if err != nil {
		f.note(err)
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

// lineage returns the type and all types that it is a subclass of, nearest first
// (get_list_of_mimetypes in gdesktopappinfo.c). As in GLib, text/plain and
// application/octet-stream are only among them if the database says so.
func (d database) lineage(t string) []string {
	list := []string{d.resolveAlias(t)}
	for i := 0; i < len(list); i++ {
		t := d.resolveAlias(list[i])
		list = appendNew(list, []string{t}, nil)
		list = appendNew(list, d.parents[t], nil)
	}
	return list
}

// hasGlobFor reports whether the host already assigns a type to files of this
// glob: by the glob itself, by a shorter suffix, or by a pattern that matches it.
func (d database) hasGlobFor(glob string) bool {
	glob = strings.ToLower(glob)
	if d.globs[glob] {
		return true
	}
	name := strings.TrimPrefix(glob, "*")
	for suffix := name; ; suffix = suffix[1:] {
		dot := strings.IndexByte(suffix, '.')
		if dot < 0 {
			break
		}
		if suffix = suffix[dot:]; d.globs["*"+suffix] {
			return true
		}
	}
	for _, wild := range d.wildcards {
		if ok, _ := path.Match(wild, name); ok {
			return true
		}
	}
	return false
}
