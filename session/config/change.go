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

// KnownError says that a chroot cannot be added, since its name or its
// directory is known.
type KnownError struct {
	Name string // to be added
	Dir  rootfs.HostPath
	By   *Chroot
}

func (e *KnownError) Error() string {
	if e.By.Name == e.Name {
		return fmt.Sprintf("cannot add %q: the name is taken by %s in %s", e.Name, e.By.Path, e.By.File)
	}
	return fmt.Sprintf("cannot add %s: it is known as %q in %s", e.Dir, e.By.Name, e.By.File)
}

// Add writes down that tree, a canonical path, is called name, in a directory
// of configuration: the Source's System or User. Errors are *KnownError,
// *WriteError and those of Load and Chroot.
func (c *Config) Add(dir, name string, tree rootfs.HostPath) error {
	if !ValidName(name) {
		return fmt.Errorf("cannot add a chroot: %w", errBadName(name))
	}
	e := Edit{Key: []string{"path"}, Value: string(tree)}
	if err := check(&c.src, &e, chrootKeys); err != nil {
		return err
	}
	unlock, err := c.src.lock(dir)
	if err != nil {
		return err
	}
	defer unlock()
	now, err := Load(c.src) // dir may be new
	if err != nil {
		return err
	}
	var unknown *UnknownError
	if file, _, err := now.find(name); err == nil {
		by, err := now.Chroot(name)
		if err != nil {
			by = &Chroot{Name: name, Path: "what cannot be read", File: file}
		}
		return &KnownError{name, tree, by}
	} else if !errors.As(err, &unknown) {
		return err
	}
	if by, err := now.ByPath(tree); err != nil {
		return err
	} else if by != nil {
		return &KnownError{name, tree, by}
	}
	data, err := e.Apply(nil)
	if err != nil {
		return err
	}
	return c.src.write(fileOf(dir, name), data)
}

// Forget takes the file of the chroot name away, and the default that names it
// beside that. What the file says need not be right. It returns the file.
func (c *Config) Forget(name string) (file string, err error) {
	if file, _, err = c.find(name); err != nil {
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

// SetDefault writes down the default in a directory of configuration; "" takes
// it away. Whether the name is known is for the caller to say.
func (c *Config) SetDefault(dir, name string) error {
	e := Edit{Key: []string{"default"}, Value: name}
	if name == "" {
		e = Edit{Key: e.Key, Op: Unset}
	}
	file := path.Join(dir, configFile)
	return change(&c.src, dir, file, []Edit{e}, configKeys, func(data []byte) error {
		return decode(&c.src, file, data, configKeys, new(Config))
	})
}

// Change makes edits in the file of the chroot name: all or none. Errors are
// *EditError, *WriteError and those of Chroot; a mistake that the file has is
// one of these, unless the edits take it away.
func (c *Config) Change(name string, edits ...Edit) error {
	file, _, err := c.find(name)
	if err != nil {
		return err
	}
	for _, e := range edits {
		if e.Op == Unset && slices.Equal(e.Key, []string{"path"}) {
			return e.error(errors.New("a chroot has one"))
		}
	}
	return change(&c.src, path.Dir(path.Dir(file)), file, edits, chrootKeys, func(data []byte) error {
		_, err := c.src.chroot(name, file, data)
		return err
	})
}

// change makes edits in file, which lies in or below dir. good checks a
// content.
func change[T any](s *Source, dir, file string, edits []Edit, keys []key[T], good func([]byte) error) error {
	for _, e := range edits {
		if err := check(s, &e, keys); err != nil {
			return err
		}
	}
	unlock, err := s.lock(dir)
	if err != nil {
		return err
	}
	defer unlock()
	old, err := s.read(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := values(old); err != nil {
		return good(old)
	}
	data := old
	for _, e := range edits {
		if data, err = e.Apply(data); err != nil {
			return err
		}
	}
	if err := good(data); err != nil {
		if before := good(old); before != nil {
			return before // with the lines that the file has
		}
		return err
	}
	if slices.Equal(data, old) {
		return nil
	}
	return s.write(file, data)
}

// check checks the value of an edit.
func check[T any](s *Source, e *Edit, keys []key[T]) error {
	if e.Op == Unset {
		return nil
	}
	if !utf8.ValidString(fmt.Sprint(e.Value)) {
		return e.error(errNotUTF8)
	}
	t := map[string]any{}
	if err := e.on(t); err != nil {
		return e.error(err)
	}
	if m, ok := fields(s, t, keys, new(T)).(mistakes); ok {
		return e.error(m[0].err)
	}
	return nil
}

// Where says where the file of the chroot name says something of key, as in
// Setting: "FILE:LINE", or "" if it does not.
func (c *Config) Where(name, key, value string) string {
	list, _ := c.Settings(name)
	for _, s := range list {
		if s.Key == key && (value == "" || s.Value == value) {
			return s.Origin.String()
		}
	}
	return ""
}

// Settings lists what the file of the chroot name says, in its order. Errors
// are those of Chroot.
func (c *Config) Settings(name string) ([]Setting, error) {
	file, data, err := c.find(name)
	if err == nil {
		_, err = c.src.chroot(name, file, data)
	}
	if err != nil {
		return nil, err
	}
	return listSettings(file, data), nil
}
