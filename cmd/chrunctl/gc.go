package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"chrun/internal/cli"
	"chrun/internal/grants"
	"chrun/internal/helper"
	"chrun/internal/trees"
	"chrun/session"
)

// newGc makes the command that cleans up after killed launches. Only root's launches can leave changes: a
// user's launch changes nothing outside its own namespaces.
func (c *command) newGc() *cobra.Command {
	return &cobra.Command{
		Long: "Clean up after what was killed: remove half-made and half-removed trees of create and remove, and, as\n" +
			"root, entries in ACLs and in host lists of X servers that were made for --identity=grant. The next such\n" +
			"command does the same. Entries of your own stay.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			removed, err := c.sweepTrees()
			if err != nil {
				return err
			}
			if c.caller.UID != 0 && len(removed) > 0 {
				return nil
			}
			if c.caller.UID != 0 {
				if _, err := os.Stat(grants.Dir); errors.Is(err, fs.ErrNotExist) {
					fmt.Fprintln(c.out, "nothing to clean up")
					return nil
				}
				return cli.WithHint(errors.New("cannot clean up: only root can read "+grants.Dir), "sudo chrunctl gc")
			}
			journal, err := grants.Open()
			if err != nil {
				return err
			}
			defer journal.Close()
			return journal.Sweep(grants.Table(helper.StartXhost))
		},
	}
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
