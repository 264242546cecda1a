// Package processes finds the processes that live in the trees of chroots, and ends
// them. It starts from /proc alone, so that it also finds programs that another
// tool has started, or that have outlived their chrun.
package processes

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"chrun/session/rootfs"
)

// Start says how a program was started.
type Start string

// The ways to start a program.
const (
	FromTerminal Start = "terminal"
	FromMenu     Start = "menu"
	FromScript   Start = "script" // chrun without a terminal
	Orphan       Start = "left"   // its chrun has ended
	Other        Start = "other"  // not by chrun
)

// Process is one that lives in a tree.
type Process struct {
	PID     int       `json:"pid"`
	UID     int       `json:"uid"`
	Program string    `json:"program"`
	Command []string  `json:"command"`
	Since   time.Time `json:"since"`
	Started Start     `json:"started"`

	ticks  uint64 // the start time, which identifies the process with its PID
	scope  string // the cgroup that chrun made for its launch, below /sys/fs/cgroup
	parent int
}

// location is a directory as /proc/PID/mountinfo names it: the device of the file
// system and the path within it. Unlike a path it is the same in all namespaces.
type location struct{ device, path string }

func (l location) contains(o location) bool {
	return l.device == o.device && (o.path == l.path || l.path == "/" || strings.HasPrefix(o.path, l.path+"/"))
}

// locate returns an error if the directory does not exist, or its mount is not in
// the table.
func locate(dir rootfs.HostPath, table []mount) (location, error) {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, string(dir), unix.AT_STATX_DONT_SYNC, unix.STATX_MNT_ID, &st); err != nil {
		return location{}, &fs.PathError{Op: "stat", Path: string(dir), Err: err}
	}
	i := slices.IndexFunc(table, func(m mount) bool { return m.id == strconv.FormatUint(st.Mnt_id, 10) })
	if i < 0 {
		return location{}, fmt.Errorf("the mount of %s is not listed", dir)
	}
	m := table[i]
	return location{m.device, path.Join(m.path, strings.TrimPrefix(string(dir), m.point))}, nil
}

// mount is a line of mountinfo (proc(5)).
type mount struct {
	id string
	location
	point string
}

var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// parseMounts skips lines that are not understood.
func parseMounts(data []byte) (table []mount) {
	for line := range bytes.Lines(data) {
		f := strings.Fields(string(line))
		if len(f) > 5 {
			table = append(table, mount{f[0], location{f[2], unescape.Replace(f[3])}, unescape.Replace(f[4])})
		}
	}
	return table
}

// readMounts reads the table of this process.
func readMounts() ([]mount, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	return parseMounts(data), err
}

// MountPoints returns the mount points at and below a directory.
func MountPoints(dir rootfs.HostPath) (points []string, err error) {
	table, err := readMounts()
	for _, m := range table {
		if rootfs.HostPath(m.point).IsBelow(dir) {
			points = append(points, m.point)
		}
	}
	return points, err
}

// rootOf returns where the "/" of a table is.
func rootOf(table []mount) (root location) {
	for _, m := range table {
		if m.point == "/" {
			root = m.location // the last one is on top
		}
	}
	return root
}

// Found are the processes of trees, in the order of their PIDs.
type Found struct {
	In map[rootfs.HostPath][]Process
	// Partial reports that not all processes could be examined: those of other
	// users hide their root directory, and hidepid hides them altogether.
	Partial bool
}

// Scan finds the processes that live in the trees, which are canonical paths. A
// process belongs to a tree if its "/" lies in it, or it has a mount of the tree and
// another "/" than the host's; or if it shares its mount namespace with one that
// does; or if its parent belongs; or if its root directory lies in the tree. One
// whose "/" is the host's never belongs. Trees that do not exist have none.
func Scan(trees []rootfs.HostPath) (*Found, error) {
	return newScan(nil).run(trees)
}

func newScan(seen func(Process)) *scan {
	return &scan{found: &Found{In: map[rootfs.HostPath][]Process{}}, shared: map[string]bool{"": true}, seen: seen}
}

type scan struct {
	found *Found
	// seen, if not nil, is called for a process as soon as its mounts show that it
	// lives in a tree. It may have ended before the scan has.
	seen  func(Process)
	trees []tree
	all   map[int]*candidate
	// shared are mount namespaces in which a process has the host's "/". A process
	// in one of them may live in a tree by chroot(2), but others there do not.
	shared map[string]bool
}

type tree struct {
	dir      rootfs.HostPath
	at       location
	dev, ino uint64 // of the directory
}

type candidate struct {
	Process
	namespace string // of its mounts, "" if it is not known
	tree      int    // -1 if it lives in none
	onHost    bool   // its "/" is the host's
}

func (s *scan) run(trees []rootfs.HostPath) (*Found, error) {
	table, err := readMounts()
	if err != nil {
		return nil, err
	}
	for _, dir := range trees {
		if dir == "/" {
			return nil, errors.New("/ is the running system itself")
		}
		at, err := locate(dir, table)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var st unix.Stat_t
		if err := unix.Stat(string(dir), &st); err != nil {
			return nil, &fs.PathError{Op: "stat", Path: string(dir), Err: err}
		}
		s.trees = append(s.trees, tree{dir, at, st.Dev, st.Ino})
	}
	// The innermost tree comes first, for trees that lie in another.
	slices.SortStableFunc(s.trees, func(a, b tree) int { return len(b.at.path) - len(a.at.path) })
	if err := s.list(rootOf(table)); err != nil {
		return nil, err
	}
	s.spread()
	for _, pid := range slices.Sorted(maps.Keys(s.all)) {
		if c := s.all[pid]; c.tree >= 0 {
			c.Started = s.howStarted(c)
			dir := s.trees[c.tree].dir
			s.found.In[dir] = append(s.found.In[dir], c.Process)
		}
	}
	return s.found, nil
}

