// Package homereport says what a launch has left at the top of the home inside:
// files that a program has made there and that the person will not find on the
// host, links to the host's files that it has replaced or removed, and such links
// that it has moved into a shared directory. It moves nothing.
package homereport

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/config"
)

// Report compares the home of one launch before and after.
type Report struct {
	plan   *session.Plan
	home   string // of the caller
	dir    string // the home inside, on the host
	record string // the file with the names that the person knows of
	before map[string]string
	begun  time.Time
}

// Message is a text for the person, with what to type.
type Message struct{ Text, Hint string }

// Begin looks at the home before the launch. It returns nil if the launch has no
// home in which something could be left: with --home=host everything is on the
// host, and a temporary home is forgotten on purpose.
func Begin(plan *session.Plan, c *session.Caller, stateDir string) *Report {
	dir := plan.Home.Dir
	switch plan.Home.Mode {
	case session.HomePrivate, session.HomeDir:
	case session.HomeAuto: // of the chroot
		dir = string(plan.Tree.Join(dir))
	default:
		return nil
	}
	if plan.Identity.RootMounts() || plan.Identity.InsideUID == 0 {
		return nil
	}
	return &Report{plan: plan, home: c.Account.Home, dir: dir, record: config.HomeRecord(stateDir, session.HostPath(dir)),
		before: list(dir), begun: time.Now()}
}

// list returns the visible entries at the top of a directory: the target of a
// symlink, or the type. Placeholders are left out.
func list(dir string) map[string]string {
	entries, _ := os.ReadDir(dir)
	names := map[string]string{}
	for _, e := range entries {
		name := e.Name()
		switch {
		case name[0] == '.':
		case e.Type()&fs.ModeSymlink != 0:
			target, _ := os.Readlink(path.Join(dir, name))
			names[name] = "-> " + target
		case e.IsDir():
			var st unix.Stat_t
			if unix.Lstat(path.Join(dir, name), &st) != nil || st.Mode&0o7777 != session.PlaceholderMode {
				names[name] = "directory"
			}
		default:
			names[name] = "file"
		}
	}
	return names
}

// isLink reports whether a symlink of the home is one that chrun has made.
func (r *Report) isLink(name, entry string) bool {
	return entry == "-> "+string(session.HomeAlias(session.HostPath(r.home)).Join(name))
}

// Earlier says what a program has left since the last launch, after its chrun had
// ended, and which files stand in for the host's.
func (r *Report) Earlier() (messages []Message) {
	if r == nil {
		return nil
	}
	if known, err := os.ReadFile(r.record); err == nil {
		names := strings.Split(string(known), "\x00")
		for _, name := range r.own(r.before) {
			if !slices.Contains(names, name) {
				messages = append(messages, r.describeNew(name))
			}
		}
	}
	for _, s := range r.plan.StandIns {
		own, host := session.Quote(string(s.Own)), session.Quote(string(s.Host))
		messages = append(messages, Message{
			fmt.Sprintf("inside, ~/%s is a file of the chroot, which hides yours", path.Base(string(s.Own))),
			fmt.Sprintf("to replace yours by it: mv %s %s; to remove it: rm %[1]s", own, host)})
	}
	return messages
}

