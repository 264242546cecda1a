package export

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Run carries out the plan. First the manifest lists every file that may exist
// from now on, then files change, each atomically, then the update tools run, then
// the manifest lists the files that exist. So the next run completes one that was
// killed. failed are errors of the update tools; they do not undo anything.
func (s *Set) Run(p *Plan) (failed []error, err error) {
	if s.changesNothing(p) {
		if !p.upToDate && p.treeState != "" && len(s.previous.files) > 0 {
			s.previous.state = s.state(p.treeState)
			return nil, s.previous.write()
		}
		return nil, nil
	}
	m := s.mergeManifest(p)
	if s.previous.pending {
		for path := range s.previous.files {
			os.Remove(temporaryName(path))
		}
		os.Remove(temporaryName(s.cacheFile()))
	}
	if err := m.begin(p.Steps); err != nil {
		return nil, err
	}
	changed, err := p.apply()
	if err != nil {
		return nil, err
	}
	if s.previous.pending {
		changed = slices.AppendSeq(changed, maps.Keys(m.files))
	}
	dirs := s.changedDirs(changed)
	if dirs["applications"] {
		if err := s.updateCache(m); err != nil {
			return nil, err
		}
	}
	failed = s.runTools(m, dirs)
	return failed, s.finish(m, p, len(failed) > 0)
}

// mergeManifest returns the manifest for the time of the run: it lists the old and
// the new files, since either may exist.
func (s *Set) mergeManifest(p *Plan) *manifest {
	m := &manifest{file: s.previous.file, selection: p.selection, files: maps.Clone(s.previous.files),
		dirs: s.previous.dirs, generated: s.previous.generated, pending: true}
	for path, r := range p.records {
		old, ok := m.files[path]
		if ok && !slices.Equal(old.sums, r.sums) {
			r.sums = append(slices.Clone(r.sums), old.sums...)
		}
		m.files[path] = r
	}
	return m
}

// begin writes the manifest and makes the directories that the steps need.
func (m *manifest) begin(steps []Step) error {
	files := []string{m.file}
	for _, st := range steps {
		if st.Op == Write || st.Op == Replace {
			files = append(files, st.Path)
		}
	}
	if err := m.recordMissingDirs(files); err != nil {
		return err
	}
	// If files are only removed, the old manifest lists all of them: then a full
	// disk is no reason to fail.
	if err := m.write(); err != nil && (len(files) > 1 || !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT)) {
		return err
	}
	made := map[string]bool{}
	for _, f := range files {
		dir := filepath.Dir(f)
		if made[dir] {
			continue
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		made[dir] = true
	}
	return nil
}

// apply carries out the steps and returns the files that it changed.
func (p *Plan) apply() (changed []string, err error) {
	times := make([]int64, len(p.Steps))
	err = inParallel(len(p.Steps), func(i int) (err error) {
		switch st := p.Steps[i]; st.Op {
		case Write, Replace:
			f := p.files[st.Path]
			err = f.read(p.root, func(data []byte) error {
				times[i], err = writeFile(st.Path, data, f.mode)
				return err
			})
		case Remove:
			err = ignoreNotExist(os.Remove(st.Path))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, st := range p.Steps {
		if st.Op == Write || st.Op == Replace {
			r := p.records[st.Path]
			r.mtime = times[i]
			p.records[st.Path] = r
		}
		if st.Op != Keep {
			changed = append(changed, st.Path)
		}
	}
	return changed, nil
}

// inParallel calls do with each number below n, on each processor, and returns the
// first error. After an error it begins no further call. The calls at one time are
// for numbers far from each other: files are sorted by path, and those of one
// directory can only be made one after the other.
func inParallel(n int, do func(i int) error) error {
	var next atomic.Int64
	var group sync.WaitGroup
	var failed atomic.Pointer[error]
	workers := min(n, runtime.GOMAXPROCS(0))
	for range workers {
		group.Go(func() {
			part := (n + workers - 1) / workers
			for k := int(next.Add(1)) - 1; k < workers*part && failed.Load() == nil; k = int(next.Add(1)) - 1 {
				i := k%workers*part + k/workers
				if i >= n {
					continue
				}
				if err := do(i); err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	group.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// changedDirs returns the directories directly in $XDG_DATA_HOME that hold the
// files.
func (s *Set) changedDirs(files []string) map[string]bool {
	dirs := map[string]bool{}
	for _, f := range files {
		if rel, ok := strings.CutPrefix(f, s.host.DataHome+"/"); ok {
			dir, _, _ := strings.Cut(rel, "/")
			dirs[dir] = true
		}
	}
	return dirs
}

// temporaryName returns the name of a file until it is complete.
func temporaryName(path string) string {
	dir, base := filepath.Split(path)
	return dir + "." + base + "~chrun"
}

// writeFile writes a file atomically and returns its modification time.
func writeFile(path string, data []byte, mode os.FileMode) (mtime int64, err error) {
	temp := temporaryName(path)
	fd, err := unix.Open(temp, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_NOFOLLOW|unix.O_CLOEXEC, uint32(mode))
	if err != nil {
		return 0, &os.PathError{Op: "write", Path: path, Err: err}
	}
	for len(data) > 0 && err == nil {
		var n int
		n, err = unix.Write(fd, data)
		data = data[max(n, 0):]
	}
	var st unix.Stat_t
	err = errors.Join(err, unix.Fstat(fd, &st), unix.Close(fd))
	if err == nil {
		err = unix.Rename(temp, path)
	}
	if err != nil {
		unix.Unlink(temp)
		return 0, &os.PathError{Op: "write", Path: path, Err: err}
	}
	return st.Mtim.Nano(), nil
}

// finish writes the manifest of the files that exist now. If none is left, it
// removes everything that exports made. pending makes the next run repeat the
// update tools.
func (s *Set) finish(m *manifest, p *Plan, pending bool) error {
	m.files, m.pending = p.records, pending
	if !m.isEmpty() {
		s.previous = m
		m.removeEmptyDirs()
		if p.treeState != "" {
			m.state = s.state(p.treeState)
		}
		return m.write()
	}
	if other := s.otherManifest(); other != nil {
		other.dirs, other.generated = slices.Concat(other.dirs, m.dirs), slices.Concat(other.generated, m.generated)
		slices.Sort(other.dirs)
		other.dirs = slices.Compact(other.dirs)
		if err := other.write(); err != nil {
			return err
		}
	} else if len(m.generated) > 0 {
		s.removeGenerated(m.generated)
	}
	m.removeEmptyDirs()
	if err := m.remove(); err != nil {
		return err
	}
	s.previous = newManifest(m.file)
	return nil
}

// otherManifest returns the manifest of another chroot, or nil. What exports made
// for all of them is then recorded there.
func (s *Set) otherManifest() *manifest {
	for _, chroot := range s.host.listManifests() {
		if chroot != s.chroot {
			if m, err := readManifest(s.host.manifestFile(chroot)); err == nil {
				return m
			}
		}
	}
	return nil
}
