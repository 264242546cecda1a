//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Chrun runs a program in a chroot as if it were installed on the host:
//
//	chrun -c /mnt/gentoo firefox-bin
//
// A launch is data until the last moment: internal/request reads what was asked,
// every feature of the desktop says what it shares, session makes a plan of
// that, and session/launch carries it out. See ARCHITECTURE.md.
//
// (The two settings above keep the Go runtime from holding a cgroup file open and
// from starting a goroutine that reads it again while the program runs. They do not
// stop the runtime from reading the mount table and that file once at its start.)
package main

import (
	"errors"
	"io"
	"os"
	"time"

	"chrun/internal/cli"
	"chrun/internal/elevate"
	"chrun/internal/helper"
	"chrun/internal/homereport"
	"chrun/internal/request"
	"chrun/internal/stall"
	"chrun/internal/suggest"
	"chrun/session"
	"chrun/session/account"
	"chrun/session/config"
	"chrun/session/launch"
	"chrun/session/rootfs"
	"chrun/session/start" // where the program begins
)

func main() {
	if len(os.Args) > 0 && os.Args[0] == helper.Name {
		os.Exit(helper.Main(os.Args[1:], session.Environ(os.Environ())))
	}
	if status, ok := runBridge(os.Args); ok {
		os.Exit(status)
	}
	flags, err := cli.ParseFlags(os.Args[1:])
	c := &command{flags: flags, env: session.Environ(os.Environ())}
	switch {
	case err != nil:
	case flags.Help:
		io.WriteString(stdout, cli.Usage())
	case flags.Version:
		io.WriteString(stdout, "chrun "+cli.Version()+"\n")
	case flags.Doctor == "true":
		start.LockOSThread()
		err = c.execDoctor()
	default:
		if os.Getuid() == 0 {
			// Root's process can become the program, and takes other rights for a while,
			// which belong to a thread. So does a parent-death signal, which a supervisor
			// may have set.
			start.LockOSThread()
		}
		launch.EndBySignals()
		c.started = stall.Watch(2*time.Second, func(file string) {
			c.warn("still waiting for " + session.Printable(file) + ": its file system does not answer (Ctrl-C ends this)")
		})
		defer endWithRights()
		err = c.run()
	}
	if err != nil {
		os.Exit(c.printError(err))
	}
}

// endWithRights ends this process if a thread of it could not give up the rights of
// root. No hint is made, for which files would be read.
func endWithRights() {
	switch r := recover().(type) {
	case nil:
	case *account.RightsError:
		stderr.Line("chrun", r.Error())
		os.Exit(125)
	default:
		panic(r)
	}
}

// command is one command line of chrun.
type command struct {
	flags *cli.Flags
	env   session.Environ
	// started ends the watch for file systems that do not answer.
	started func()

	suggest suggest.Context // what is known of the launch so far, for hints
	// inherited are the descriptors that root's program inherits, but no helper process.
	inherited []int
}

// run makes one launch, or lists the chroots. It does not return once the
// program has been started.
func (c *command) run() error {
	role := request.Role{Tree: -1}
	throughRoot := false
	if os.Getuid() == 0 {
		var err error
		if c.inherited, err = elevate.HideDescriptors(); err != nil {
			return err
		}
		d, err := elevate.Decide(elevate.Call{Flags: c.flags, Args: os.Args, Env: c.env, System: cli.SystemDir, Warn: c.warn})
		switch {
		case err != nil:
			return err
		case d != nil && d.Choice == nil:
			return d.Become(os.Args)
		case d != nil:
			return c.launchElevated(d)
		}
		role.Bare = true
	} else {
		c.env, role.Tree, throughRoot = elevate.TakeTree(c.env)
	}
	caller := cli.NewCaller(os.Getuid(), os.Getgid(), c.env)
	caller.ThroughRoot = throughRoot
	conf, err := config.Load(cli.ConfigSource(caller, cli.SystemDir, func(err error) { c.warn(err.Error()) }))
	if err != nil {
		return err
	}
	if c.flags.List {
		return c.list(conf)
	}
	choice, err := request.Choose(c.flags, conf, c.env)
	if err != nil {
		return err
	}
	root, err := openTree(choice, func(dir rootfs.HostPath) (*rootfs.Root, error) {
		if role.Tree >= 0 {
			return rootfs.OpenAt(role.Tree, dir)
		}
		return rootfs.Open(dir)
	})
	if err != nil {
		return err
	}
	return c.launch(request.Input{Choice: choice, Caller: caller, Root: root, Role: role}, nil)
}

