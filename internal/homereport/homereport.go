// Package homereport says what a launch has left at the top of the home inside:
// files that a program has made there and that the person will not find on the
// host, links to the host's files that it has replaced or removed, and such links
// that it has moved into a shared directory. It moves nothing.
//
// Each thing is said once, by the launch in which it appeared or changed. Nothing
// goes unsaid: what appears later, or in a launch that was killed, is said by the
// next one.
package homereport

import (
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// Report compares the home of one launch before and after.
type Report struct {
	plan    *session.Plan
	home    string          // of the caller
	dir     string          // the home inside, on the host
	record  *record         // nil if there is none
	mounted map[string]bool // directories of the home on which this launch mounts
	before  map[string]entry
	earlier news // what earlier launches have left unsaid
	begun   time.Time
	// quiet means that nothing is printed: what this launch makes counts as said, and
	// what others have made is left to the next one.
	quiet bool

	temporary *temporary // only of a temporary home
}

// Begin looks at the home before the launch. It returns nil if the launch has no
// home in which something could be left: with --home=host everything is on the
// host.
func Begin(plan *session.Plan, c *session.Caller, stateDir string, quiet bool) *Report {
	if plan.Identity.RootMounts() || plan.Identity.InsideUID == 0 {
		return nil
	}
	dir := plan.Home.Dir
	switch plan.Home.Mode {
	case session.HomeTemporary:
		return &Report{plan: plan, home: c.Account.Home, temporary: beginTemporary(path.Join(stateDir, "kept"))}
	case session.HomePrivate, session.HomeDir:
	case session.HomeAuto: // of the chroot
		dir = string(plan.Tree.Join(dir))
	default:
		return nil
	}
	r := &Report{plan: plan, home: c.Account.Home, dir: dir, mounted: findMounted(plan), begun: time.Now(), quiet: quiet}
	r.before = list(dir, r.mounted)
	if r.record = openRecord(config.HomeRecord(stateDir, session.HostPath(dir))); r.record == nil {
		return r
	}
	defer r.record.lock()()
	known, ok := r.record.read()
	alone := r.record.isAlone()
	switch own := r.own(r.before); {
	case !ok: // what is there is from before the first report
		r.save(known, r.before, own)
	case alone && !quiet: // no other launch will say it
		maps.DeleteFunc(known, func(_, stamp string) bool { return stamp == removed })
		r.save(known, r.before, r.earlier.addChanges(r, own, r.before, known))
	}
	return r
}

// Earlier says what a program has left since the last launch, after its chrun had
// ended, and which files stand in for the host's.
func (r *Report) Earlier() (messages []Message) {
	if r == nil || r.plan.Home.Mode == session.HomeTemporary {
		return nil
	}
	return append(r.earlier.messages(r), r.standIns()...)
}

// End says what has been left, and records that it was said. While other launches
// run in the same home, it leaves to them what was there before this one.
func (r *Report) End() (messages []Message) {
	switch {
	case r == nil:
		return nil
	case r.temporary != nil:
		return r.temporary.end(r)
	case r.plan.Home.Mode == session.HomeTemporary:
		return nil
	}
	after := list(r.dir, r.mounted)
	known, alone := map[string]string{}, false
	if r.record != nil {
		defer r.record.file.Close()
		defer r.record.lock()()
		known, _ = r.record.read()
		alone = r.record.isAlone()
	}
	var news news
	if r.quiet && !alone {
		return nil
	}
	mine := slices.DeleteFunc(r.own(after), func(name string) bool { return (r.quiet || !alone) && r.before[name] == after[name] })
	said := news.addChanges(r, mine, after, known)
	for _, name := range r.removedLinks(after) {
		if known[name] != removed {
			news.removed, known[name] = append(news.removed, name), removed
		}
	}
	for p, name := range r.movedLinks() {
		if e, _ := look(p, false); known[p] != e.stamp {
			news.addMoved(p, name)
			known[p] = e.stamp
		}
	}
	if r.record != nil {
		r.save(known, after, said)
	}
	return news.messages(r)
}

// own lists the names that are neither links of chrun's nor mount points that a
// launch has made.
func (r *Report) own(entries map[string]entry) (names []string) {
	made := r.mountPoints()
	for name, e := range entries {
		if !r.isLink(name, e) && !made[name] && !(e.kind == placeholder && r.isInHome(name)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// mountPoints are the names in which this launch has made mount points.
func (r *Report) mountPoints() map[string]bool {
	made := map[string]bool{}
	for _, p := range r.plan.Preparations {
		if p.InHome == session.HostPath(r.dir) && p.Link == "" {
			first, _, _ := strings.Cut(p.At, "/")
			made[first] = true
		}
	}
	return made
}

// findMounted returns the names at the top of the home on which a plan mounts.
func findMounted(plan *session.Plan) map[string]bool {
	home, names := plan.Env.Get("HOME"), map[string]bool{}
	for _, m := range plan.Mounts {
		if dir, name := path.Split(string(m.Dest)); strings.TrimSuffix(dir, "/") == home {
			names[name] = true
		}
	}
	return names
}

// isLink reports whether a symlink of the home is one that chrun has made.
func (r *Report) isLink(name string, e entry) bool {
	return e.kind == link && e.stamp == string(session.HomeAlias(session.HostPath(r.home)).Join(name))
}

// isInHome reports whether the caller's home has an entry of that name.
func (r *Report) isInHome(name string) bool {
	_, err := os.Lstat(path.Join(r.home, name))
	return err == nil
}

// removedLinks lists the links of chrun's that a program has removed.
func (r *Report) removedLinks(after map[string]entry) (names []string) {
	links := map[string]bool{}
	for name, e := range r.before {
		links[name] = r.isLink(name, e)
	}
	for _, p := range r.plan.Preparations {
		if p.Link != "" && p.InHome == session.HostPath(r.dir) {
			links[p.At] = true
		}
	}
	for _, s := range r.plan.Stale {
		delete(links, s.Name)
	}
	for name, isLink := range links {
		if _, exists := after[name]; isLink && !exists {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// movedLinks finds links of chrun's that a program has moved or copied to the top
// of a shared directory, where they lead nowhere on the host. It returns the
// names at the top of the home by path. Only directories that have changed are read.
func (r *Report) movedLinks() map[string]string {
	if !r.hasLinks() {
		return nil
	}
	alias := string(session.HomeAlias(session.HostPath(r.home))) + "/"
	found, seen := map[string]string{}, map[string]bool{} // a directory may be shared by two names
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
		entries, _ := rootfs.ListHost(rootfs.HostPath(m.Source))
		for _, e := range entries {
			p := path.Join(m.Source, e.Name())
			if target, err := os.Readlink(p); e.Type()&fs.ModeSymlink != 0 && err == nil && strings.HasPrefix(target, alias) {
				found[p] = strings.TrimPrefix(target, alias)
			}
		}
	}
	return found
}

// hasLinks reports whether chrun has links at the top of the home.
func (r *Report) hasLinks() bool {
	for name, e := range r.before {
		if r.isLink(name, e) {
			return true
		}
	}
	return slices.ContainsFunc(r.plan.Preparations, func(p session.Preparation) bool { return p.Link != "" })
}

// save records that the person knows the entries of these names as they are now.
// It keeps what is known of others that still exist. Call it while the record is
// locked.
func (r *Report) save(known map[string]string, entries map[string]entry, said []string) {
	maps.DeleteFunc(known, func(name, stamp string) bool {
		e, exists := entries[name]
		return exists && r.isLink(name, e) || !exists && stamp != removed && !path.IsAbs(name)
	})
	for _, name := range said {
		known[name] = entries[name].stamp
	}
	for name := range r.mountPoints() { // mount points in a directory that is known change it, too
		if _, ok := known[name]; ok {
			known[name] = entries[name].stamp
		}
	}
	r.record.write(known)
}
