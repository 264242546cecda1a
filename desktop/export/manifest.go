package export

import (
	"bufio"
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

// Selection is what a person wants of a chroot: it is kept, so that sync needs no
// words.
type Selection struct {
	Tree          string        // the chroot's canonical path
	All           bool          // every app that menus show
	Apps          []string      // ids in the chroot
	Except        []string      // ids, of All
	Commands      []string      // programs, as they were typed
	CustomEntries []CustomEntry // entries for programs that have none
	Label         string        // AutoLabel, or what stands behind each name
	ClaimTypes    bool          // types whose default moves, too
}

// CustomEntry is an entry that the chroot has not.
type CustomEntry struct{ Program, Name, Icon string }

// AutoLabel is the label " (NAME)" where the host shows the same name.
const AutoLabel = "auto"

// written is a file of ours on the host.
type written struct {
	sums  []string // SHA-256; two while it is being replaced
	size  int64    // and the time say whether it has to be read
	mtime int64    // nanoseconds
	from  string   // what it was copied from, as stamp has it
}

// manifest is what was written for one chroot, a file in $XDG_STATE_HOME.
type manifest struct {
	file  string
	asked Selection
	files map[string]written // by path
	dirs  []string           // that we made
	// generated are what the update tools make, where there was none: "cache" of
	// entries and "mime".
	generated []string

	// pending says that a run has not ended: files may be old or new, and the
	// update tools have not run.
	pending bool
	state   string          // of all that a plan looks at, after the last run: see Set.state
	from    map[string]bool // the sources of files
}

// The form of a manifest: lines of words between tabs, in which a tab is \t, a
// newline \n, a backslash \\.
const form = "chrun exports 1"

var escaper = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`)
var unescaper = strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\n`, "\n")

func (m *manifest) encode() []byte {
	var b strings.Builder
	line := func(words ...string) {
		for i, w := range words {
			if i > 0 {
				b.WriteByte('\t')
			}
			escaper.WriteString(&b, w)
		}
		b.WriteByte('\n')
	}
	line(form)
	line("tree", m.asked.Tree)
	line("label", m.asked.Label)
	if m.pending {
		line("pending")
	}
	if m.state != "" {
		line("state", m.state)
	}
	if m.asked.All {
		line("all")
	}
	if m.asked.ClaimTypes {
		line("types")
	}
	for _, l := range m.lists() {
		for _, s := range *l.list {
			line(l.word, s)
		}
	}
	for _, e := range m.asked.CustomEntries {
		line("made", e.Program, e.Name, e.Icon)
	}
	for _, p := range slices.Sorted(maps.Keys(m.files)) {
		w := m.files[p]
		line("file", p, strings.Join(w.sums, " "), strconv.FormatInt(w.size, 10), strconv.FormatInt(w.mtime, 10), w.from)
	}
	return []byte(b.String())
}

type list struct {
	word string
	list *[]string
}

// lists are the kinds of lines that have one word.
func (m *manifest) lists() []list {
	a := &m.asked
	return []list{{"app", &a.Apps}, {"except", &a.Except}, {"bin", &a.Commands}, {"dir", &m.dirs}, {"generated", &m.generated}}
}

// load reads a manifest; one that is not there is empty.
func load(file string) (*manifest, error) {
	m := &manifest{file: file, files: map[string]written{}, asked: Selection{Label: AutoLabel}}
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
	if !s.Scan() || s.Text() != form {
		return nil, fmt.Errorf("%s is no list of exports of this version of chrun", file)
	}
	for n := 2; s.Scan(); n++ {
		if !m.line(strings.Split(s.Text(), "\t")) {
			return nil, fmt.Errorf("%s:%d: cannot be read", file, n)
		}
	}
	return m, s.Err()
}

func (m *manifest) line(words []string) bool {
	if strings.Contains(words[len(words)-1], `\`) || len(words) > 1 && strings.Contains(words[1], `\`) {
		for i := range words {
			words[i] = unescaper.Replace(words[i])
		}
	}
	if words[0] == "file" && len(words) == 6 {
		size, err1 := strconv.ParseInt(words[3], 10, 64)
		mtime, err2 := strconv.ParseInt(words[4], 10, 64)
		m.files[words[1]] = written{strings.Fields(words[2]), size, mtime, words[5]}
		return filepath.IsAbs(words[1]) && errors.Join(err1, err2) == nil
	}
	a := &m.asked
	for _, l := range m.lists() {
		if words[0] == l.word && len(words) == 2 {
			*l.list = append(*l.list, words[1])
			return true
		}
	}
	switch {
	case words[0] == "pending":
		m.pending = true
	case words[0] == "all":
		a.All = true
	case words[0] == "types":
		a.ClaimTypes = true
	case words[0] == "tree" && len(words) == 2:
		a.Tree = words[1]
	case words[0] == "state" && len(words) == 2:
		m.state = words[1]
	case words[0] == "label" && len(words) == 2:
		a.Label = words[1]
	case words[0] == "made" && len(words) == 4:
		a.CustomEntries = append(a.CustomEntries, CustomEntry{words[1], words[2], words[3]})
	default:
		return false
	}
	return true
}

// store writes the manifest at once or not at all; and so it makes the
// directories that it needs, which it notes.
func (m *manifest) store() error {
	top, temp := m.fresh()
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

// fresh is the topmost directory of the manifest that is not there, "" if all
// are, and under which name it is made.
func (m *manifest) fresh() (top, temp string) {
	for dir := filepath.Dir(m.file); ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil || dir == "/" {
			break
		}
		top = dir
	}
	if top != "" {
		temp = temporary(top)
	}
	return top, temp
}

// clear removes what a run that was killed has left of the manifest itself.
func (m *manifest) clear() {
	os.Remove(m.file + "~")
	if _, temp := m.fresh(); temp != "" {
		os.RemoveAll(temp)
	}
}

// empty says that nothing is asked and nothing is there.
func (m *manifest) empty() bool {
	a := m.asked
	return !a.All && len(a.Apps)+len(a.Commands)+len(a.CustomEntries) == 0 && len(m.files) == 0
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// stamp tells one state of a file from another without reading it.
func stamp(st *unix.Stat_t) string {
	return fmt.Sprintf("%x.%x.%x.%x", st.Ino, st.Size, st.Mtim.Nano(), st.Ctim.Nano())
}