// maxPasses is how often a scan looks for processes that have started since.
const maxPasses = 50

// list reads all processes and finds those that lie in a tree by themselves. One that
// forks and exits all the time has a new number whenever it is looked at, so list looks
// for new numbers until there are none.
func (s *scan) list(hostRoot location) error {
	s.all = map[int]*candidate{}
	examined := map[string]bool{}
	for range maxPasses {
		names, err := readProc()
		if err != nil {
			return err
		}
		fresh := slices.DeleteFunc(names, func(name string) bool { return examined[name] })
		if len(fresh) == 0 {
			break
		}
		for _, name := range fresh {
			examined[name] = true
			if pid, err := strconv.Atoi(name); err == nil && pid != os.Getpid() {
				s.examine(pid, hostRoot)
			}
		}
	}
	if _, err := os.Stat("/proc/1/status"); err != nil {
		s.found.Partial = true // hidepid
	}
	return nil
}

// readProc returns the names in /proc.
func readProc() ([]string, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.Readdirnames(-1)
}

// examine finds out whether a process lies in a tree by itself.
func (s *scan) examine(pid int, hostRoot location) {
	c, ok := readCandidate(pid)
	if !ok {
		return // it has ended, or is a thread of the kernel
	}
	s.all[pid] = c
	if c.tree = s.treeOfMounts(c, hostRoot); c.tree < 0 {
		c.tree = s.treeOfRoot(pid)
	}
	if c.tree >= 0 && s.seen != nil {
		s.seen(c.Process)
	}
}

// treeOfMounts returns the index of the tree in which a process lives by its table
// of mounts, or -1. Everybody can read it.
func (s *scan) treeOfMounts(c *candidate, hostRoot location) int {
	data, err := os.ReadFile(proc(c.PID, "mountinfo"))
	if err != nil {
		return -1
	}
	table := parseMounts(data)
	root := rootOf(table)
	if root == hostRoot {
		s.shared[c.namespace], c.onHost = true, true
		return -1
	}
	for i, t := range s.trees {
		if t.at.contains(root) {
			return i
		}
	}
	for i, t := range s.trees {
		if slices.ContainsFunc(table, func(m mount) bool { return t.at.contains(m.location) }) {
			return i
		}
	}
	return -1
}

// treeOfRoot returns the index of the tree that contains the root directory of a
// process that was started by chroot(2), or -1.
func (s *scan) treeOfRoot(pid int) int {
	root, err := os.Readlink(proc(pid, "root"))
	var st unix.Statx_t
	if err == nil { // without asking the server of a network file system, which may not answer
		err = unix.Statx(unix.AT_FDCWD, proc(pid, "root/."), unix.AT_STATX_DONT_SYNC, unix.STATX_INO, &st)
	}
	if err != nil {
		s.found.Partial = s.found.Partial || errors.Is(err, fs.ErrPermission) && pid != 1
		return -1
	}
	return slices.IndexFunc(s.trees, func(t tree) bool {
		return t.dev == unix.Mkdev(st.Dev_major, st.Dev_minor) && t.ino == st.Ino || rootfs.HostPath(root).IsBelow(t.dir)
	})
}

// spread adds those that share a mount namespace with a member, and the children
// of members, until nothing changes.
func (s *scan) spread() {
	for changed := true; changed; {
		changed = false
		namespaces := map[string]int{}
		for _, c := range s.all {
			if c.tree >= 0 && !s.shared[c.namespace] {
				namespaces[c.namespace] = c.tree
			}
		}
		for _, c := range s.all {
			if c.tree >= 0 || c.onHost {
				continue
			}
			parent := s.all[c.parent]
			if t, ok := namespaces[c.namespace]; ok {
				c.tree, changed = t, true
			} else if parent != nil && parent.tree >= 0 {
				c.tree, changed = parent.tree, true
			}
		}
	}
}

// howStarted looks for the chrun above a process.
func (s *scan) howStarted(c *candidate) Start {
	top := c
	for parent := s.all[top.parent]; parent != nil && parent.tree >= 0; parent = s.all[top.parent] {
		top = parent
	}
	above := s.all[top.parent]
	reaped := above == nil || above.PID == 1 || above.Program == "systemd" // of the user
	switch {
	case !reaped && isChrun(above.Command):
	case !hasVariable(c.PID, "CHRUN_CHROOT"):
		return Other
	case reaped:
		return Orphan
	default:
		above = top // root's chrun has become the program
	}
	switch {
	case slices.Contains(above.Command, "--app") || slices.ContainsFunc(above.Command, func(a string) bool { return strings.HasPrefix(a, "--app=") }):
		return FromMenu
	case hasTerminal(above.PID):
		return FromTerminal
	}
	return FromScript
}

// isChrun reports whether a command line is that of the launcher.
func isChrun(command []string) bool {
	return len(command) > 0 && path.Base(command[0]) == "chrun"
}

func proc(pid int, name string) string { return "/proc/" + strconv.Itoa(pid) + "/" + name }
