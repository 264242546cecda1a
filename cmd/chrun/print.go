package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"chrun/internal/cli"
	"chrun/internal/helper"
	"chrun/internal/homereport"
	"chrun/internal/request"
	"chrun/internal/suggest"
	"chrun/session"
	"chrun/session/config"
	"chrun/session/launch"
)

// Everything is printed through these.
var (
	stdout = cli.Terminal{Out: os.Stdout}
	stderr = cli.Terminal{Out: os.Stderr}
)

// warn prints a line, unless -q.
func (c *command) warn(text string) {
	if !c.flags.Quiet {
		stderr.Line("chrun", text)
	}
}

// note prints a line with -v.
func (c *command) note(text string) {
	if c.flags.Verbose {
		stderr.Line("chrun", "note: "+text)
	}
}

// printPlan prints the plan for --dry-run.
func (c *command) printPlan(plan *session.Plan) error {
	text := ""
	switch c.flags.DryRun {
	case "shell":
		text = plan.Shell()
	case "json":
		return stdout.JSON(plan)
	default:
		text = plan.Text()
	}
	_, err := io.WriteString(stdout, text)
	return err
}

// printSummary prints warnings, and with -v what is shared.
func (c *command) printSummary(plan *session.Plan) {
	for _, w := range plan.Warnings {
		c.warn(w)
	}
	if !c.flags.Verbose {
		return
	}
	var b strings.Builder
	out := cli.Terminal{Out: &b}
	line := func(format string, a ...any) { out.Line("chrun", fmt.Sprintf(format, a...)) }
	for _, l := range plan.Features {
		line("%s: %s", l.Feature, l.State)
	}
	for _, n := range plan.Notes {
		line("note: %s", n)
	}
	for _, p := range plan.Preparations {
		switch {
		case p.IsTemporary():
			line("note: makes the empty file %s in the chroot, and removes it afterwards", p.InTree)
		case p.InTree != "":
			line("note: makes the empty directory %s in the chroot, which you may write", p.InTree)
		}
	}
	if plan.NoTyping {
		b.WriteString("chrun: note: root's terminal: " + session.NoTypingText + "\n")
	}
	program := "the login shell"
	if len(c.flags.Command) > 0 {
		program = c.flags.Command[0]
	}
	line("identity: %s: %s", plan.Identity.Kind, plan.Identity.Why)
	line("running %s as %s in %s", program, plan.User, plan.Name)
	io.WriteString(stderr, b.String())
}

// greet prints, once for each chroot and only on a terminal, what a person
// cannot see.
func (c *command) greet(l *request.Launch, plan *session.Plan) {
	if c.flags.Quiet || !cli.IsTerminal(2) {
		return
	}
	for _, g := range l.Greetings(plan) {
		state := cli.StateDir(l.Caller)
		if config.HasSeen(state, g.Key) {
			continue
		}
		stderr.Line("chrun", g.Text)
		stderr.Line("chrun", "hint: "+g.Hint)
		if err := config.RecordSeen(state, g.Key); err != nil {
			c.warn(fmt.Sprintf("cannot record that this was printed: %v", err))
		}
	}
}

// printReport prints what a launch has left in the home. A launch from the menu
// shows it on the desktop.
func (c *command) printReport(messages []homereport.Message) {
	if len(messages) == 0 || c.flags.Quiet {
		return
	}
	var b strings.Builder
	for _, m := range messages {
		cli.Terminal{Out: &b}.Line("chrun", m.Text)
		cli.Terminal{Out: &b}.Line("chrun", "hint: "+m.Hint)
	}
	if c.flags.App != "" && !cli.IsTerminal(2) {
		helper.Notify(c.env, c.flags.App, strings.ReplaceAll(strings.TrimSpace(b.String()), "chrun: ", ""))
		return
	}
	io.WriteString(stderr, b.String())
}

// list prints the known chroots.
func (c *command) list(conf *config.Config) error {
	all, err := conf.All()
	for _, ch := range all {
		mark := ""
		if ch.Name == conf.Default {
			mark = "  (default)"
		}
		fmt.Fprintf(stdout, "%s\t%s%s\n", ch.Name, ch.Path, mark)
	}
	if err == nil && len(all) == 0 {
		stderr.Line("chrun", "no chroot is configured; any directory can be named: -c DIR")
	}
	return err
}

// printError prints err with its hints and returns the exit status.
func (c *command) printError(err error) int {
	c.suggest.Flags, c.suggest.Args, c.suggest.HostSearch = c.flags, os.Args[1:], c.env.Get("PATH")
	text := cli.ErrorText("chrun", err, suggest.Hints(&c.suggest, err))
	io.WriteString(stderr, text)
	if !cli.IsTerminal(2) { // started from a menu: nobody sees stderr
		text = strings.ReplaceAll(strings.TrimSpace(text), "chrun: ", "")
		if c.flags.App != "" {
			text += "\n" + doctorLine(c.flags)
		}
		helper.Notify(c.env, c.flags.App, text)
	}
	var program *launch.ExecError
	if errors.As(err, &program) {
		return program.Status()
	}
	return 125
}
