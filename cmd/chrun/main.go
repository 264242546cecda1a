//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Chrun runs a program in a chroot as if it were installed on the host:
//
//	chrun -c /mnt/gentoo firefox-bin
//
// A launch is data until the last moment: facts are read, every feature of the
// desktop says what it shares, a plan is made of that, and package launch
// carries it out. See ARCHITECTURE.md.
//
// (The two settings above keep the Go runtime from reading the host's mount
// table and from looking at it again while the program runs.)
package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/desktop"
	"chrun/session"
	"chrun/session/config"
	"chrun/session/launch"
	"chrun/session/rootfs"
)

// version is set by the Makefile.
var version = "unknown"

func main() {
	if len(os.Args) > 0 && os.Args[0] == keeperName {
		os.Exit(keep(os.Args[1:]))
	}
	if status, ok := open(os.Args); ok {
		os.Exit(status)
	}
	o, err := parse(os.Args[1:])
	if err == nil && !o.print() {
		err = run(o)
	}
	if err != nil {
		os.Exit(complain(o, err))
	}
}

// run makes one launch. It returns only when that failed.
func run(o *options) error {
	env := session.Environ(os.Environ())
	as := role{tree: -1}
	if os.Getuid() == 0 {
		if ok, err := asRoot(o, env); ok {
			return err
		}
		as.bare = true
	} else {
		env, as.tree = takeTree(env)
	}
	caller := newCaller(env)
	o.entry.ask(o, caller)
	defer o.entry.close()
	conf, err := config.Load(source(caller))
	if err != nil {
		return err
	}
	if o.list {
		return list(conf)
	}
	ch, said, err := choose(o, conf, env)
	if err != nil {
		return err
	}
	root, err := openTree(ch.Path, as.tree) // open until the end: what an error says is looked for there
	if err != nil {
		return located(&chrootError{ch.Path, err}, said("path", ""))
	}
	l, err := prepare(o, caller, ch, said, root, as)
	if err != nil {
		return err
	}
	return l.run(o, conf, func() error { return nil })
}

// takeTree takes the descriptor that root has handed over out of the environment.
func takeTree(env session.Environ) (session.Environ, int) {
	value, ok := env.Lookup(treeVariable)
	if !ok {
		return env, -1
	}
	fd, err := strconv.Atoi(value)
	if err != nil || fd < 3 {
		fd = -1
	} else {
		unix.CloseOnExec(fd)
	}
	return slices.DeleteFunc(env, func(kv string) bool { return strings.HasPrefix(kv, treeVariable+"=") }), fd
}

func openTree(dir rootfs.HostPath, fd int) (*rootfs.Root, error) {
	if fd >= 0 {
		return rootfs.OpenAt(fd, dir)
	}
	return rootfs.Open(dir)
}

// run plans and launches. mount is called when all is decided, before anything
// is changed: root takes its rights back.
func (l *launchRequest) run(o *options, conf *config.Config, mount func() error) error {
	plan, err := l.plan()
	if err != nil {
		return err
	}
	if o.dryRun != "" {
		return show(plan, o.dryRun)
	}
	if len(o.argv) > 0 && plan.Identity.Kind != session.AsRoot { // root is in the chroot by the time it matters
		o.guess = func() string { return newGuesses(o, l.facts.Root, conf, plan.Env.Get("PATH")).guessed() }
	}
	say(o, plan)
	l.welcome(o, plan)
	// The thread that starts the program must live as long as it does
	// (PR_SET_PDEATHSIG).
	runtime.LockOSThread()
	note := func(text string) {
		if o.verbose {
			fmt.Fprintf(os.Stderr, "chrun: note: %s\n", text)
		}
	}
	if err := l.note(plan); err != nil {
		return err
	}
	if err := mount(); err != nil {
		return err
	}
	o.entry.hear(o, l, conf, note)
	services, err := l.serve(plan)
	if err != nil {
		return err
	}
	for {
		status, err := launch.Run(plan, l.facts.Root, services.Services, note)
		switch {
		case err == nil:
			services.end()
			os.Exit(launch.Die(status))
		case err == launch.ErrOverlay && !l.request.NoOverlay:
			l.request.NoOverlay = true
			if plan, err = l.plan(); err == nil {
				continue
			}
		}
		services.end()
		return err
	}
}

// note records, before a private home is made, whose it is.
func (l *launchRequest) note(plan *session.Plan) error {
	for _, p := range plan.Prepare {
		if p.Home == "" {
			continue
		}
		if err := l.noteHome(); err != nil {
			return &launch.SetupError{Step: launch.StepRecordHome, What: "note whose home " + string(p.Home) + " is", Err: err}
		}
	}
	return nil
}

// plan asks every allowed feature what it offers, and decides.
func (l *launchRequest) plan() (*session.Plan, error) {
	var offers []session.Offer
	for _, f := range desktop.Features {
		o := session.Offer{Feature: f, Allowed: l.facts.Allowed(f.Name)}
		switch {
		case o.Allowed:
			o.Share = f.Detect(l.facts)
		case f.Hide != nil && !l.request.Root && !l.facts.Caller.Private:
			o.Share = f.Hide(l.facts)
		}
		offers = append(offers, o)
	}
	plan, err := session.Decide(l.facts, l.request, offers, l.environment())
	if err != nil {
		return nil, err
	}
	plan.Network = !l.facts.Allowed("network")
	plan.Linux32 = l.linux32()
	plan.Notes = append(l.notes, plan.Notes...)
	plan.Warnings = append(l.warnings, plan.Warnings...)
	return plan, nil
}

// say prints what -v asks for, and warnings unless -q.
func say(o *options, plan *session.Plan) {
	var b strings.Builder
	if !o.quiet {
		for _, w := range plan.Warnings {
			fmt.Fprintf(&b, "chrun: %s\n", w)
		}
	}
	if o.verbose {
		for _, l := range plan.Features {
			fmt.Fprintf(&b, "chrun: %s: %s\n", l.Feature, l.State)
		}
		for _, n := range plan.Notes {
			fmt.Fprintf(&b, "chrun: note: %s\n", n)
		}
		for _, p := range plan.Prepare {
			if p.InTree != "" {
				fmt.Fprintf(&b, "chrun: note: makes the empty directory %s in the chroot, which you may write\n", p.InTree)
			}
		}
		what := "the login shell"
		if len(o.argv) > 0 {
			what = o.argv[0]
		}
		fmt.Fprintf(&b, "chrun: identity: %s: %s\n", plan.Identity.Kind, plan.Identity.Why)
		fmt.Fprintf(&b, "chrun: running %s as %s in %s\n", what, plan.User, plan.Name)
	}
	os.Stderr.WriteString(b.String())
}
