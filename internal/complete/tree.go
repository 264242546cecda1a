package complete

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"chrun/session/account"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// MaxPrograms limits how many names one completion reads, because a person waits
// for it.
const MaxPrograms = 5 * rootfs.MaxEntries

// openChroot opens the chroot that chrun would use; nil if there is none.
func (c *completion) openChroot() (*rootfs.Root, *config.Chroot) {
	conf, err := config.Load(c.Source)
	if err != nil {
		return nil, nil
	}
	ch, err := conf.Select(c.chroot, c.Env.Get("CHRUN_CHROOT"))
	if err != nil {
		return nil, nil
	}
	root, err := rootfs.Open(ch.Path)
	if err != nil {
		return nil, nil
	}
	return root, ch
}

// completePrograms completes COMMAND.
func (c *completion) completePrograms(word string) {
	switch {
	case path.IsAbs(word):
		c.completePath("", word, true)
		return
	case strings.ContainsAny(word, "/~"):
		fmt.Fprintln(c.Out, ":files ")
		return
	}
	root, ch := c.openChroot()
	if root == nil {
		return
	}
	defer root.Close()
	search := ch.Env["PATH"]
	if search == "" {
		search = account.ReadLogin(root.Read, c.Root).Path
	}
	var names []string
	seen := 0
	for _, dir := range strings.Split(search, ":") {
		list, _ := root.List(rootfs.Path(dir)) // only the first entries of a directory that is too large
		for _, e := range list {
			if strings.HasPrefix(e.Name(), word) && !e.IsDir() && e.Name()[0] != '-' {
				names = append(names, e.Name())
			}
		}
		if seen += len(list); seen >= MaxPrograms {
			break
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		c.offer("", word, name, "")
	}
}

// completePath completes a path inside the chroot: of a directory, which ends in a
// '/', or also of files. It reports whether it found one.
func (c *completion) completePath(prefix, word string, files bool) (found bool) {
	root, _ := c.openChroot()
	if root == nil {
		return false
	}
	defer root.Close()
	dir, base := path.Split(word)
	if !path.IsAbs(dir) {
		return false
	}
	list, _ := root.List(rootfs.Path(path.Clean(dir)))
	for _, e := range list {
		if !strings.HasPrefix(e.Name(), base) || e.Name()[0] == '.' && base == "" {
			continue
		}
		value := dir + e.Name()
		switch {
		case e.IsDir() || e.Type()&fs.ModeSymlink != 0 && root.IsDir(rootfs.Path(value)):
			value += "/"
		case !files:
			continue
		}
		c.offer(prefix, word, value, "")
		found = true
	}
	return found
}

// completeDirectories completes a directory inside. If the tree has none, the shell
// completes one of the host, which may be shared.
func (c *completion) completeDirectories(prefix, word string) {
	if !c.completePath(prefix, word, false) {
		fmt.Fprintln(c.Out, ":directories", prefix)
	}
}

func (c *completion) completeAccounts(prefix, word string) {
	if c.Root { // root can only be root
		c.offer(prefix, word, "root", "")
		return
	}
	root, _ := c.openChroot()
	if root == nil {
		return
	}
	defer root.Close()
	passwd, err := account.Open(root, "/etc/passwd")
	if err != nil {
		return
	}
	defer passwd.Close()
	for a := range passwd.All() {
		if a.UID >= 1000 && a.UID < 65534 {
			c.offer(prefix, word, a.Name, a.Comment)
		}
	}
}
