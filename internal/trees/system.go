package trees

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// raiseOnly moves the content of a single top directory up, as in the bootstrap
// archive of Arch Linux, whose tree is in root.x86_64.
func raiseOnly() error {
	entries, err := os.ReadDir("/")
	if err != nil {
		return err
	}
	only := ""
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if only != "" {
			return nil
		}
		only = "/" + e.Name()
	}
	if only == "" || isSystem("/") || !isSystem(only) {
		return nil
	}
	aside := "/.chrun-top" // the tree may have an entry of the same name
	if err := os.Rename(only, aside); err != nil {
		return err
	}
	inner, err := os.ReadDir(aside)
	if err != nil {
		return err
	}
	for _, e := range inner {
		if err := os.Rename(path.Join(aside, e.Name()), "/"+e.Name()); err != nil {
			return err
		}
	}
	return os.Remove(aside)
}

func isSystem(dir string) bool {
	for _, name := range []string{"usr", "bin"} {
		if st, err := os.Lstat(path.Join(dir, name)); err == nil && st.IsDir() {
			return true
		}
	}
	return false
}

// checkSystem returns an error if the tree is not that of a system.
func checkSystem() error {
	if !isSystem("/") {
		return errors.New("the archive is not a system: it has neither /usr nor /bin")
	}
	return nil
}

// Account is the account of the caller in a new tree.
type Account struct {
	Name     string
	UID, GID int
}

// add adds the account, its group and its home, unless the tree has an account of
// that number already.
func (a *Account) add() error {
	passwd, err := os.ReadFile("/etc/passwd")
	if errors.Is(err, os.ErrNotExist) {
		return nil // such as a tree with only busybox
	}
	if err != nil {
		return err
	}
	if hasField(passwd, 2, fmt.Sprint(a.UID)) {
		return nil
	}
	name := a.Name
	for i := 2; hasField(passwd, 0, name); i++ {
		name = fmt.Sprintf("%s%d", a.Name, i)
	}
	group, _ := os.ReadFile("/etc/group")
	if !hasField(group, 2, fmt.Sprint(a.GID)) {
		groupName := name
		for i := 2; hasField(group, 0, groupName); i++ {
			groupName = fmt.Sprintf("%s%d", name, i)
		}
		if err := appendLine("/etc/group", fmt.Sprintf("%s:x:%d:", groupName, a.GID)); err != nil {
			return err
		}
	}
	shell := "/bin/sh"
	if _, err := os.Stat("/bin/bash"); err == nil {
		shell = "/bin/bash"
	}
	home := "/home/" + name
	if err := appendLine("/etc/passwd", fmt.Sprintf("%s:x:%d:%d::%s:%s", name, a.UID, a.GID, home, shell)); err != nil {
		return err
	}
	if _, err := os.Stat("/etc/shadow"); err == nil {
		if err := appendLine("/etc/shadow", name+":!:::::::"); err != nil {
			return err
		}
	}
	return a.makeHome(home)
}

// makeHome makes the home with the files of /etc/skel.
func (a *Account) makeHome(home string) error {
	if err := os.MkdirAll(path.Dir(home), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(home, 0o700); err != nil {
		if errors.Is(err, os.ErrExist) {
			return nil
		}
		return err
	}
	skeleton, _ := os.ReadDir("/etc/skel")
	for _, e := range skeleton {
		if !e.Type().IsRegular() {
			continue
		}
		data, err := os.ReadFile(path.Join("/etc/skel", e.Name()))
		if err != nil {
			continue
		}
		p := path.Join(home, e.Name())
		if err := errors.Join(os.WriteFile(p, data, 0o644), os.Lchown(p, a.UID, a.GID)); err != nil {
			return err
		}
	}
	return os.Lchown(home, a.UID, a.GID)
}

func hasField(table []byte, field int, value string) bool {
	for line := range strings.Lines(string(table)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if len(f) > field && f[field] == value {
			return true
		}
	}
	return false
}

// appendLine appends a line to a file of the tree. The file may be a symlink of the
// tree's: nothing outside has a name here.
func appendLine(file, line string) error {
	data, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if len(data) > 0 && data[len(data)-1] != '\n' {
		line = "\n" + line
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_NONBLOCK, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Close())
}
