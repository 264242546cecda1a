package session

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Offer is what one feature said of this launch.
type Offer struct {
	Feature Feature
	Allowed bool
	Share   Share
}

// Decide makes the plan from the facts, the request and what the features
// offer. It changes nothing. Errors are in the person's words.
func Decide(f *Facts, req Request, offers []Offer, env Environment) (*Plan, error) {
	b := &builder{f: f, req: req, layout: newLayout(f.Root, f.Writable), plan: &Plan{
		Name: f.Name, Tree: f.Root.Dir(), Identity: f.Identity, User: f.Account.Name, Argv: req.Argv,
		CallerUID: f.Caller.UID, CallerGID: f.Caller.GID, Groups: f.Caller.Groups}}
	b.base()
	b.etc()
	b.accounts()
	b.home()
	for _, o := range offers {
		b.share(o)
	}
	for _, bind := range req.Binds {
		if err := b.trusted(bind.Dest); err != nil {
			b.fail(err)
			break
		}
		b.bind("bind", bind)
	}
	b.shareCwd()
	for _, o := range offers {
		b.cover(o)
	}
	if b.err == nil {
		b.err = b.cwd()
	}
	if b.err != nil {
		return nil, b.err
	}
	b.environment(offers, env)
	b.program()
	b.plan.Preparations = b.prepare
	b.plan.Mounts, b.plan.Tmpfs = b.finish()
	if slices.ContainsFunc(offers, func(o Offer) bool { return o.Share.NeedsPathMap }) {
		b.plan.Tmpfs = append(b.plan.Tmpfs, b.places())
	}
	b.admit()
	return b.plan, b.err
}

type builder struct {
	f    *Facts
	req  Request
	plan *Plan
	*layout
	overlaid bool // /etc is an overlay
	err      error
}

func (b *builder) say(feature, state string) {
	b.plan.Features = append(b.plan.Features, FeatureState{feature, state})
}
func (b *builder) note(format string, a ...any) {
	b.plan.Notes = append(b.plan.Notes, fmt.Sprintf(format, a...))
}
func (b *builder) warn(format string, a ...any) {
	b.plan.Warnings = append(b.plan.Warnings, fmt.Sprintf(format, a...))
}

// fail keeps the first error.
func (b *builder) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// must places a mount without which the launch makes no sense.
func (b *builder) must(m Mount) {
	at, err := b.place(m.Dest, Dir)
	if err != nil {
		b.fail(fmt.Errorf("cannot make a place for %s: %w", m.Dest, err))
		return
	}
	m.Dest, m.Required = at, true
	b.mount(m)
}

// base places what every launch has: the kernel's file systems, /dev, and a
// fresh /run.
func (b *builder) base() {
	b.must(Mount{Kind: FromHost, Source: "/proc", Dest: "/proc", Feature: "base", Why: "processes, shared with the host"})
	b.must(Mount{Kind: FromHost, Source: "/sys", Dest: "/sys", Feature: "base", Why: "hardware, for GPU and device discovery"})
	b.dev()
	b.add(Node{Path: "run", Kind: Dir, Mode: 0o755})
	b.must(Mount{Kind: FromTmpfs, Source: "run", Dest: "/run", NoSuidNoDev: true, Feature: "base", Why: "a fresh /run"})
	b.add(Node{Path: "run/lock", Kind: Dir, Mode: 0o1777})
	b.add(Node{Path: "run/chrun", Kind: Dir, Mode: 0o700})
	if b.f.Allowed("tmp") && !b.req.RootInside {
		b.must(Mount{Kind: FromHost, Source: "/tmp", Dest: "/tmp", Feature: "tmp", Why: "the host's /tmp"})
	} else if !b.req.RootInside {
		b.add(Node{Path: "tmp", Kind: Dir, Mode: 0o1777})
		b.must(Mount{Kind: FromTmpfs, Source: "tmp", Dest: "/tmp", NoSuidNoDev: true, Feature: "tmp", Why: "an empty /tmp"})
	}
	if b.req.NoDesktop {
		return
	}
	if dir := b.f.Caller.RuntimeDir; dir != "" && !b.f.Caller.Private {
		b.bind("base", Bind{Source: dir, Dest: Path(dir), Required: true,
			Why: "the caller's runtime directory, whole, so that servers may restart"})
		return
	}
	if !b.f.Caller.Private {
		b.add(Node{Path: strings.TrimPrefix(string(b.runtimeDir()), "/"), Kind: Dir, Mode: 0o700})
		return
	}
	b.add(Node{Path: "runtime", Kind: Dir, Mode: 0o700})
	b.must(Mount{Kind: FromTmpfs, Source: "runtime", Dest: b.runtimeDir(), NoSuidNoDev: true, Feature: "base",
		Why: "a runtime directory of the program's own, with the shared sockets"})
}

