// Package doctor finds out why something does not work in a chroot. It looks at the
// host (package host), plans a launch, and makes one whose program is its own part
// inside (package inside). What it found is a Report (package report).
package doctor

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"time"

	"chrun/desktop"
	"chrun/internal/cli"
	"chrun/internal/doctor/host"
	"chrun/internal/doctor/inside"
	"chrun/internal/doctor/report"
	"chrun/session"
	"chrun/session/config"
)

// Options say what is wanted.
type Options struct {
	Flags      *cli.Flags // of the launch
	Features   []string   // only these rows; nil for all
	Sound, Net bool
	// Chrun and Self are the programs chrun and chrunctl.
	Chrun, Self string
	Caller      *session.Caller
	Config      *config.Config
	Chroot      *config.Chroot // nil if its file system does not answer
}

// Limit is how long the doctor waits for everything.
const Limit = 4500 * time.Millisecond

// Order are the names of all rows.
func Order() []string {
	names := slices.Clone(report.Rows.First)
	for _, f := range desktop.Features {
		names = append(names, f.Name)
	}
	return append(names, report.Rows.Last...)
}

// Examine makes all checks. An error means that it could not look at all.
func Examine(o *Options) (*report.Report, error) {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), Limit)
	defer cancel()
	r := &report.Report{Chroot: o.Flags.Chroot}
	plan, failed := o.plan(ctx)
	if ch := o.Chroot; ch != nil {
		r.Chroot = cmp.Or(ch.Name, string(ch.Path))
	}
	if plan != nil {
		r.Chroot, r.Identity = plan.Name, string(plan.Identity.Kind)
	}
	// What looks at a file system that does not answer never returns.
	type looked struct {
		checks []report.Check
		words  *report.Context
	}
	hostLooked := make(chan looked, 1)
	go func() {
		checks := host.Check(ctx, &host.Input{Caller: o.Caller, Config: o.Config, Chroot: o.Chroot, Plan: plan, Chrun: o.Chrun, Self: o.Self, Identity: o.Flags.Identity, Command: strings.Join(o.Flags.Command[:min(1, len(o.Flags.Command))], "")})
		hostLooked <- looked{checks, o.context(plan)}
	}()
	if failed != nil {
		r.Add(*failed)
	} else {
		checks, begun := o.enter(ctx, plan)
		if begun { // else nothing of it was tried
			r.Add(chain(plan)...)
		}
		o.explainCookie(ctx, plan, checks)
		r.Add(checks...)
		r.Starts = begun
	}
	words := o.context(nil)
	select {
	case l := <-hostLooked:
		words = l.words
		r.Add(l.checks...)
	case <-ctx.Done():
		r.Add(report.Bad("host", report.Answers, "hang", "a file system of the host does not answer"))
	}
	r.Checks = slices.DeleteFunc(r.Checks, func(c report.Check) bool { return !o.wants(c.Feature) })
	preferCause(r)
	preferPipewire(r)
	for i, c := range r.Checks {
		if c.Fault == "launch" {
			r.Checks[i] = o.explainHome(c)
		}
	}
	if plan != nil && plan.Identity.HasUserNamespace() {
		excuseNamespaces(r)
	}
	for i := range r.Checks {
		o.suggestProgram(&r.Checks[i], plan)
		words.Fill(&r.Checks[i])
	}
	r.Millis = time.Since(begin).Milliseconds()
	return r, nil
}

// wants reports whether a row is wanted. That the launch failed is always said.
func (o *Options) wants(row string) bool {
	return o.Features == nil || row == "launch" || slices.Contains(o.Features, row)
}

// command makes a command line of chrun with the flags of the launch and one more.
func (o *Options) command(ctx context.Context, flag string) *exec.Cmd {
	args := slices.Concat([]string{flag}, o.Flags.Words("doctor", "dry-run", "verbose", "quiet"), []string{"--"}, o.Flags.Command)
	cmd := exec.CommandContext(ctx, o.Chrun, args...)
	cmd.Env = o.Caller.Env
	cmd.WaitDelay = 200 * time.Millisecond // a child that hangs keeps the pipes
	return cmd
}

// plan asks chrun what it would do. failed says why it would not.
func (o *Options) plan(ctx context.Context) (_ *session.Plan, failed *report.Check) {
	cmd := o.command(ctx, "--dry-run=json")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var plan session.Plan
	if err == nil {
		err = json.Unmarshal(out.Bytes(), &plan)
	}
	if err != nil {
		c := launchFailed(ctx, err, errs.String())
		return nil, &c
	}
	return &plan, nil
}

// chain says for each feature how far it came before the program starts.
func chain(plan *session.Plan) (checks []report.Check) {
	for _, f := range plan.Features {
		switch {
		case f.Denied:
			checks = append(checks, report.Absent(f.Feature, report.Allowed, f.State))
		case f.Shared || slices.ContainsFunc(plan.Mounts, func(m session.Mount) bool {
			return m.Feature == f.Feature || f.Feature == "devices" && m.Kind == session.FromHost && m.Dest == "/dev" // whole
		}):
			checks = append(checks, report.Good(f.Feature, report.Brought, f.State))
		default:
			checks = append(checks, report.Absent(f.Feature, report.Found, f.State))
		}
	}
	return checks
}

