package grant

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Sweep undoes what launches have left that were killed. An error may be one of
// several; what could not be undone stays.
func (j *Journal) Sweep(table Table) error { return j.sweep(table, "") }

// sweep treats the launch named self as dead too.
func (j *Journal) sweep(table Table, self string) error {
	dir, err := j.lock()
	if err != nil {
		return err
	}
	defer dir.Close()
	list, err := j.entries(dir, table)
	errs := []error{err}
	held := map[any]bool{}
	for _, e := range list {
		if e.live && e.name != self {
			for _, g := range e.grants {
				held[g.target()] = true
			}
		}
	}
	failed := map[string]bool{} // of what was tried, by how it is written
	for _, e := range list {
		if e.live && e.name != self {
			continue
		}
		var left []Grant
		for _, g := range slices.Backward(e.grants) {
			if held[g.target()] {
				continue
			}
			line, _ := g.line()
			if _, tried := failed[string(line)]; !tried {
				j.at("undo")
				err := table[g.Kind].Undo(g)
				j.at("undone")
				if failed[string(line)] = err != nil; err != nil {
					errs = append(errs, fmt.Errorf("cannot undo the grant of %s: %w", g, err))
				}
			}
			if failed[string(line)] {
				left = append(left, g)
			}
		}
		slices.Reverse(left)
		if err := j.leave(e.name, left); err != nil {
			errs = append(errs, fmt.Errorf("cannot write the journal %s: %w", j.dir, err))
		}
	}
	return errors.Join(errs...)
}

// leave replaces a launch's file by a dead one with what is left to undo.
func (j *Journal) leave(name string, left []Grant) (err error) {
	if len(left) == 0 {
		j.at("unlink")
		defer j.at("unlinked")
		return unix.Unlinkat(j.fd, name, 0)
	}
	f, err := j.create(name + fresh)
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
			return errors.Join(err, os.NewSyscallError("unlink", unix.Unlinkat(j.fd, name+fresh, 0)))
		}
	}
	j.at("rewritten")
	return unix.Renameat(j.fd, name+fresh, j.fd, name)
}