// launchElevated makes a launch that root mounts. Root opens the tree and then
// works with the user's rights until everything is decided.
func (c *command) launchElevated(d *elevate.Decision) error {
	root, err := openTree(d.Choice, d.OpenTree)
	if err != nil {
		return err
	}
	if d.RootInside && !root.IsOpenToAll() {
		root.SearchWith(elevate.SearchAsRoot)
	}
	caller, err := d.TakeRights()
	if err != nil {
		return err
	}
	role := request.Role{Root: true, Kind: d.Kind, Tree: -1}
	return c.launch(request.Input{Choice: d.Choice, Caller: caller, Root: root, Role: role}, d)
}

// launch plans and starts the program. elevated is not nil if root mounts. The
// tree stays open until the end, because hints look into it.
func (c *command) launch(in request.Input, elevated *elevate.Decision) error {
	pending := c.beginMenuLaunch(in)
	defer pending.Close()
	c.suggest.Sudo = in.Role.Root || in.Role.Tree >= 0
	in.Caller.OpensDisplay = helper.AskDisplay(in.Caller.UID)
	in.Flags, in.Terminal = c.flags, cli.IsTerminal(0) && cli.IsTerminal(2)
	l, err := request.Build(in)
	if err != nil {
		return err
	}
	plan, err := l.Plan()
	if err != nil {
		return err
	}
	c.suggest.Subid = plan.Identity.Kind == session.Subid
	if c.flags.DryRun != "" {
		return c.printPlan(plan)
	}
	if plan.Identity.Kind != session.AsRoot { // root is in the chroot when a hint is needed
		c.suggest.Config, c.suggest.Root, c.suggest.Search = in.Choice.Config(), in.Root, plan.Env.Get("PATH")
	}
	c.printSummary(plan)
	c.greet(l, plan)
	if err := l.RecordHome(plan); err != nil {
		return err
	}
	if elevated != nil {
		if err := elevated.Regain(); err != nil {
			return err
		}
	}
	c.finishMenuLaunch(pending, l, plan)
	return c.start(l, plan)
}

// openTree opens the chroot, or the idmapped tree that root has handed over.
func openTree(choice *request.Choice, open func(dir rootfs.HostPath) (*rootfs.Root, error)) (*rootfs.Root, error) {
	root, err := open(choice.Path)
	if err != nil {
		err = cli.Locate(&cli.ChrootError{Verb: "enter", Dir: choice.Path, Err: err}, choice.Origin("path", "").String())
	}
	return root, err
}

// start carries out the plan and ends as the program ends. It returns only with
// an error. A kernel that refuses the overlay over /etc gets another plan.
func (c *command) start(l *request.Launch, plan *session.Plan) error {
	services, err := helper.Prepare(plan, l.Root, l.Role.Tree, l.Caller.Env, c.warn)
	if err != nil {
		return err
	}
	defer services.End()
	report := homereport.Begin(plan, l.Caller, cli.StateDir(l.Caller), c.flags.Quiet)
	c.printReport(report.Earlier())
	services.Home, services.Inherited = report.HomeSockets(), c.inherited
	syncMenu := c.watchMenu(l)
	c.started()
	status, err := launch.Run(plan, l.Root, &services.Resources, c.note)
	if errors.Is(err, launch.ErrOverlay) && !l.Request.NoOverlay {
		l.Request.NoOverlay = true
		if plan, err = l.Plan(); err == nil {
			status, err = launch.Run(plan, l.Root, &services.Resources, c.note)
		}
	}
	if err != nil {
		return err
	}
	services.End()
	c.printReport(report.End())
	syncMenu()
	c.nameDoctor(l, status)
	os.Exit(launch.Die(status))
	return nil
}