// own lists the names that are neither links of chrun's nor mount points that it
// has made for this launch.
func (r *Report) own(entries map[string]string) (names []string) {
	made := map[string]bool{}
	for _, p := range r.plan.Preparations {
		if p.InHome != "" && p.Link == "" {
			first, _, _ := strings.Cut(p.At, "/")
			made[first] = true
		}
	}
	for name, e := range entries {
		if !r.isLink(name, e) && !made[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// End says what the launch has left, and records the names.
func (r *Report) End() (messages []Message) {
	if r == nil {
		return nil
	}
	after := list(r.dir)
	planned := map[string]bool{}
	for _, p := range r.plan.Preparations {
		if p.Link != "" {
			planned[path.Base(p.At)] = true
		}
	}
	for _, name := range r.own(after) {
		before, existed := r.before[name]
		switch wasLink := existed && r.isLink(name, before) || !existed && planned[name]; {
		case wasLink:
			host := path.Join(r.home, name)
			messages = append(messages, Message{fmt.Sprintf("~/%s was replaced inside: the host's file is unchanged", name),
				fmt.Sprintf("to replace yours by it: mv %s %s; to remove it: rm %[1]s", session.Quote(path.Join(r.dir, name)), session.Quote(host))})
		case !existed:
			messages = append(messages, r.describeNew(name))
		}
	}
	for name, e := range r.before {
		isStale := slices.ContainsFunc(r.plan.Stale, func(s session.StaleEntry) bool { return s.Name == name })
		if _, exists := after[name]; !exists && r.isLink(name, e) && !isStale {
			messages = append(messages, Message{fmt.Sprintf("~/%s was removed inside: the host's file is unchanged", name), "to remove it: rm " + session.Quote(path.Join(r.home, name))})
		}
	}
	messages = append(messages, r.movedLinks()...)
	r.save(after)
	return messages
}

func (r *Report) describeNew(name string) Message {
	at := path.Join(r.dir, name)
	if _, err := os.Lstat(path.Join(r.home, name)); err == nil {
		return Message{fmt.Sprintf("~/%s is new in the chroot's home: %s; your home has another one", name, short(at, r.home)),
			"to have both in your home: mv -i " + session.Quote(at, path.Join(r.home, name+".chroot"))}
	}
	return Message{fmt.Sprintf("~/%s is new in the chroot's home: %s", name, short(at, r.home)), "to move it to your home: mv -i " + session.Quote(at, r.home)}
}

func short(p, home string) string {
	if rest, ok := strings.CutPrefix(p, home+"/"); ok {
		return "~/" + rest
	}
	return p
}

// movedLinks finds links of chrun's that a program has moved or copied to the top
// of a shared directory, where they lead nowhere on the host. Only directories
// that have changed are read.
func (r *Report) movedLinks() (messages []Message) {
	alias := string(session.HomeAlias(session.HostPath(r.home))) + "/"
	seen := map[string]bool{} // a directory may be shared by two names
	for _, m := range r.plan.Mounts {
		if m.Kind != session.FromHost || m.Feature != "documents" || strings.HasPrefix(string(m.Dest), "/run/host") || seen[m.Source] {
			continue
		}
		seen[m.Source] = true
		var st unix.Statx_t
		err := unix.Statx(unix.AT_FDCWD, m.Source, unix.AT_STATX_DONT_SYNC, unix.STATX_MTIME, &st)
		if err != nil || time.Unix(st.Mtime.Sec, int64(st.Mtime.Nsec)).Before(r.begun.Add(-time.Second)) {
			continue
		}
		entries, _ := os.ReadDir(m.Source)
		for _, e := range entries {
			p := path.Join(m.Source, e.Name())
			if target, err := os.Readlink(p); e.Type()&fs.ModeSymlink != 0 && err == nil && strings.HasPrefix(target, alias) {
				host := path.Join(r.home, strings.TrimPrefix(target, alias))
				messages = append(messages, Message{fmt.Sprintf("%s is only a link: the file is still %s", p, host),
					fmt.Sprintf("to have the file there: cp --remove-destination %s %s", session.Quote(host), session.Quote(p))})
			}
		}
	}
	return messages
}

// save records the names of the chroot's own entries. A known one on which this
// launch has mounted stays known.
func (r *Report) save(entries map[string]string) {
	names := r.own(entries)
	old, err := os.ReadFile(r.record)
	for name := range strings.SplitSeq(string(old), "\x00") {
		if e, exists := entries[name]; exists && !r.isLink(name, e) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	text := strings.Join(names, "\x00")
	if err == nil && string(old) == text {
		return
	}
	// Without the record the next launch reports nothing, which is no loss.
	_ = errors.Join(os.MkdirAll(path.Dir(r.record), 0o700), os.WriteFile(r.record, []byte(text), 0o600))
}
