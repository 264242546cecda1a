package export

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session/rootfs"
)

// Set is what is exported of one chroot. Close it.
type Set struct {
	host *Host
	name string
	had  *manifest
	lock *os.File // nil if it is only read
}

// Open reads what is exported of the chroot called name. To change it, it waits
// for another run to end and keeps others from beginning. Errors are
// *os.PathError, or say that the manifest cannot be read.
func Open(h *Host, name string, change bool) (s *Set, err error) {
	s = &Set{host: h, name: name}
	if change {
		if s.lock, err = h.lock(); err != nil {
			return nil, err
		}
	}
	if s.had, err = load(h.manifest(name)); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if change {
		s.had.clear()
	}
	return s, nil
}

// lock keeps runs apart. The state directory may have to be made; the home is
// there, but on NFS a directory cannot be locked.
func (h *Host) lock() (f *os.File, err error) {
	for _, dir := range []string{h.Home, h.RuntimeDir} {
		var e error
		if f, e = os.Open(dir); e == nil {
			for e = unix.EINTR; e == unix.EINTR; {
				e = unix.Flock(int(f.Fd()), unix.LOCK_EX)
			}
			if e == nil {
				return f, nil
			}
			f.Close()
			e = &os.PathError{Op: "lock", Path: dir, Err: e}
		}
		err = cmp.Or(err, e)
	}
	return nil, err
}

// Close gives the lock up.
func (s *Set) Close() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}

func (h *Host) manifest(name string) string { return filepath.Join(h.StateDir, "exports", name) }

// HasExports says whether something of the chroot is exported.
func (h *Host) HasExports(name string) bool { return slices.Contains(h.names(), name) }

// ExportedChroots are the chroots of which something is exported, in order.
func (h *Host) ExportedChroots() ([]string, error) {
	lock, err := h.lock()
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	(&manifest{file: h.manifest("any")}).clear()
	return h.names(), nil
}

func (h *Host) names() []string {
	var names []string
	entries, _ := os.ReadDir(filepath.Join(h.StateDir, "exports"))
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), "~") {
			names = append(names, e.Name())
		}
	}
	return names
}

// Selection is what was asked for, a copy.
func (s *Set) Selection() Selection {
	a := s.had.asked
	for _, list := range []*[]string{&a.Apps, &a.Except, &a.Commands} {
		*list = slices.Clone(*list)
	}
	a.CustomEntries = slices.Clone(a.CustomEntries)
	return a
}

// ExportedID says under which id an app of the chroot is in the menu, or "".
func (s *Set) ExportedID(id string) string {
	for _, as := range []string{id, id + "." + s.name} {
		if _, ok := s.had.files[s.host.DataHome+"/applications/"+as+".desktop"]; ok {
			return as
		}
	}
	return ""
}

// Op is what a step does to a file of the host.
type Op string

// Keep is for a file that was edited after the export, or is not part of it.
const (
	Write   Op = "write"
	Replace Op = "replace"
	Remove  Op = "remove"
	Keep    Op = "keep"
)

// Reason is why a step keeps a file.
type Reason int

// The reasons of Keep.
const (
	Edited  Reason = iota + 1 // the user changed the file after the export
	Foreign                   // the file does not belong to this chroot's export
)

func (r Reason) String() string {
	return [...]string{"", "you have changed it", "it does not belong to this export"}[r]
}

// MarshalText returns the reason as text, for JSON.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Step is a change to a file, or says why the file is kept.
type Step struct {
	Op   Op
	Path string
	Why  Reason `json:",omitempty"`
}

// Plan is the difference between what is there and what shall be.
type Plan struct {
	Steps []Step
	Notes []Note
	IDs   map[string]string // of exported apps, by that in the chroot
	asked Selection
	files map[string]*file
	next  map[string]written
	tree  string // treeState, "" without a chroot
	done  bool   // nothing has changed since the last run
}

// maxBytes bounds what a plan reads.
const maxBytes = 256 << 20

