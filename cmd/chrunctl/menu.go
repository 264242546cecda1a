package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"chrun/desktop"
	"chrun/desktop/export"
	"chrun/desktop/export/icon"
	"chrun/desktop/export/mime"
	"chrun/session"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// host describes the caller's desktop to package export.
func (c *command) host() (*export.Host, error) {
	if err := c.ownMenu(); err != nil {
		return nil, err
	}
	launcher, err := c.launcher()
	if err != nil {
		return nil, err
	}
	dir := func(name, fallback string) string {
		if d := c.env.Get(name); path.IsAbs(d) {
			return path.Clean(d)
		}
		return path.Join(c.home, fallback)
	}
	dirs := func(name, fallback string) (list []string) {
		for _, d := range strings.Split(cmp.Or(c.env.Get(name), fallback), ":") {
			if path.IsAbs(d) {
				list = append(list, path.Clean(d))
			}
		}
		return list
	}
	h := &export.Host{
		Home: c.home, StateDir: config.UserStateDir(c.env.Get("XDG_STATE_HOME"), c.home), BinDir: path.Join(c.home, ".local/bin"),
		Dirs: mime.Dirs{
			ConfigHome: dir("XDG_CONFIG_HOME", ".config"), ConfigDirs: dirs("XDG_CONFIG_DIRS", "/etc/xdg"),
			DataHome: dir("XDG_DATA_HOME", ".local/share"), DataDirs: dirs("XDG_DATA_DIRS", "/usr/local/share:/usr/share"),
			Path: c.env.Get("PATH"),
		},
		RuntimeDir: c.env.Get("XDG_RUNTIME_DIR"), Launcher: launcher, BusNameOwned: c.owned,
		Locale: cmp.Or(c.env.Get("LC_ALL"), c.env.Get("LC_MESSAGES"), c.env.Get("LANG")),
	}
	for _, d := range strings.Split(c.env.Get("XDG_CURRENT_DESKTOP"), ":") {
		if d != "" {
			h.Desktops = append(h.Desktops, d)
		}
	}
	return h, nil
}

// ownMenu refuses to change root's menu where somebody else's is meant.
func (c *command) ownMenu() error {
	if uid := c.env.Get("SUDO_UID"); c.root && uid != "" && uid != "0" {
		return &menuError{"a menu", "it would be root's", "without sudo: chrunctl " + session.Quote(c.typed...)}
	}
	return nil
}

// launcher is the chrun beside this program, by the name that PATH has for it.
func (c *command) launcher() (string, error) {
	beside := ""
	if exe, err := os.Executable(); err == nil {
		beside = filepath.Join(filepath.Dir(exe), "chrun")
	}
	st, err := os.Stat(beside)
	for _, dir := range filepath.SplitList(c.env.Get("PATH")) {
		p := filepath.Join(dir, "chrun")
		if at, e := os.Stat(p); path.IsAbs(p) && e == nil && !at.IsDir() && (err != nil || os.SameFile(st, at)) {
			return p, nil
		}
	}
	if err != nil {
		return "", &menuError{"entries", "there is no chrun beside chrunctl, nor on PATH", "sudo make install"}
	}
	return beside, nil
}

// owned reports whether a program owns the name on the session bus.
func (c *command) owned(name string) bool {
	uid := c.account.UID
	caller := &session.Caller{UID: uid, Env: c.env, Host: "/", Listeners: session.LazyListeners(), RuntimeDir: session.FindRuntimeDir(c.env, uid)}
	return desktop.OwnsBusName(caller, name, 2*time.Second)
}

// menuError says why a menu cannot be changed.
type menuError struct{ what, why, hint string }

func (e *menuError) Error() string { return "cannot export " + e.what + ": " + e.why }

// notExported says that what shall go is not there.
type notExported struct{ what, name string }

func (e *notExported) Error() string { return "cannot unexport " + e.what + ": it is not exported" }

// exportable opens a chroot that has a name.
func (c *command) exportable(name string) (*rootfs.Root, error) {
	if err := c.ownMenu(); err != nil {
		return nil, err
	}
	conf, err := config.Load(c.src)
	if err != nil {
		return nil, err
	}
	if strings.Contains(name, "/") {
		return nil, &menuError{session.Quote(name), "entries of the menu need a name for the chroot", "chrunctl add NAME " + session.Quote(name)}
	}
	ch, err := conf.Chroot(name)
	if err != nil {
		return nil, err
	}
	root, err := rootfs.Open(ch.Path)
	if err != nil {
		return nil, &treeError{string(ch.Path), err}
	}
	return root, nil
}