// runtimeDir is XDG_RUNTIME_DIR inside.
func (b *builder) runtimeDir() Path {
	if dir := b.f.Caller.RuntimeDir; dir != "" && !b.req.NoDesktop {
		return Path(dir)
	}
	return Path("/run/user/" + strconv.Itoa(b.f.Caller.UID))
}

// dev shares /dev whole, or a selection when a feature in it is denied; the
// features add theirs.
func (b *builder) dev() {
	if SharesWholeDev(b.f) {
		b.must(Mount{Kind: FromHost, Source: "/dev", Dest: "/dev", Feature: "base", Why: "the host's devices"})
		return
	}
	b.add(Node{Path: "dev", Kind: Dir, Mode: 0o755})
	b.must(Mount{Kind: FromTmpfs, Source: "dev", Dest: "/dev", NoSuidNoDev: true, Feature: "base", Why: "the devices that every program needs"})
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "mqueue"} {
		p := "/dev/" + name
		b.bind("base", Bind{Source: HostPath(p), Dest: Path(p), Why: "every program needs it"})
	}
	for _, link := range [][2]string{{"fd", "/proc/self/fd"}, {"stdin", "fd/0"}, {"stdout", "fd/1"}, {"stderr", "fd/2"}} {
		b.add(Node{Path: "dev/" + link[0], Kind: Symlink, Target: link[1]})
	}
	if !b.f.Allowed("shm") {
		b.add(Node{Path: "dev/shm", Kind: Dir, Mode: 0o1777})
	}
}

// SharesWholeDev says whether /dev is shared whole.
func SharesWholeDev(f *Facts) bool {
	return f.Allowed("gpu") && f.Allowed("devices") && f.Allowed("shm")
}

// vacant says whether nothing is at p inside, or only mount points that earlier
// launches made in a home or in a tree of the caller's: empty files, and
// directories that hold nothing else.
func (b *builder) vacant(p Path) bool {
	at, f, _, rest, err := b.walk(p)
	if err != nil || len(rest) > 0 || f.kind == "" {
		return err == nil
	}
	m, source := b.owner(at)
	switch left := maxHusk; {
	case m.Kind == FromTree && f.kind == Dir && b.writable(Path(source)):
		return husk(source, &left, func(dir string) ([]fs.DirEntry, error) { return b.f.Root.List(Path(dir)) })
	case m.Kind != FromHost || !m.AllowMountPoints || at == m.Dest:
		return false
	case f.kind == Dir:
		return husk(source, &left, os.ReadDir)
	}
	st, err := os.Lstat(source)
	return err == nil && emptyFile(st)
}

// maxHusk is how many entries are looked at: more are no mount points.
const maxHusk = 100

// husk says whether dir holds nothing but empty files and husks.
func husk(dir string, left *int, list func(dir string) ([]fs.DirEntry, error)) bool {
	entries, err := list(dir)
	if *left -= len(entries); err != nil || *left < 0 {
		return false
	}
	return !slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		if e.IsDir() {
			return !husk(path.Join(dir, e.Name()), left, list)
		}
		st, err := e.Info()
		return err != nil || !emptyFile(st)
	})
}

func emptyFile(st fs.FileInfo) bool { return st.Mode().IsRegular() && st.Size() == 0 }

// bind places one shared file or directory.
func (b *builder) bind(feature string, s Bind) {
	if s.OnlyIfMissing {
		if !b.vacant(s.Dest) {
			return
		}
		if dir := Path(path.Dir(string(s.Dest))); s.WithFolder && b.vacant(dir) {
			s.Source, s.Dest = HostPath(path.Dir(string(s.Source))), dir
		}
	}
	if at, _, _, rest, err := b.walk(s.Dest); err == nil && len(rest) == 0 {
		if m, source := b.owner(at); m.Kind == FromHost && source == string(s.Source) && !s.ReadOnly {
			return // seen there already
		}
	}
	if b.plain(s) {
		return
	}
	var st unix.Stat_t
	err := unix.Stat(string(s.Source), &st)
	kind := Dir
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		kind = Regular
	}
	var at Path
	if err == nil {
		at, err = b.place(s.Dest, kind)
	}
	if err != nil {
		err = fmt.Errorf("cannot share %s on %s: %w", s.Source, s.Dest, err)
		if s.Required {
			b.fail(err)
			return
		}
		b.note("%s: %v", feature, err)
		return
	}
	b.mount(Mount{Kind: FromHost, Source: string(s.Source), Dest: at, ReadOnly: s.ReadOnly,
		Required: s.Required, Feature: feature, Why: s.Why})
}

