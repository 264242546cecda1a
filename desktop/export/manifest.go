package export

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// record describes a file that an export wrote.
type record struct {
	sums   []string // SHA-256; two while the file is being replaced
	size   int64    // if it and mtime are unchanged, the file is not read again
	mtime  int64    // nanoseconds
	source string   // see file.source
}

func (r record) equal(o record) bool {
	return r.size == o.size && r.mtime == o.mtime && r.source == o.source && slices.Equal(r.sums, o.sums)
}

// manifest records what was exported from one chroot. It is a file in
// $XDG_STATE_HOME.
type manifest struct {
	file      string
	selection Selection
	files     map[string]record // by path
	dirs      []string          // directories that an export made
	// generated names what the update tools made where there was nothing before:
	// cacheMade, mimeMade.
	generated []string

	// pending means that a run has not finished: each file may be old or new, and
	// the update tools have not run.
	pending bool
	state   string // of everything that a plan reads, after the last run: see Set.state
}

func newManifest(file string) *manifest {
	return &manifest{file: file, files: map[string]record{}, selection: Selection{Label: AutoLabel}}
}

// A manifest consists of lines of words separated by tabs. In a word, a tab is \t,
// a newline \n, a backslash \\. The first line is manifestHeader.
const manifestHeader = "chrun exports 1"

var escaper = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`)
var unescaper = strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\n`, "\n")

func (m *manifest) encode() []byte {
	var b bytes.Buffer
	b.Grow(4096 + 400*len(m.files))
	line := func(words ...string) {
		for i, w := range words {
			if i > 0 {
				b.WriteByte('\t')
			}
			if strings.ContainsAny(w, "\\\t\n") { // rarely: a replacer for each word is slow
				w = escaper.Replace(w)
			}
			b.WriteString(w)
		}
		b.WriteByte('\n')
	}
	line(manifestHeader)
	line("tree", m.selection.Tree)
	line("label", m.selection.Label)
	if m.pending {
		line("pending")
	}
	if m.state != "" {
		line("state", m.state)
	}
	if m.selection.All {
		line("all")
	}
	if m.selection.ClaimTypes {
		line("types")
	}
	for _, l := range m.lists() {
		for _, s := range *l.values {
			line(l.word, s)
		}
	}
	for _, c := range m.selection.CustomEntries {
		line("made", c.Program, c.Name, c.Icon)
	}
	for _, p := range slices.Sorted(maps.Keys(m.files)) {
		r := m.files[p]
		line("file", p, strings.Join(r.sums, " "), strconv.FormatInt(r.size, 10), strconv.FormatInt(r.mtime, 10), r.source)
	}
	return b.Bytes()
}

type list struct {
	word   string
	values *[]string
}

// lists returns the fields that have a line for each value.
func (m *manifest) lists() []list {
	s := &m.selection
	return []list{{"app", &s.Apps}, {"except", &s.Except}, {"bin", &s.Commands}, {"autostart", &s.Autostart}, {"dir", &m.dirs}, {"generated", &m.generated}}
}

// readManifest returns an empty manifest if the file does not exist.
func readManifest(file string) (*manifest, error) {
	m := newManifest(file)
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	if !s.Scan() || s.Text() != manifestHeader {
		return nil, fmt.Errorf("%s was written by an incompatible version of chrun", file)
	}
	for n := 2; s.Scan(); n++ {
		if !m.parseLine(strings.Split(s.Text(), "\t")) {
			return nil, fmt.Errorf("cannot read %s:%d: it is not a line of a manifest", file, n)
		}
	}
	return m, s.Err()
}

