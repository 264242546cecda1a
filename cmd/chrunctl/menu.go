package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"chrun/desktop"
	"chrun/desktop/export"
	"chrun/internal/cli"
	"chrun/session"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// host describes the caller's desktop to package export.
func (c *command) host() (*export.Host, error) {
	if err := c.refuseRootsMenu(); err != nil {
		return nil, err
	}
	executable, _ := os.Executable()
	launcher, err := export.FindLauncher(executable, c.caller.Env.Get("PATH"))
	if err != nil {
		return nil, err
	}
	h := export.NewHost(c.caller, launcher)
	h.BusNameOwned = func(name string) bool { return desktop.OwnsBusName(c.caller, name, 2*time.Second) }
	return h, nil
}

// refuseRootsMenu refuses to change root's menu when sudo was called by a user.
func (c *command) refuseRootsMenu() error {
	if uid := c.caller.Env.Get("SUDO_UID"); c.caller.UID == 0 && uid != "" && uid != "0" {
		return &export.Error{Verb: "export", What: "a menu", Why: "it would be root's", Next: "without sudo: chrunctl " + session.Quote(c.args...)}
	}
	return nil
}

// openNamed opens a chroot that has a name. The caller closes it.
func (c *command) openNamed(name string) (*rootfs.Root, error) {
	if err := c.refuseRootsMenu(); err != nil {
		return nil, err
	}
	conf, err := config.Load(c.src)
	if err != nil {
		return nil, err
	}
	if strings.Contains(name, "/") {
		return nil, &export.Error{Verb: "export", What: session.Quote(name), Why: "menu entries need a name for the chroot", Next: "chrunctl add NAME " + session.Quote(name)}
	}
	ch, err := conf.Chroot(name)
	if err != nil {
		return nil, err
	}
	root, err := rootfs.Open(ch.Path)
	if err != nil {
		return nil, &cli.ChrootError{Verb: "use", Dir: ch.Path, Err: err}
	}
	return root, nil
}

func (c *command) apps() *cobra.Command {
	cmd := &cobra.Command{
		Long: "List the programs that a chroot offers to menus: the ID, the shown name, whether it has an icon,\n" +
			"under which ID it is exported, and what it opens.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.names(1),
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return c.withOffers(args[0], func(h *export.Host, root *rootfs.Root, set *export.Set) error {
			list := export.ListOffers(h, root, set)
			if *asJSON {
				return c.printJSON(list)
			}
			return c.table(func(row func(...string)) {
				row("ID", "NAME", "ICON", "EXPORTED", "OPENS")
				for _, o := range list {
					row(session.Printable(o.ID), session.Printable(o.Name), map[bool]string{true: "yes", false: "no"}[o.Icon], o.State(), o.Opens())
				}
			})
		})
	}
	return cmd
}

func (c *command) printJSON(v any) error {
	e := json.NewEncoder(c.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// withOffers calls use with a chroot and what of it is exported.
func (c *command) withOffers(name string, use func(*export.Host, *rootfs.Root, *export.Set) error) error {
	h, err := c.host()
	if err != nil {
		return err
	}
	root, err := c.openNamed(name)
	if err != nil {
		return err
	}
	defer root.Close()
	set, err := export.Open(h, name, false)
	if err != nil {
		return err
	}
	defer set.Close()
	return use(h, root, set)
}

// printFailures prints what failed in addition to the export itself.
func (c *command) printFailures(failed []error) {
	for _, err := range failed {
		c.warn(err.Error())
		var tool *export.ToolError
		if errors.As(err, &tool) && errors.Is(err, exec.ErrNotFound) {
			packages := map[string]string{"update-mime-database": "shared-mime-info", "gtk-update-icon-cache": "gtk-update-icon-cache"}
			c.warn(fmt.Sprintf("hint: install %s on the host, then run: chrunctl sync", packages[tool.Tool]))
		}
	}
}

// completeApps completes NAME, then the apps of the chroot that are exported, or
// those that are not.
func (c *command) completeApps(exported bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return c.names(1)(cmd, args, word)
		}
		var words []string
		c.withOffers(args[0], func(h *export.Host, root *rootfs.Root, set *export.Set) error {
			for _, a := range export.ListApps(root) {
				if a.Err == nil && (set.ExportedID(a.ID) != "") == exported {
					words = append(words, a.ID+"\t"+session.Printable(a.Entry.Localised("Name", h.Locale)))
				}
			}
			return nil
		})
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}
