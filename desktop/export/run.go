package export

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"chrun/desktop/export/icon"
	"chrun/desktop/export/mime"
)

// Run makes the plan true. First the manifest says what may be there from now on,
// then files change, each at once, then the tools run, then the manifest says
// what is there: a run that is killed is completed by the next. It returns what
// went wrong with the tools, which does not undo anything.
func (s *Set) Run(p *Plan) (failed []error, err error) {
	if s.nothing(p) {
		if !p.done && p.tree != "" && len(s.had.files) > 0 { // what has changed is of no consequence
			s.had.state = s.state(p.tree)
			return nil, s.had.store()
		}
		return nil, nil
	}
	m := s.union(p)
	if s.had.pending {
		for at := range s.had.files {
			os.Remove(temporary(at))
		}
		os.Remove(temporary(s.host.DataHome + "/applications/mimeinfo.cache"))
	}
	targets := []string{m.file}
	for _, st := range p.Steps {
		if st.Op == Write || st.Op == Replace {
			targets = append(targets, st.Path)
		}
	}
	m.noteDirs(targets)
	// Where things are only removed, the old manifest knows all of them: a full
	// disk keeps nobody from that.
	if err := m.store(); err != nil && (len(targets) > 1 || !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT)) {
		return nil, err
	}
	if err := m.makeDirs(targets); err != nil {
		return nil, err
	}
	touched := map[string]bool{} // top directories of $XDG_DATA_HOME
	touch := func(at string) {
		if rel, ok := strings.CutPrefix(at, s.host.DataHome+"/"); ok {
			top, _, _ := strings.Cut(rel, "/")
			touched[top] = true
		}
	}
	if s.had.pending {
		for at := range m.files {
			touch(at)
		}
	}
	for _, st := range p.Steps {
		switch st.Op {
		case Write, Replace:
			mtime, err := place(st.Path, p.files[st.Path])
			if err != nil {
				return nil, err
			}
			w := p.next[st.Path]
			w.mtime = mtime
			p.next[st.Path] = w
		case Remove:
			if err := gone(os.Remove(st.Path)); err != nil {
				return nil, err
			}
		case Keep:
			continue
		}
		touch(st.Path)
	}
	if touched["applications"] {
		if err := s.cache(m); err != nil {
			return nil, err
		}
	}
	failed = s.update(m, touched)
	return failed, s.finish(m, p, len(failed) > 0)
}

// union is the manifest while a run goes on: old and new files, either of which
// may be there.
func (s *Set) union(p *Plan) *manifest {
	m := &manifest{file: s.had.file, asked: p.asked, files: map[string]written{}, dirs: s.had.dirs, generated: s.had.generated, pending: true}
	for at, w := range s.had.files {
		m.files[at] = w
	}
	for at, w := range p.next {
		old, was := m.files[at]
		if was && !slices.Equal(old.sums, w.sums) {
			w.sums = append(slices.Clone(w.sums), old.sums...)
		}
		m.files[at] = w
	}
	return m
}

// noteDirs notes the directories that files need and that are not there.
func (m *manifest) noteDirs(files []string) {
	seen := map[string]bool{}
	for _, f := range files {
		for dir := filepath.Dir(f); dir != "/" && !seen[dir]; dir = filepath.Dir(dir) {
			seen[dir] = true
			if _, err := os.Stat(dir); err == nil {
				break
			}
			if !slices.Contains(m.dirs, dir) {
				m.dirs = append(m.dirs, dir)
			}
		}
	}
}

func (m *manifest) makeDirs(files []string) error {
	seen := map[string]bool{}
	for _, f := range files {
		if dir := filepath.Dir(f); !seen[dir] {
			seen[dir] = true
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
		}
	}
	return nil
}

// temporary is the name of a file until it is whole.
func temporary(at string) string {
	dir, base := filepath.Split(at)
	return dir + "." + base + "~chrun"
}

// place writes a file at once, and gives its time.
func place(at string, f *file) (mtime int64, err error) {
	temp := temporary(at)
	fd, err := unix.Open(temp, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_NOFOLLOW|unix.O_CLOEXEC, uint32(f.mode))
	if err != nil {
		return 0, &os.PathError{Op: "write", Path: at, Err: err}
	}
	for data := f.data; len(data) > 0 && err == nil; {
		var n int
		n, err = unix.Write(fd, data)
		data = data[max(n, 0):]
	}
	var st unix.Stat_t
	err = errors.Join(err, unix.Fstat(fd, &st), unix.Close(fd))
	if err == nil {
		err = unix.Rename(temp, at)
	}
	if err != nil {
		unix.Unlink(temp)
		return 0, &os.PathError{Op: "write", Path: at, Err: err}
	}
	return st.Mtim.Nano(), nil
}