// parseLine reports whether it understood the line.
func (m *manifest) parseLine(words []string) bool {
	for i, w := range words {
		if strings.Contains(w, `\`) {
			words[i] = unescaper.Replace(w)
		}
	}
	if words[0] == "file" && len(words) == 6 {
		size, err1 := strconv.ParseInt(words[3], 10, 64)
		mtime, err2 := strconv.ParseInt(words[4], 10, 64)
		m.files[words[1]] = record{strings.Fields(words[2]), size, mtime, words[5]}
		return filepath.IsAbs(words[1]) && errors.Join(err1, err2) == nil
	}
	for _, l := range m.lists() {
		if words[0] == l.word && len(words) == 2 {
			*l.values = append(*l.values, words[1])
			return true
		}
	}
	s := &m.selection
	switch {
	case words[0] == "pending":
		m.pending = true
	case words[0] == "all":
		s.All = true
	case words[0] == "types":
		s.ClaimTypes = true
	case words[0] == "tree" && len(words) == 2:
		s.Tree = words[1]
	case words[0] == "state" && len(words) == 2:
		m.state = words[1]
	case words[0] == "label" && len(words) == 2:
		s.Label = words[1]
	case words[0] == "made" && len(words) == 4:
		s.CustomEntries = append(s.CustomEntries, CustomEntry{words[1], words[2], words[3]})
	default:
		return false
	}
	return true
}

// write writes the manifest atomically. It creates missing directories in the
// same way, by renaming a complete one.
func (m *manifest) write() error {
	top, temp := m.missingDir()
	if top == "" {
		if err := os.WriteFile(m.file+"~", m.encode(), 0o600); err != nil {
			os.Remove(m.file + "~")
			return err
		}
		return os.Rename(m.file+"~", m.file)
	}
	file := temp + strings.TrimPrefix(m.file, top)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file, m.encode(), 0o600); err != nil {
		os.RemoveAll(temp)
		return err
	}
	return os.Rename(temp, top)
}

// missingDir returns the topmost directory of the manifest that does not exist,
// or "", and the temporary name under which it is made.
func (m *manifest) missingDir() (top, temp string) {
	for dir := filepath.Dir(m.file); ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) || dir == "/" {
			break
		}
		top = dir
	}
	if top != "" {
		temp = temporaryName(top)
	}
	return top, temp
}

// removeTemporaries removes what a killed run left while it wrote the manifest.
func (m *manifest) removeTemporaries() {
	os.Remove(m.file + "~")
	if _, temp := m.missingDir(); temp != "" {
		os.RemoveAll(temp)
	}
}

// recordMissingDirs records the directories that the files need and that do not
// exist.
func (m *manifest) recordMissingDirs(files []string) error {
	seen := map[string]bool{}
	for _, f := range files {
		for dir := filepath.Dir(f); dir != "/" && !seen[dir]; dir = filepath.Dir(dir) {
			seen[dir] = true
			_, err := os.Stat(dir)
			if err == nil {
				break
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return err // whose it is decides whether an unexport removes it
			}
			if !slices.Contains(m.dirs, dir) {
				m.dirs = append(m.dirs, dir)
			}
		}
	}
	return nil
}

// recordGenerated records, before a tool makes the file, that it did not exist.
func (m *manifest) recordGenerated(what, file string) error {
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) || slices.Contains(m.generated, what) {
		return nil
	}
	m.generated = append(m.generated, what)
	return m.write()
}

// removeEmptyDirs removes the directories that an export made, if they are empty.
func (m *manifest) removeEmptyDirs() {
	slices.SortFunc(m.dirs, func(a, b string) int { return strings.Compare(b, a) }) // deepest first
	m.dirs = slices.DeleteFunc(m.dirs, func(dir string) bool {
		return !strings.HasPrefix(m.file, dir+"/") && os.Remove(dir) == nil
	})
}

// remove removes the manifest, atomically with the directories that were made for
// it.
func (m *manifest) remove() error {
	top := ""
	for dir := filepath.Dir(m.file); slices.Contains(m.dirs, dir); dir = filepath.Dir(dir) {
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			break
		}
		top = dir
	}
	if top == "" {
		return ignoreNotExist(os.Remove(m.file))
	}
	if err := os.Rename(top, temporaryName(top)); err != nil {
		return err
	}
	return os.RemoveAll(temporaryName(top))
}

// isEmpty reports whether nothing is selected and no exported file is left.
func (m *manifest) isEmpty() bool {
	s := m.selection
	return !s.All && len(s.Apps)+len(s.Commands)+len(s.Autostart)+len(s.CustomEntries) == 0 && len(m.files) == 0
}

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// stamp identifies the state of a file without reading it.
func stamp(st *unix.Stat_t) string {
	return fmt.Sprintf("%x.%x.%x.%x", st.Ino, st.Size, st.Mtim.Nano(), st.Ctim.Nano())
}