// enter makes a launch whose program is the part inside, and returns its checks. begun
// reports whether that has started.
func (o *Options) enter(ctx context.Context, plan *session.Plan) (checks []report.Check, begun bool) {
	cmd := o.command(ctx, "--doctor="+o.Self)
	data, err := json.Marshal(o.input(plan))
	if err != nil {
		return []report.Check{launchFailed(ctx, err, "")}, false
	}
	var out, errs limited
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(data), &out, &errs
	err = cmd.Run()
	checks, begun = readEvents(&out)
	if !begun {
		if err == nil {
			err = errors.New("the doctor's part inside has printed nothing")
		}
		return append(checks, launchFailed(ctx, err, errs.String())), false
	}
	return append(checks, report.Good("launch", report.Reachable, string(plan.Identity.Kind)+": "+plan.Identity.Why)), true
}

// limited keeps the first megabyte of what a hostile chroot could print.
type limited struct{ bytes.Buffer }

func (l *limited) Write(b []byte) (int, error) {
	if room := 1<<20 - l.Len(); room > 0 {
		l.Buffer.Write(b[:min(room, len(b))])
	}
	return len(b), nil
}

// readEvents reads what the part inside has sent. begun reports whether it has begun.
func readEvents(out *limited) (checks []report.Check, begun bool) {
	var open []string
	decoder := json.NewDecoder(out)
	for {
		var e inside.Event
		if decoder.Decode(&e) != nil {
			break
		}
		begun = true
		switch {
		case e.Check != nil && e.Check.Feature != "":
			e.Check.Command = "" // commands are the doctor's own
			checks = append(checks, *e.Check)
		case e.End:
			open = slices.DeleteFunc(open, func(row string) bool { return row == e.Probe })
		default:
			open = append(open, e.Probe)
		}
	}
	for _, row := range open {
		checks = append(checks, report.Bad(row, report.Answers, "hang", "no answer inside"))
	}
	return checks, begun
}

// input is what the part inside is told.
func (o *Options) input(plan *session.Plan) *inside.Input {
	in := &inside.Input{Sound: o.Sound, Net: o.Net, Home: plan.Env.Get("HOME"), Tree: string(plan.Tree), User: o.Caller.Account.Name,
		MachineID: o.Caller.MachineID(), HomeHost: homeOnHost(plan), Caller: chosenVariables(o.Caller.Env)}
	_, err := os.Stat(string(o.Caller.Host.Join("/etc/resolv.conf")))
	in.HostResolv = err == nil
	for _, row := range Order() {
		if o.wants(row) {
			in.Features = append(in.Features, row)
		}
	}
	for _, f := range plan.Features {
		if f.Feature == "gpu" && !f.Denied {
			in.GPU, in.NvidiaHost = host.ListGPU(o.Caller), host.NvidiaVersion(o.Caller)
		}
		if f.Feature == "devices" && !f.Denied {
			in.Devices = host.ListDevices(o.Caller)
		}
		if f.Denied {
			in.Denied = append(in.Denied, f.Feature)
		}
		if f.Shared {
			in.Shared = append(in.Shared, f.Feature)
		}
	}
	if len(o.Flags.Command) > 0 {
		for _, p := range plan.Programs {
			in.Programs = append(in.Programs, string(p))
		}
	}
	for _, m := range plan.Mounts {
		if m.Kind == session.FromHost && m.Feature == "documents" {
			if same, err := inside.Identify(m.Source); err == nil {
				same.Path = string(m.Dest)
				in.Same = append(in.Same, same)
			}
		}
	}
	return in
}

// chosenVariables are the variables of the caller that chrun may have changed, and that
// the part inside looks at.
func chosenVariables(env session.Environ) (chosen session.Environ) {
	for _, kv := range env {
		switch name, _, _ := strings.Cut(kv, "="); name {
		case "DBUS_SESSION_BUS_ADDRESS", "WAYLAND_DISPLAY", "DISPLAY", "PULSE_SERVER", "PULSE_COOKIE", "PIPEWIRE_REMOTE", "SSH_AUTH_SOCK", "GTK_IM_MODULE", "QT_IM_MODULE", "QT_IM_MODULES", "XMODIFIERS", "LANG", "LANGUAGE", "TZ", "TERM":
			chosen = append(chosen, kv)
		default:
			if strings.HasPrefix(name, "LC_") {
				chosen = append(chosen, kv)
			}
		}
	}
	return chosen
}

// homeOnHost returns where the host has the home of the program, "" if it has none.
func homeOnHost(plan *session.Plan) (host string) {
	home, at := session.Path(plan.Env.Get("HOME")), ""
	for _, m := range plan.Mounts {
		if dest := string(m.Dest); home.IsBelow(m.Dest) && len(dest) >= len(at) {
			at, host = dest, ""
			switch rest := strings.TrimPrefix(string(home), dest); m.Kind {
			case session.FromHost:
				host = path.Join(m.Source, rest)
			case session.FromTree:
				host = path.Join(string(plan.Tree), m.Source, rest)
			}
		}
	}
	return host
}

// context is what the commands that mend something are made of.
func (o *Options) context(plan *session.Plan) *report.Context {
	words := append([]string{"chrun"}, o.Flags.Words("doctor", "app", "dry-run", "verbose", "quiet", "home", "cwd", "any-cwd")...)
	root := append([]string{"chrun"}, o.Flags.Words("doctor", "app", "dry-run", "verbose", "quiet", "user", "identity", "home", "cwd", "any-cwd")...)
	if plan == nil || plan.Identity.Kind != session.Subid {
		root = append([]string{"sudo"}, root...)
	}
	c := &report.Context{Chrun: session.Quote(words...), Root: session.Quote(append(root, "-u", "root")...)}
	c.Host = hostDistribution(o.Caller.Host)
	c.Services = findServices(o.Caller)
	if plan != nil {
		c.Distribution = distribution(plan.Tree)
	}
	return c
}