// What the tools make of a directory, if it was not there.
const (
	cacheMade = "cache"
	mimeMade  = "mime"
)

// make notes that a file which is not there is about to be.
func (m *manifest) make(what, file string) error {
	if _, err := os.Stat(file); err == nil || what == "" || slices.Contains(m.generated, what) {
		return nil
	}
	m.generated = append(m.generated, what)
	return m.store()
}

// update runs the tools that make changed files known. They are optional.
func (s *Set) update(m *manifest, touched map[string]bool) (failed []error) {
	data := s.host.DataHome
	run := func(made, file, tool string, args ...string) {
		if err := m.make(made, file); err != nil {
			failed = append(failed, err)
			return
		}
		path, err := exec.LookPath(tool)
		if err != nil {
			failed = append(failed, &ToolError{Tool: tool, Err: err})
			return
		}
		c := exec.Command(path, args...)
		// What the user's own files are worth, the tool says at other times.
		if out, err := c.CombinedOutput(); err != nil {
			failed = append(failed, &ToolError{tool, string(bytes.TrimSpace(out)), err})
		}
	}
	if touched["mime"] {
		run(mimeMade, data+"/mime/mime.cache", "update-mime-database", data+"/mime")
	}
	if touched["icons"] {
		// A cache older than its theme is not read: so even without the tool, the
		// new icons are seen.
		theme, now := filepath.Join(data, icon.Theme), time.Now()
		os.Chtimes(theme, now, now)
		if _, err := os.Stat(theme + "/icon-theme.cache"); err == nil {
			run("", "", "gtk-update-icon-cache", "-q", "-f", "-t", theme)
		}
	}
	return failed
}

// ToolError says that an update tool is not there, or failed.
type ToolError struct {
	Tool, Output string
	Err          error
}

func (e *ToolError) Error() string {
	if e.Output != "" {
		return "cannot run " + e.Tool + ": " + e.Output
	}
	return "cannot run " + e.Tool + ": " + e.Err.Error()
}

func (e *ToolError) Unwrap() error { return e.Err }

// finish writes what is there now; with nothing left, it takes away what was
// made on the way. With pending, the next run is to run the tools again.
func (s *Set) finish(m *manifest, p *Plan, pending bool) error {
	m.files, m.pending = p.next, pending
	if !m.empty() {
		s.had = m
		m.tidy()
		if p.tree != "" {
			m.state = s.state(p.tree)
		}
		return m.store()
	}
	if other := s.other(); other != nil {
		other.dirs, other.generated = slices.Concat(other.dirs, m.dirs), slices.Concat(other.generated, m.generated)
		slices.Sort(other.dirs)
		other.dirs = slices.Compact(other.dirs)
		if err := other.store(); err != nil {
			return err
		}
	} else if len(m.generated) > 0 {
		m.ungenerate(s.host.DataHome)
	}
	m.tidy()
	if err := m.remove(); err != nil {
		return err
	}
	s.had = &manifest{file: m.file, files: map[string]written{}, asked: Selection{Label: AutoLabel}}
	return nil
}

// other is the manifest of another chroot, nil if there is none.
func (s *Set) other() *manifest {
	for _, name := range s.host.names() {
		if name != s.name {
			if m, err := load(s.host.manifest(name)); err == nil {
				return m
			}
		}
	}
	return nil
}

// tidy removes the directories that we made and that are empty.
func (m *manifest) tidy() {
	slices.SortFunc(m.dirs, func(a, b string) int { return strings.Compare(b, a) }) // deepest first
	m.dirs = slices.DeleteFunc(m.dirs, func(dir string) bool {
		return !strings.HasPrefix(m.file, dir+"/") && os.Remove(dir) == nil
	})
}

// remove removes the manifest at once with the directories that it came with.
func (m *manifest) remove() error {
	top := ""
	for dir := filepath.Dir(m.file); slices.Contains(m.dirs, dir); dir = filepath.Dir(dir) {
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			break
		}
		top = dir
	}
	if top == "" {
		return gone(os.Remove(m.file))
	}
	if err := os.Rename(top, temporary(top)); err != nil {
		return err
	}
	return os.RemoveAll(temporary(top))
}

// ungenerate removes what the tools made where nothing was.
func (m *manifest) ungenerate(data string) {
	cache := data + "/applications/mimeinfo.cache"
	if text, err := os.ReadFile(cache); err == nil && slices.Contains(m.generated, cacheMade) && !bytes.Contains(text, []byte("=")) {
		os.Remove(cache) // nobody else has put something into it
	}
	if packages, _ := os.ReadDir(data + "/mime/packages"); slices.Contains(m.generated, mimeMade) && len(packages) == 0 {
		for _, name := range mime.ListGenerated(data + "/mime") {
			os.Remove(filepath.Join(data, "mime", name))
		}
	}
}
