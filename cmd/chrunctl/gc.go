package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"chrun/internal/grants"
	"chrun/internal/helper"
	"chrun/internal/trees"
	"chrun/session"
)

// newGc makes the command that cleans up after killed commands. Only root's launches
// can leave changes: a user's launch changes nothing outside its own namespaces.
func (c *command) newGc() *cobra.Command {
	cmd := &cobra.Command{
		Long: "Clean up after what was killed: remove half-made and half-removed trees of create and remove, and, as\n" +
			"root, entries in ACLs and in host lists of X servers that were made for --identity=grant. The next such\n" +
			"command does the same. Entries of your own stay.",
		Args: cobra.NoArgs,
	}
	dryRun := cmd.Flags().BoolP("dry-run", "n", false, "only print what would be removed")
	cmd.RunE = func(*cobra.Command, []string) error {
		if *dryRun {
			return c.printLeft()
		}
		removed, err := c.sweepTrees()
		if err != nil {
			return err
		}
		if c.caller.UID != 0 {
			if len(removed) == 0 {
				fmt.Fprintln(c.out, "nothing of yours to clean up")
			}
			return nil
		}
		journal, err := grants.Open()
		if err != nil {
			return err
		}
		defer journal.Close()
		return journal.Sweep(grants.Table(helper.StartXhost))
	}
	return cmd
}

// printLeft prints what gc would clean up.
func (c *command) printLeft() error {
	for _, dir := range trees.FindLeft(c.growingDir()) {
		fmt.Fprintf(c.out, "would remove %s\n", session.Printable(dir))
	}
	if c.caller.UID != 0 {
		return nil
	}
	dead, err := grants.CountDead()
	if dead > 0 {
		fmt.Fprintf(c.out, "would revoke the grants of killed launches: %d\n", dead)
	}
	return err
}

// sweepTrees removes the trees that killed commands have left.
func (c *command) sweepTrees() (removed []string, err error) {
	uids, gids := c.subIDs()
	m, err := trees.NewMap(c.caller, uids, gids)
	if err != nil {
		return nil, nil // nor could a tree be made
	}
	removed, err = trees.Sweep(m, c.growingDir())
	for _, dir := range removed {
		fmt.Fprintf(c.out, "removed %s\n", session.Printable(dir))
	}
	return removed, err
}