// share places what an allowed feature offers.
func (b *builder) share(o Offer) {
	if !o.Allowed {
		b.say(o.Feature.Name, strings.TrimSuffix("denied: "+o.Share.State, ": "))
	} else {
		b.say(o.Feature.Name, o.Share.State)
	}
	for _, n := range o.Share.Notes {
		b.note("%s: %s", o.Feature.Name, n)
	}
	for _, w := range o.Share.Warnings {
		b.warn("%s: %s", o.Feature.Name, w)
	}
	for _, s := range o.Share.Binds {
		b.bind(o.Feature.Name, s)
	}
	for _, f := range o.Share.Files {
		b.file(o.Feature.Name, f)
	}
	if r := o.Share.Relay; r != nil {
		b.plan.Relays = append(b.plan.Relays, *r)
	}
	b.plan.Admissions = append(b.plan.Admissions, o.Share.Admissions...)
}

// cover hides the sockets of a denied feature behind /dev/null. Denying means
// not to integrate; it is no barrier.
func (b *builder) cover(o Offer) {
	for _, p := range o.Share.Cover {
		at, f, _, rest, err := b.walk(p)
		if err != nil || len(rest) > 0 || f.kind == "" {
			continue
		}
		m := Mount{Kind: FromHost, Source: "/dev/null", Dest: at, Feature: o.Feature.Name, Why: "denied"}
		if f.kind == Dir {
			b.add(Node{Path: "empty", Kind: Dir, Mode: 0o755})
			m.Kind, m.Source, m.ReadOnly, m.NoSuidNoDev = FromTmpfs, "empty", true, true
		}
		b.mount(m)
	}
}

// accounts makes the account known inside.
func (b *builder) accounts() {
	if b.req.RootInside {
		return
	}
	for _, f := range b.f.AccountFiles {
		b.file("account", f)
	}
}

// program names what to execute.
func (b *builder) program() {
	p := b.plan
	if len(p.Argv) == 0 {
		b.shell()
		return
	}
	if strings.Contains(p.Argv[0], "/") {
		p.Programs = []Path{Path(p.Argv[0])}
		return
	}
	search, ok := p.Env.Lookup("PATH")
	if !ok {
		search = "/bin:/usr/bin" // execvp(3)
	}
	for _, dir := range strings.Split(search, ":") {
		if dir == "" {
			dir = "."
		}
		p.Programs = append(p.Programs, Path(dir+"/"+p.Argv[0]))
	}
}

// Environment is how the caller's variables are treated.
type Environment struct {
	// Keep says whether a variable passes, else why not.
	Keep func(name, value string) (ok bool, why string)
	// Login are the variables that a login to the tree sets: PATH and its like.
	Login []Var
}

// environment makes the environment inside: what passes of the caller's, what
// a login sets, what the features set, what the person asked for, in this
// order. A variable of a feature that did not set it is unset.
func (b *builder) environment(offers []Offer, rules Environment) {
	values := map[string]string{}
	var dropped []string
	for _, kv := range b.f.Caller.Env {
		name, value, ok := strings.Cut(kv, "=")
		if _, twice := values[name]; !ok || twice {
			continue // getenv(3) sees the first
		}
		if keep, why := rules.Keep(name, value); keep {
			values[name] = value
		} else if why != "" {
			dropped = append(dropped, fmt.Sprintf("%s does not pass: %s", name, why))
		}
	}
	for _, v := range rules.Login {
		values[v.Name] = v.Value
	}
	a := b.f.Account
	for _, v := range []Var{{"HOME", string(b.f.Home)}, {"USER", a.Name}, {"LOGNAME", a.Name}, {"SHELL", a.Shell},
		{"PWD", string(b.plan.Cwd)}, {"XDG_RUNTIME_DIR", string(b.runtimeDir())},
		{"CHRUN_CHROOT", b.f.Name}, {"debian_chroot", promptName(b.f.Name)}} {
		values[v.Name] = v.Value
	}
	if b.req.NoDesktop {
		delete(values, "XDG_RUNTIME_DIR")
	}
	for _, o := range offers {
		for _, name := range o.Feature.Variables {
			delete(values, name)
		}
		for _, v := range o.Share.Env {
			values[v.Name] = v.Value
		}
		for _, l := range o.Share.Lists {
			now := values[l.Name]
			if now == "" {
				now = l.Default
			}
			values[l.Name] = strings.Trim(l.Prepend+":"+now+":"+l.Append, ":")
		}
	}
	for _, v := range b.req.Env {
		values[v.Name] = v.Value
	}
	for _, name := range b.req.UnsetEnv {
		delete(values, name)
	}
	for name, value := range values {
		b.plan.Env = append(b.plan.Env, name+"="+value)
	}
	sort.Strings(b.plan.Env)
	sort.Strings(dropped)
	for _, d := range dropped {
		b.note("environment: %s", d)
	}
}
