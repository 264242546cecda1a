package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"unicode/utf8"

	"chrun/session/rootfs"
)

// ExistsError reports that a chroot cannot be added because its name or its
// directory is already configured.
type ExistsError struct {
	Name     string // of the chroot to add
	Dir      rootfs.HostPath
	Existing *Chroot // the one that exists
}

func (e *ExistsError) Error() string {
	if e.Existing.Name == e.Name {
		return fmt.Sprintf("cannot add %q: the name is used by %s in %s", e.Name, e.Existing.Path, e.Existing.File)
	}
	return fmt.Sprintf("cannot add %s: it is already configured as %q in %s", e.Dir, e.Existing.Name, e.Existing.File)
}

// CheckNew returns why a new chroot cannot have the name, or nil.
func (c *Config) CheckNew(name string) error {
	if !ValidName(name) {
		return errBadName(name)
	}
	return c.checkUnused(name, "")
}

// checkUnused returns an *ExistsError for tree if a chroot has the name.
func (c *Config) checkUnused(name string, tree rootfs.HostPath) error {
	var unknown *UnknownError
	file, _, err := c.readChrootFile(name)
	if errors.As(err, &unknown) {
		return nil
	}
	if err != nil {
		return err
	}
	by, err := c.Chroot(name)
	if err != nil {
		by = &Chroot{Name: name, Path: "a chroot with mistakes", File: file}
	}
	return &ExistsError{name, tree, by}
}

// Add configures a chroot: it writes the file of name, with the canonical path
// tree, into a configuration directory, the Source's System or User. Errors are
// *KnownError, *WriteError and those of Load and Chroot.
func (c *Config) Add(dir, name string, tree rootfs.HostPath) error {
	if !ValidName(name) {
		return fmt.Errorf("cannot add a chroot: %w", errBadName(name))
	}
	e := Edit{Key: []string{"path"}, Value: string(tree)}
	if err := checkEdit(&c.src, &e, chrootKeys()); err != nil {
		return err
	}
	unlock, err := c.src.lock(dir)
	if err != nil {
		return err
	}
	defer unlock()
	now, err := Load(c.src) // the lock may have created dir
	if err != nil {
		return err
	}
	if err := now.checkUnused(name, tree); err != nil {
		return err
	}
	if by, err := now.findByPath(tree); err != nil {
		return err
	} else if by != nil {
		return &ExistsError{name, tree, by}
	}
	data, err := e.apply(nil)
	if err != nil {
		return err
	}
	return c.src.writeFile(chrootFile(dir, name), data)
}

// Forget removes the file of the chroot name, and the default in the same
// directory if it names the chroot. The file may have mistakes. Forget returns
// its path.
func (c *Config) Forget(name string) (file string, err error) {
	if file, _, err = c.readChrootFile(name); err != nil {
		return "", err
	}
	dir := path.Dir(path.Dir(file))
	if c.Default == name && c.DefaultFrom == path.Join(dir, configFile) {
		if err := c.SetDefault(dir, ""); err != nil {
			return "", err
		}
	}
	unlock, err := c.src.lock(dir)
	if err != nil {
		return "", err
	}
	defer unlock()
	if err := os.Remove(file); err != nil {
		return "", &WriteError{file, errors.Unwrap(err)}
	}
	return file, nil
}

// SetDefault sets the default in a configuration directory; "" unsets it. It
// does not check that a chroot has the name.
func (c *Config) SetDefault(dir, name string) error {
	e := Edit{Key: []string{"default"}, Value: name}
	if name == "" {
		e = Edit{Key: e.Key, Op: Unset}
	}
	file := path.Join(dir, configFile)
	return changeFile(&c.src, dir, file, []Edit{e}, configKeys, func(data []byte) error {
		return decode(&c.src, file, data, configKeys, new(Config))
	})
}

// Change makes all of edits in the file of the chroot name, or none. Errors are
// *EditError, *WriteError and those of Chroot. A mistake in the file is an error
// unless the edits remove it.
func (c *Config) Change(name string, edits ...Edit) error {
	file, _, err := c.readChrootFile(name)
	if err != nil {
		return err
	}
	for _, e := range edits {
		if e.Op == Unset && slices.Equal(e.Key, []string{"path"}) {
			return e.wrap(errors.New("a chroot must have a path"))
		}
	}
	return changeFile(&c.src, path.Dir(path.Dir(file)), file, edits, chrootKeys(), func(data []byte) error {
		_, err := c.src.parseChroot(name, file, data)
		return err
	})
}

// changeFile makes edits in file, which lies in or below dir. validate checks
// the content of the file.
func changeFile[T any](s *Source, dir, file string, edits []Edit, keys []key[T], validate func([]byte) error) error {
	for _, e := range edits {
		if err := checkEdit(s, &e, keys); err != nil {
			return err
		}
	}
	unlock, err := s.lock(dir)
	if err != nil {
		return err
	}
	defer unlock()
	old, err := s.readFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := parseTOML(old); err != nil {
		return validate(old)
	}
	data := old
	for _, e := range edits {
		if data, err = e.apply(data); err != nil {
			return err
		}
	}
	if err := validate(data); err != nil {
		if before := validate(old); before != nil {
			return before // its line numbers are those of the file on disk
		}
		return err
	}
	if slices.Equal(data, old) {
		return nil
	}
	return s.writeFile(file, data)
}

// checkEdit checks the value of an edit.
func checkEdit[T any](s *Source, e *Edit, keys []key[T]) error {
	if e.removes() {
		return nil
	}
	if !utf8.ValidString(fmt.Sprint(e.Value)) {
		return e.wrap(errNotUTF8)
	}
	t := map[string]any{}
	if err := e.applyTo(t); err != nil {
		return e.wrap(err)
	}
	if m, ok := parseFields(s, t, keys, new(T)).(mistakes); ok {
		return e.wrap(m[0].err)
	}
	return nil
}

// Settings lists the settings in the file of the chroot name, in the order of
// the file. Errors are those of Chroot.
func (c *Config) Settings(name string) ([]Setting, error) {
	file, data, err := c.readChrootFile(name)
	if err == nil {
		_, err = c.src.parseChroot(name, file, data)
	}
	if err != nil {
		return nil, err
	}
	return listSettings(file, data), nil
}
