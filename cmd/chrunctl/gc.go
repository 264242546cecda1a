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
)

// newGc makes the command that cleans up after killed launches. Only root's launches can leave changes: a
// user's launch changes nothing outside its own namespaces.
func (c *command) newGc() *cobra.Command {
	return &cobra.Command{
		Long: "Clean up after launches that were killed: remove entries in ACLs and in host lists of X servers that\n" +
			"root made for --identity=grant. The next such launch does the same. Entries of your own stay.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if c.caller.UID != 0 {
				if _, err := os.Stat(grants.Dir); errors.Is(err, fs.ErrNotExist) {
					fmt.Fprintln(c.out, "nothing to clean up: only root's launches leave anything")
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
