package main

import (
	"context"
	"fmt"
	"io"
	"os/signal"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"chrun/internal/chroots"
	"chrun/internal/processes"
	"chrun/session"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// newPs makes the command that lists what runs in the trees of chroots.
func (c *command) newPs() *cobra.Command {
	cmd := &cobra.Command{
		Long: "List the processes that live in the named chroots, or in one, however they were started:\n" +
			"STARTED is terminal, menu, script (by chrun without a terminal), left (its chrun has ended),\n" +
			"or other (by another program, such as schroot).",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: c.completeNames(1),
	}
	asJSON := jsonFlag(cmd)
	watch := cmd.Flags().Bool("watch", false, "print the list again every second, until interrupted")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		for {
			list, err := c.listTrees(args)
			if err != nil {
				return err
			}
			if *watch {
				io.WriteString(c.out.Out, "\x1b[H\x1b[2J") // ECMA-48: to the top left corner, and clear the screen
			}
			if err := c.printProcesses(list, *asJSON); err != nil || !*watch {
				return err
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(time.Second):
			}
		}
	}
	return cmd
}

// listTrees returns the chroots that the arguments name, or all named ones.
func (c *command) listTrees(args []string) ([]*config.Chroot, error) {
	conf, err := config.Load(c.src)
	if err != nil {
		return nil, err
	}
	if len(args) == 0 {
		return conf.All()
	}
	ch, err := conf.Select(args[0], "")
	if err != nil {
		return nil, err
	}
	_, err = chroots.FindTree(c.caller, string(ch.Path))
	return []*config.Chroot{ch}, err
}

// listed is a process as it is printed.
type listed struct {
	Chroot string `json:"chroot"`
	User   string `json:"user"`
	processes.Process
}

func (c *command) printProcesses(list []*config.Chroot, asJSON bool) error {
	var trees []rootfs.HostPath
	for _, ch := range list {
		trees = append(trees, ch.Path)
	}
	found, err := processes.Scan(trees)
	if err != nil {
		return fmt.Errorf("cannot list processes: %w", err)
	}
	rows := []listed{}
	for _, ch := range list {
		for _, p := range found.In[ch.Path] {
			rows = append(rows, listed{nameOrPath(ch), userName(p.UID), p})
		}
	}
	if found.Partial {
		defer c.warn("processes of other users may be missing; root sees all: sudo chrunctl ps DIR")
	}
	switch {
	case asJSON:
		return c.out.JSON(rows)
	case len(list) == 0:
		c.warn("no chroot is configured: chrunctl ps DIR")
		return nil
	case len(rows) == 0:
		fmt.Fprintln(c.out, "nothing is seen to run")
		return nil
	}
	return c.printTable(func(row func(...string)) {
		row("CHROOT", "PID", "USER", "SINCE", "STARTED", "PROGRAM")
		for _, p := range rows {
			row(session.Printable(p.Chroot), strconv.Itoa(p.PID), p.User, since(p.Since), string(p.Started), session.Printable(p.Program))
		}
	})
}

func nameOrPath(ch *config.Chroot) string {
	if ch.Name != "" {
		return ch.Name
	}
	return string(ch.Path)
}

// userName returns the name of a uid on the host, else its number.
func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}

// since is the time of day today, else the date.
func since(t time.Time) string {
	if now := time.Now(); t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04")
	}
	return t.Format("2006-01-02")
}

// newKill makes the command that ends what runs in a chroot.
func (c *command) newKill() *cobra.Command {
	cmd := &cobra.Command{
		Long: "End all processes that live in a chroot. They are asked to (SIGTERM); those that are still there\n" +
			"after five seconds are killed.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.completeNames(1),
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		list, err := c.listTrees(args)
		if err != nil {
			return err
		}
		ended, err := processes.End(list[0].Path, processes.Patience)
		if err != nil {
			return fmt.Errorf("cannot end the processes of %s: %w", nameOrPath(list[0]), err)
		}
		if len(ended.Left) > 0 {
			return fmt.Errorf("cannot end all processes of %s: %s", nameOrPath(list[0]), describeLeft(ended.Left))
		}
		switch {
		case ended.Asked+ended.Killed == 0:
			fmt.Fprintf(c.out, "nothing was seen to run in %s\n", nameOrPath(list[0]))
		case ended.Killed > 0:
			fmt.Fprintf(c.out, "processes that had to be killed: %d of %d; none is seen any more\n", ended.Killed, max(ended.Asked, ended.Killed))
		default:
			fmt.Fprintf(c.out, "processes that have ended: %d; none is seen any more\n", ended.Asked)
		}
		return nil
	}
	return cmd
}

// describeLeft names processes in one line.
func describeLeft(list []processes.Process) string {
	var words []string
	for _, p := range list {
		words = append(words, fmt.Sprintf("%d (%s, of %s)", p.PID, session.Printable(p.Program), userName(p.UID)))
	}
	return strings.Join(words, ", ")
}