// Plan decides what is to be done for what is asked. root is the chroot, nil if
// it has vanished: then everything goes. It reads and changes nothing.
func (s *Set) Plan(root *rootfs.Root, asked Selection) (*Plan, error) {
	p := &Plan{asked: asked, files: map[string]*file{}, next: map[string]written{}}
	if root != nil {
		p.tree = s.treeState(root, &asked)
		if s.asDone(&asked, p.tree) {
			p.next, p.done = s.had.files, true
			return p, nil
		}
		w := want(s.host, root, s.name, &asked, s.had)
		p.files, p.Notes, p.IDs = w.files, w.notes, w.ids
	}
	total := 0
	for _, at := range slices.Sorted(maps.Keys(p.files)) {
		f := p.files[at]
		old, ours := s.had.files[at]
		state := look(at, old, ours)
		if state == same && (f.from != "" && f.from == old.from || f.from == "" && sum(f.data) == old.sums[0]) {
			p.next[at] = old
			continue
		}
		data, err := f.read(root)
		if err != nil {
			p.Notes = append(p.Notes, Note{Text: fmt.Sprintf("cannot read %s: %v", f.path, err)})
			delete(p.files, at)
			continue
		}
		if total += len(data); total > maxBytes {
			return nil, fmt.Errorf("its icons are larger than %d MiB", maxBytes>>20)
		}
		f.data = data
		p.decide(at, f, old, state)
	}
	for _, at := range slices.Sorted(maps.Keys(s.had.files)) {
		if _, wanted := p.files[at]; wanted {
			continue
		}
		switch look(at, s.had.files[at], true) {
		case same, changed:
			p.Steps = append(p.Steps, Step{Op: Remove, Path: at})
		case edited:
			p.Steps = append(p.Steps, Step{Keep, at, Edited})
		}
	}
	slices.SortStableFunc(p.Steps, func(a, b Step) int { return cmp.Compare(a.Path, b.Path) })
	return p, nil
}

// decide what to do about a file that is not just as it should be.
func (p *Plan) decide(at string, f *file, old written, state state) {
	mine := written{sums: []string{sum(f.data)}, size: int64(len(f.data)), from: f.from}
	switch state {
	case missing:
		p.Steps = append(p.Steps, Step{Op: Write, Path: at})
	case foreign:
		p.Steps = append(p.Steps, Step{Keep, at, Foreign})
		delete(p.files, at)
		return
	case edited:
		p.Steps = append(p.Steps, Step{Keep, at, Edited})
		p.next[at] = old
		return
	default:
		if data, err := os.ReadFile(at); err == nil && sum(data) == mine.sums[0] {
			var st unix.Stat_t
			unix.Lstat(at, &st)
			mine.mtime = st.Mtim.Nano()
			p.next[at] = mine
			return
		}
		p.Steps = append(p.Steps, Step{Op: Replace, Path: at})
	}
	p.next[at] = mine
}

type state int

const (
	missing state = iota
	same          // as it was recorded
	changed       // its content is ours, its time is not
	edited        // by somebody else
	foreign       // nothing of ours
)

// look says what is at a path of which old is the record, if it is ours.
func look(at string, old written, ours bool) state {
	var st unix.Stat_t
	if err := unix.Lstat(at, &st); err != nil {
		return missing
	}
	switch {
	case !ours:
		return foreign
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return edited
	case st.Size == old.size && st.Mtim.Nano() == old.mtime && len(old.sums) == 1:
		return same
	}
	data, err := os.ReadFile(at)
	if err != nil || !slices.Contains(old.sums, sum(data)) {
		return edited
	}
	return changed
}

// nothing says that a plan has nothing to do.
func (s *Set) nothing(p *Plan) bool {
	if s.had.pending {
		return false
	}
	for _, st := range p.Steps {
		if st.Op != Keep {
			return false
		}
	}
	same := func(a, b written) bool {
		return a.size == b.size && a.mtime == b.mtime && a.from == b.from && slices.Equal(a.sums, b.sums)
	}
	return reflect.DeepEqual(s.Selection(), p.asked) && maps.EqualFunc(s.had.files, p.next, same)
}

func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
