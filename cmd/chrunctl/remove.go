package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"chrun/desktop/export"
	"chrun/internal/chroots"
	"chrun/internal/cli"
	"chrun/internal/trees"
	"chrun/session"
	"chrun/session/config"
	"chrun/session/rootfs"
)

type removeFlags struct{ dryRun, yes, home, tree bool }

// newRemove makes the command that removes a chroot with its files.
func (c *command) newRemove() *cobra.Command {
	cmd := &cobra.Command{
		Long: "Remove a chroot that create has made: its files, its settings, and its programs from the menu. Its\n" +
			"home, with what programs have saved there, stays. Nothing is removed while the chroot is in use.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.completeNames(1),
	}
	f := &removeFlags{}
	flags := cmd.Flags()
	flags.BoolVarP(&f.dryRun, "dry-run", "n", false, "only print what would be removed")
	flags.BoolVar(&f.yes, "yes", false, "do not ask")
	flags.BoolVar(&f.home, "home", false, "remove its home too")
	flags.BoolVar(&f.tree, "tree", false, "also remove the files of a chroot that create has not made")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if err := c.remove(args[0], f); err != nil {
			return fmt.Errorf("cannot remove %s: %w", args[0], err)
		}
		return nil
	}
	return cmd
}

// removal is what is about to be removed.
type removal struct {
	chroot     *config.Chroot
	tree       string // its path without symlinks
	id         trees.ID
	mark       string // that create has made the tree
	m          trees.Map
	home       string // that is removed, or stays
	hasExports bool
}

func (c *command) remove(name string, f *removeFlags) error {
	conf, err := config.Load(c.src)
	if err != nil {
		return err
	}
	ch, err := conf.Chroot(name)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(string(ch.Path)); errors.Is(err, fs.ErrNotExist) && slices.Contains(c.treeDirs(), path.Dir(string(ch.Path))) {
		return c.removeRest(conf, ch, f)
	}
	uids, gids := c.subIDs()
	m, err := trees.MapOf(c.caller, string(ch.Path), uids, gids)
	if err != nil {
		var owner *trees.OwnerError
		if errors.As(err, &owner) && path.Dir(path.Dir(ch.File)) != c.src.System {
			owner.Name = name
		}
		return err
	}
	real, err := rootfs.ResolveHost(ch.Path)
	if err != nil {
		return err
	}
	r := &removal{chroot: ch, tree: string(real), m: m, home: string(chroots.FindPrivateHome(c.caller, ch))}
	if r.id, err = trees.Identify(r.tree); err != nil {
		return err
	}
	r.mark = trees.FindMark(c.createdDir(), string(ch.Path), r.id)
	if r.mark == "" && !f.tree {
		return cli.WithHint(fmt.Errorf("create has not made %s", ch.Path),
			fmt.Sprintf("to only forget its name: chrunctl forget %s; to remove its files too: chrunctl remove --tree %[1]s", name))
	}
	if err := trees.CheckUnused(r.tree); err != nil {
		return cli.WithHint(err, "chrunctl kill "+name)
	}
	if h, err := c.describeHost(); err == nil {
		r.hasExports = h.HasExports(name)
	}
	c.printRemoval(r, f)
	if f.dryRun {
		return nil
	}
	if err := c.confirm(name, r.mark == "", f.yes); err != nil {
		return err
	}
	return c.removeAll(conf, r, f)
}

// removeRest finishes a removal that was stopped after the tree had lost its name.
func (c *command) removeRest(conf *config.Config, ch *config.Chroot, f *removeFlags) error {
	r := &removal{chroot: ch, tree: "(already removed)", home: string(chroots.FindPrivateHome(c.caller, ch))}
	if h, err := c.describeHost(); err == nil {
		r.hasExports = h.HasExports(ch.Name)
	}
	c.printRemoval(r, f)
	if f.dryRun {
		return nil
	}
	if err := c.confirm(ch.Name, false, f.yes); err != nil {
		return err
	}
	if _, err := c.sweepTrees(); err != nil {
		return err
	}
	return c.removeSettings(conf, r, f)
}

