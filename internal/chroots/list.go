package chroots

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/internal/processes"
	"chrun/session"
	"chrun/session/account"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// Listed is a named chroot as it is listed.
type Listed struct {
	Name, Path   string
	Default      bool
	Missing      bool   // its directory does not exist
	Distribution string `json:",omitempty"` // as its os-release says
	Owner        string `json:",omitempty"` // "yours", "your subordinate IDs", or "uid N"; "" is root
	Processes    int    // that are seen to live there
}

// List lists the named chroots. With an error it returns those that it could read.
func List(c *session.Caller, conf *config.Config) ([]Listed, error) {
	all, err := conf.All()
	list := []Listed{}
	var trees []rootfs.HostPath
	for _, ch := range all {
		l := Listed{Name: ch.Name, Path: string(ch.Path), Default: ch.Name == conf.Default}
		tree, missing := rootfs.ResolveHost(ch.Path)
		var st unix.Stat_t
		if missing == nil {
			missing = unix.Stat(string(tree), &st)
		}
		if l.Missing = missing != nil; !l.Missing {
			l.Owner = describeOwner(c, int(st.Uid))
			l.Distribution = readDistribution(tree)
		}
		trees = append(trees, tree)
		list = append(list, l)
	}
	// What runs is not worth an error.
	if found, scanErr := processes.Scan(trees); scanErr == nil {
		for i := range list {
			list[i].Processes = len(found.In[trees[i]])
		}
	}
	return list, err
}

func describeOwner(c *session.Caller, uid int) string {
	switch {
	case uid == 0:
		return ""
	case uid == c.UID:
		return "yours"
	case account.InRanges(account.ReadHostSubIDs(c.Host, "/etc/subuid", c.Account), uid):
		return "your subordinate IDs"
	}
	return fmt.Sprintf("uid %d", uid)
}

// readDistribution returns the name in os-release(5), "" if there is none.
func readDistribution(tree rootfs.HostPath) string {
	root, err := rootfs.Open(tree)
	if err != nil {
		return ""
	}
	defer root.Close()
	data, err := root.Read("/etc/os-release")
	if err != nil {
		data, _ = root.Read("/usr/lib/os-release")
	}
	name := ""
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if value = strings.Trim(value, `"'`); key == "PRETTY_NAME" || key == "NAME" && name == "" {
			name = value
		}
	}
	return session.Printable(name)
}

// Size returns how many bytes the files of a tree use on disk, as du(1) counts them.
// partial reports that some could not be read.
func Size(tree string) (bytes int64, partial bool) {
	seen := map[[2]uint64]bool{}
	var st unix.Stat_t
	if unix.Stat(tree, &st) != nil {
		return 0, true
	}
	device := st.Dev
	for pending := []string{tree}; len(pending) > 0; {
		dir := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		entries, err := os.ReadDir(dir)
		partial = partial || err != nil
		for _, e := range entries {
			p := dir + "/" + e.Name()
			if unix.Lstat(p, &st) != nil || st.Dev != device || seen[[2]uint64{st.Dev, st.Ino}] {
				continue
			}
			if seen[[2]uint64{st.Dev, st.Ino}] = st.Nlink > 1; e.IsDir() {
				pending = append(pending, p)
			}
			bytes += st.Blocks * 512
		}
	}
	return bytes, partial
}

// Marks describes in words what is special about a chroot.
func (l *Listed) Marks() string {
	var marks []string
	if l.Default {
		marks = append(marks, "default")
	}
	if l.Missing {
		marks = append(marks, "missing")
	}
	for _, text := range []string{l.Distribution, l.Owner} {
		if text != "" {
			marks = append(marks, text)
		}
	}
	switch {
	case l.Processes == 1:
		marks = append(marks, "1 process")
	case l.Processes > 1:
		marks = append(marks, fmt.Sprintf("%d processes", l.Processes))
	}
	return strings.Join(marks, ", ")
}
