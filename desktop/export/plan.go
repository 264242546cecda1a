package export

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"chrun/session/rootfs"
)

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

// Plan is the difference between what is on the host and what should be.
type Plan struct {
	Steps     []Step
	Notes     []Note
	IDs       map[string]string // exported IDs, by ID in the chroot
	chroot    string            // its name
	root      *rootfs.Root      // nil if it no longer exists
	selection Selection
	files     map[string]*file
	records   map[string]record // of all files after the run
	treeState string            // see Set.treeState; "" without a chroot
	upToDate  bool              // nothing has changed since the last run
}

// maxBytes bounds what a plan reads.
const maxBytes = 256 << 20

// Plan decides how to bring the host up to date with the selection. root is the
// chroot, or nil if it no longer exists: then the plan removes everything. It must
// stay open until the plan was run. Plan only reads.
func (s *Set) Plan(root *rootfs.Root, selection Selection) (*Plan, error) {
	p := &Plan{chroot: s.chroot, root: root, selection: selection, files: map[string]*file{}, records: map[string]record{}}
	if root != nil {
		p.treeState = s.treeState(root, &selection)
		if !s.Explain && s.isUpToDate(&selection, p.treeState) {
			p.records, p.upToDate = s.previous.files, true
			return p, nil
		}
		d := computeDesired(s.host, root, s.chroot, &selection, s.previous)
		if d.failure != nil { // which default an entry would change is not known
			return nil, d.failure
		}
		p.files, p.Notes, p.IDs = d.files, d.notes, d.ids
	}
	if err := p.compare(s.previous.files); err != nil {
		return nil, err
	}
	if root != nil && root.Failure() != nil { // what could not be read is not missing: its entry must stay
		return nil, root.Failure()
	}
	p.addRemovals(s.previous.files)
	slices.SortStableFunc(p.Steps, func(a, b Step) int { return cmp.Compare(a.Path, b.Path) })
	p.tidySelection(s.host, &s.previous.selection)
	return p, nil
}

// compare decides what to do for each file that should be on the host. It reads
// those that may differ.
func (p *Plan) compare(previous map[string]record) error {
	paths := slices.Sorted(maps.Keys(p.files))
	states, same, failures := make([]fileState, len(paths)), make([]bool, len(paths)), make([]error, len(paths))
	var total atomic.Int64
	inParallel(len(paths), func(i int) error {
		f := p.files[paths[i]]
		old, exported := previous[paths[i]]
		states[i] = compareFile(paths[i], old, exported)
		same[i] = states[i] == unchanged && f.isAs(old)
		if same[i] || total.Load() > maxBytes {
			return nil
		}
		if f.sum == "" {
			failures[i] = f.read(p.root, func(data []byte) error { f.setContent(data); return nil })
		}
		total.Add(f.size)
		return nil
	})
	if total.Load() > maxBytes {
		return fmt.Errorf("its icons are larger than %d MiB", maxBytes>>20)
	}
	for i, path := range paths {
		f, old := p.files[path], previous[path]
		switch {
		case failures[i] != nil:
			p.Notes = append(p.Notes, Note{Text: fmt.Sprintf("cannot read %s: %v", f.path, failures[i])})
			delete(p.files, path)
		case same[i]:
			p.records[path] = old
		default:
			p.addFile(path, f, old, states[i])
		}
	}
	return nil
}

// tidySelection takes out of the selection what is refused, unless it is also in the
// previous one: what was refused once is not tried again in every run. It also takes
// out apps that All includes.
func (p *Plan) tidySelection(h *Host, previous *Selection) {
	s := &p.selection
	before := len(s.Apps) + len(s.CustomEntries) + len(s.Commands) + len(s.Autostart)
	for _, n := range p.Notes {
		if n.Refusal == "" {
			continue
		}
		s.Apps = slices.DeleteFunc(slices.Clone(s.Apps), func(id string) bool { return id == n.ID && !slices.Contains(previous.Apps, id) })
		s.Autostart = slices.DeleteFunc(slices.Clone(s.Autostart), func(id string) bool { return id == n.ID && !slices.Contains(previous.Autostart, id) })
		s.CustomEntries = slices.DeleteFunc(slices.Clone(s.CustomEntries), func(c CustomEntry) bool {
			return path.Base(c.Program) == n.ID && !slices.Contains(previous.CustomEntries, c)
		})
	}
	if s.All {
		s.Apps = nil
	}
	for _, st := range p.Steps {
		if st.Op == Keep && st.Why == Foreign && path.Dir(st.Path) == h.BinDir {
			s.Commands = slices.DeleteFunc(slices.Clone(s.Commands), func(c string) bool {
				return path.Base(c) == path.Base(st.Path) && !slices.Contains(previous.Commands, c)
			})
		}
	}
	if len(s.Apps)+len(s.CustomEntries)+len(s.Commands)+len(s.Autostart) < before {
		p.treeState = "" // it includes the selection
	}
}

// addFile decides what to do for a file that may differ from what it should be.
func (p *Plan) addFile(path string, f *file, old record, state fileState) {
	r := record{sums: []string{f.sum}, size: f.size, source: f.source}
	switch state {
	case missing:
		p.Steps = append(p.Steps, Step{Op: Write, Path: path})
	case foreign:
		p.Steps = append(p.Steps, Step{Keep, path, Foreign})
		delete(p.files, path)
		return
	case edited:
		p.Steps = append(p.Steps, Step{Keep, path, Edited})
		r = old
	case unchanged, touched:
		if data, err := os.ReadFile(path); err == nil && sum(data) == r.sums[0] {
			var st unix.Stat_t
			unix.Lstat(path, &st)
			r.mtime = st.Mtim.Nano()
		} else {
			p.Steps = append(p.Steps, Step{Op: Replace, Path: path})
		}
	}
	p.records[path] = r
}

// addRemovals removes the previous files that are no longer desired.
func (p *Plan) addRemovals(previous map[string]record) {
	for _, path := range slices.Sorted(maps.Keys(previous)) {
		if _, ok := p.files[path]; ok {
			continue
		}
		switch compareFile(path, previous[path], true) {
		case unchanged, touched:
			p.Steps = append(p.Steps, Step{Op: Remove, Path: path})
		case edited:
			p.Steps = append(p.Steps, Step{Keep, path, Edited})
		}
	}
}

// changesNothing reports whether a run has nothing to do, except to update the
// state in the manifest.
func (s *Set) changesNothing(p *Plan) bool {
	return !s.previous.pending && !slices.ContainsFunc(p.Steps, func(st Step) bool { return st.Op != Keep }) &&
		s.previous.selection.equal(&p.selection) && maps.EqualFunc(s.previous.files, p.records, record.equal)
}

// fileState compares a file of the host with its record.
type fileState int

const (
	missing   fileState = iota
	unchanged           // size and time are those of the record
	touched             // the time differs, the content does not
	edited              // somebody else changed it
	foreign             // no export wrote it
)

// compareFile compares the file with its record, if an export wrote it.
func compareFile(path string, r record, exported bool) fileState {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return missing
	}
	switch {
	case !exported:
		return foreign
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return edited
	case st.Size == r.size && st.Mtim.Nano() == r.mtime && len(r.sums) == 1:
		return unchanged
	}
	data, err := os.ReadFile(path)
	if err != nil || !slices.Contains(r.sums, sum(data)) {
		return edited
	}
	return touched
}