// createdDir holds the records of the trees that create has made.
func (c *command) createdDir() string { return path.Join(cli.StateDir(c.caller), "created") }

// growingDir holds the records of those that are being made or removed.
func (c *command) growingDir() string { return path.Join(cli.StateDir(c.caller), "growing") }

func (c *command) printRemoval(r *removal, f *removeFlags) {
	fmt.Fprintf(c.out, "its files: %s\nits settings: %s\n", r.tree, r.chroot.File)
	if r.hasExports {
		fmt.Fprintln(c.out, "its programs in the menu")
	}
	if homes := findHomes(r.tree); len(homes) > 0 && (r.chroot.Home == "" || r.chroot.Home == string(session.HomeAuto)) {
		fmt.Fprintf(c.out, "the homes in it, with what programs have saved there: %s\n", session.Printable(strings.Join(homes, ", ")))
	}
	if r.home != "" && f.home {
		fmt.Fprintf(c.out, "its home: %s\n", r.home)
	} else if r.home != "" {
		fmt.Fprintf(c.out, "its home stays: %s (--home removes it too)\n", r.home)
	}
}

// findHomes lists the homes of the accounts of a tree.
func findHomes(tree string) (homes []string) {
	root, err := rootfs.Open(rootfs.HostPath(tree))
	if err != nil {
		return nil
	}
	defer root.Close()
	entries, _ := root.List("/home")
	for _, e := range entries {
		if e.IsDir() {
			homes = append(homes, "/home/"+e.Name())
		}
	}
	return homes
}

// confirm asks the person, twice for files that create has not made.
func (c *command) confirm(name string, foreign, yes bool) error {
	if yes {
		return nil
	}
	if _, err := unix.IoctlGetTermios(0, unix.TCGETS); err != nil {
		return cli.WithHint(errors.New("nobody can be asked without a terminal"), "chrunctl remove --yes "+name)
	}
	in := bufio.NewReader(os.Stdin)
	fmt.Fprintf(c.err, "Remove these? [y/N] ")
	if answer, _ := in.ReadString('\n'); !strings.HasPrefix(strings.ToLower(strings.TrimSpace(answer)), "y") {
		return errors.New("it was not confirmed")
	}
	if !foreign {
		return nil
	}
	fmt.Fprintf(c.err, "create has not made these files. To remove them type %s: ", name)
	if answer, _ := in.ReadString('\n'); strings.TrimSpace(answer) != name {
		return errors.New("it was not confirmed")
	}
	return nil
}

// removeAll removes the files first: if that is refused, everything stays.
func (c *command) removeAll(conf *config.Config, r *removal, f *removeFlags) error {
	if err := trees.Remove(r.m, c.growingDir(), r.tree, r.id); err != nil {
		return err
	}
	if r.mark != "" {
		os.Remove(r.mark)
	}
	return c.removeSettings(conf, r, f)
}

// removeSettings removes what belongs to a chroot whose files are gone.
func (c *command) removeSettings(conf *config.Config, r *removal, f *removeFlags) error {
	name := r.chroot.Name
	var errs []error
	if r.hasExports {
		unexport := &exportFlags{}
		unexport.All, unexport.Mime = true, "safe"
		errs = append(errs, c.update(name, nil, unexport, func(chooser *export.Chooser) (export.Named, error) {
			return export.Named{}, unexport.Remove(chooser, nil)
		}))
	}
	_, err := conf.Forget(name)
	errs = append(errs, err)
	if r.home != "" && f.home {
		// Root inside may have made files there, with subordinate IDs.
		id, err := trees.Identify(r.home)
		if err == nil {
			err = trees.Remove(r.m, c.growingDir(), r.home, id)
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s is removed\n", session.Printable(name))
	return nil
}