func (c *command) apps() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "apps NAME",
		Short: "List the programs that a chroot offers to menus",
		Long: "List the programs that a chroot offers to menus: the id, the shown name, whether it has an icon,\n" +
			"under which id it is exported, and what it opens.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: c.names(1),
	}
	asJSON := cmd.Flags().Bool("json", false, "for programs")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return c.offered(args[0], func(h *export.Host, root *rootfs.Root, set *export.Set) error {
			list := listApps(h, root, set)
			if *asJSON {
				e := json.NewEncoder(c.out)
				e.SetIndent("", "  ")
				return e.Encode(list)
			}
			return c.table(func(row func(...string)) {
				row("ID", "NAME", "ICON", "EXPORTED", "OPENS")
				for _, a := range list {
					row(printable(a.ID), printable(a.Name), map[bool]string{true: "yes", false: "no"}[a.Icon], a.note(), a.opens())
				}
			})
		})
	}
	return cmd
}

// offered looks at what a chroot offers, and what of it is exported.
func (c *command) offered(name string, look func(*export.Host, *rootfs.Root, *export.Set) error) error {
	h, err := c.host()
	if err != nil {
		return err
	}
	root, err := c.exportable(name)
	if err != nil {
		return err
	}
	defer root.Close()
	set, err := export.Open(h, name, false)
	if err != nil {
		return err
	}
	defer set.Close()
	return look(h, root, set)
}

// listedApp is an app as it is listed.
type listedApp struct {
	ID, Name string
	Program  string
	Icon     bool
	Types    []string
	Shown    bool   // in a menu of this desktop
	Exported string // its id in the host's menu
	Error    string `json:",omitempty"`
}

func listApps(h *export.Host, root *rootfs.Root, set *export.Set) []listedApp {
	icons := icon.Open(root)
	list := []listedApp{}
	for _, a := range export.ListApps(root) {
		l := listedApp{ID: a.ID, Exported: set.ExportedID(a.ID), Types: []string{}}
		if a.Err != nil {
			l.Error = a.Err.Error()
		} else {
			e := a.Entry
			l.Name, l.Program, l.Shown = e.Localised("Name", h.Locale), e.Program(), e.IsShown(h.Desktops)
			l.Icon = len(icons.Find(e.String("Icon"))) > 0
			l.Types = append(l.Types, e.List("MimeType")...)
		}
		list = append(list, l)
	}
	return list
}

func (a *listedApp) note() string {
	switch {
	case a.Error != "":
		return "cannot be: " + a.Error
	case a.Exported != "" && a.Exported != a.ID:
		return "as " + a.Exported
	case a.Exported != "":
		return "yes"
	case !a.Shown:
		return "no (hidden)"
	}
	return "no"
}

func (a *listedApp) opens() string {
	if len(a.Types) == 0 {
		return "-" // an empty cell would end the column
	}
	if n := len(a.Types); n > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(a.Types[:2], " "), n-2)
	}
	return printable(strings.Join(a.Types, " "))
}

// printable is s without what would move a terminal's cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

// onPath says whether a command in dir is found.
func (c *command) onPath(dir string) bool {
	for _, d := range filepath.SplitList(c.env.Get("PATH")) {
		if filepath.Clean(d) == dir {
			return true
		}
	}
	return false
}

// failures prints what went wrong beside the export itself.
func (c *command) failures(failed []error) {
	for _, err := range failed {
		fmt.Fprintln(c.err, "chrunctl:", err)
		var tool *export.ToolError
		if errors.As(err, &tool) && errors.Is(err, exec.ErrNotFound) {
			fmt.Fprintf(c.err, "chrunctl: hint: what opens files is known when %s is there: install %s, then chrunctl sync\n",
				tool.Tool, map[string]string{"update-mime-database": "shared-mime-info",
					"gtk-update-icon-cache": "gtk-update-icon-cache"}[tool.Tool])
		}
	}
}
