package grant

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Sweep revokes the grants of launches that were killed, except those that a
// live launch shares. The error may join several; grants that cannot be revoked
// stay in the journal.
func (j *Journal) Sweep(table Table) error { return j.sweep(table, "") }

// sweep does the same, and treats the launch whose file is named self as dead.
func (j *Journal) sweep(table Table, self string) error {
	dir, err := j.lock()
	if err != nil {
		return err
	}
	defer dir.Close()
	list, err := j.readAll(dir, table)
	errs := []error{err}
	r := revoker{j: j, table: table, inUse: map[any]bool{}, results: map[string]error{}}
	isLive := func(l record) bool { return l.live && l.name != self }
	for _, l := range list {
		if isLive(l) {
			for _, g := range l.grants {
				r.inUse[g.target()] = true
			}
		}
	}
	for _, l := range list {
		if isLive(l) {
			continue
		}
		if err := j.replace(l.name, r.revokeAll(l.grants)); err != nil {
			errs = append(errs, fmt.Errorf("cannot write the journal %s: %w", j.dir, err))
		}
	}
	return errors.Join(append(errs, r.errs...)...)
}

// CountDead returns how many launches were killed and have left grants. It changes
// nothing.
func (j *Journal) CountDead(table Table) (n int, err error) {
	dir, err := j.lock()
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return 0, fmt.Errorf("cannot read the journal %s: %w", j.dir, err)
	}
	for _, name := range names {
		if r, err := j.read(name, table); err == nil && !r.live && len(r.grants) > 0 {
			n++
		}
	}
	return n, nil
}

// revoker revokes grants, each once.
type revoker struct {
	j       *Journal
	table   Table
	inUse   map[any]bool     // targets that live launches share
	results map[string]error // of the grants tried so far, by line
	errs    []error
}

// revokeAll revokes the grants of a dead launch in reverse order and returns
// those that it cannot revoke.
func (r *revoker) revokeAll(grants []Grant) (left []Grant) {
	for _, g := range slices.Backward(grants) {
		if !r.inUse[g.target()] && r.revoke(g) != nil {
			left = append(left, g)
		}
	}
	slices.Reverse(left)
	return left
}

func (r *revoker) revoke(g Grant) error {
	line, _ := g.line()
	if err, tried := r.results[string(line)]; tried {
		return err
	}
	r.j.reached("revoke")
	err := r.table[g.Kind].Revoke(g)
	r.j.reached("revoked")
	if err != nil && !errors.Is(err, ErrLeft) {
		r.errs = append(r.errs, fmt.Errorf("cannot revoke the grant of %s: %w", g, err))
	}
	r.results[string(line)] = err
	return err
}

// replace replaces the file of a dead launch by one with the grants left, or
// removes it if there are none.
func (j *Journal) replace(name string, left []Grant) (err error) {
	if len(left) == 0 {
		j.reached("unlink")
		defer j.reached("unlinked")
		return unix.Unlinkat(j.fd, name, 0)
	}
	f, err := j.create(name + newSuffix)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, g := range left {
		line, err := g.line()
		if err == nil {
			_, err = f.Write(line)
		}
		if err != nil {
			return errors.Join(err, os.NewSyscallError("unlink", unix.Unlinkat(j.fd, name+newSuffix, 0)))
		}
	}
	j.reached("rewritten")
	return unix.Renameat(j.fd, name+newSuffix, j.fd, name)
}
