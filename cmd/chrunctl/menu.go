package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"

	"chrun/desktop"
	"chrun/desktop/export"
	"chrun/internal/chroots"
	"chrun/internal/complete"
	"chrun/session"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// describeHost describes the caller's desktop to package export.
func (c *command) describeHost() (*export.Host, error) {
	if err := export.CheckMenuOwner(c.caller, c.args); err != nil {
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

// openNamed opens a chroot that has a name. The caller closes it.
func (c *command) openNamed(name string) (*rootfs.Root, error) {
	if err := export.CheckMenuOwner(c.caller, c.args); err != nil {
		return nil, err
	}
	conf, err := config.Load(c.src)
	if err != nil {
		return nil, err
	}
	return chroots.OpenNamed(c.caller, conf, name)
}

func (c *command) newApps() *cobra.Command {
	cmd := &cobra.Command{
		Long: "List the programs that a chroot offers to menus: the ID, the shown name, whether it has an icon,\n" +
			"under which ID it is exported, and what it opens.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.completeNames(1),
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return c.withOffers(args[0], func(h *export.Host, root *rootfs.Root, set *export.Set) error {
			list := export.ListOffers(h, root, set)
			if *asJSON {
				return c.out.JSON(list)
			}
			return c.printTable(func(row func(...string)) {
				row("ID", "NAME", "ICON", "EXPORTED", "OPENS")
				for _, o := range list {
					row(session.Printable(o.ID), session.Printable(o.Name), map[bool]string{true: "yes", false: "no"}[o.Icon], o.State(), o.Opens())
				}
			})
		})
	}
	return cmd
}

// withOffers calls use with a chroot and with what is exported from it.
func (c *command) withOffers(name string, use func(*export.Host, *rootfs.Root, *export.Set) error) error {
	h, err := c.describeHost()
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

// completeApps completes NAME, then the apps of the chroot that are exported, or
// those that are not.
func (c *command) completeApps(exported bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) (words []string, _ cobra.ShellCompDirective) {
		if len(args) == 0 {
			return c.completeNames(1)(cmd, args, word)
		}
		c.withOffers(args[0], func(h *export.Host, root *rootfs.Root, set *export.Set) error {
			bin, _ := cmd.Flags().GetBool("bin")
			autostart, _ := cmd.Flags().GetBool("autostart")
			switch {
			case autostart:
				words = complete.ListAutostart(h, root, set, exported)
			case !bin:
				words = complete.ListApps(h, root, set, exported)
			case exported: // what could be exported is any program
				words = complete.ListCommands(set)
			}
			return nil
		})
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}
