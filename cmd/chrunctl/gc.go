package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"chrun/internal/grants"
	"chrun/internal/helper"
)

// gc takes back what killed launches have left. Only root makes changes that can
// be left: a user's launch changes nothing outside its own namespace.
func (c *command) gc() *cobra.Command {
	return &cobra.Command{
		Use:   "gc",
		Short: "Take back what launches have left that were killed",
		Long: "Take back what launches have left that were killed: entries in ACLs and in lists of X servers, made\n" +
			"by root for --identity=grant. Without it the next such launch does it. What you have made yourself stays.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if !c.root {
				if _, err := os.Stat(grants.Dir); errors.Is(err, fs.ErrNotExist) {
					fmt.Fprintln(c.out, "nothing is left: no launch changes anything but root's")
					return nil
				}
				return &rootsError{}
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

// rootsError says that the journal is root's.
type rootsError struct{}

func (*rootsError) Error() string {
	return "cannot look for what is left: " + grants.Dir + " is root's"
}
func (*rootsError) Hint() string { return "sudo chrunctl gc" }
