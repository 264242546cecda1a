package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"chrun/desktop/export"
	"chrun/internal/chroots"
	"chrun/session"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// autoSync brings the menu up to date with the chroots that have exports with --all,
// after their programs have changed; with a name, only with that one. It says in one
// line what has changed. It does nothing if a chroot is missing.
func (c *command) autoSync(only string) {
	h, err := c.describeHost()
	if err != nil || len(h.ListExports()) == 0 {
		return
	}
	conf, err := config.Load(c.src)
	if err != nil {
		return
	}
	for _, name := range h.ListExports() {
		ch, err := conf.Chroot(name)
		if err != nil || ch.Sync == "off" || only != "" && only != name {
			continue
		}
		if added, removed, err := c.syncAll(h, conf, name); err != nil {
			c.warn("cannot bring the menu up to date with " + name + ": " + err.Error())
		} else if len(added)+len(removed) > 0 {
			c.warn(fmt.Sprintf("the menu follows %s: %s; to turn this off: chrunctl set %[1]s sync=off", name, describeChanges(added, removed)))
		}
	}
}

// syncAll brings the exports of a chroot up to date, if all of its programs are
// exported. It returns the IDs that were added to the menu and removed from it.
func (c *command) syncAll(h *export.Host, conf *config.Config, name string) (added, removed []string, err error) {
	root := c.openSoon(conf, name)
	if root == nil {
		return nil, nil, nil
	}
	defer root.Close()
	set, err := export.Open(h, name, true)
	if err != nil {
		return nil, nil, err
	}
	defer set.Close()
	selection := set.Selection()
	if !selection.All || set.IsPending() || selection.Tree != string(root.Dir()) {
		return nil, nil, nil
	}
	plan, err := set.Plan(root, selection)
	if err == nil {
		_, err = set.Run(plan)
	}
	if err != nil {
		return nil, nil, err
	}
	added, removed = plan.Entries(h)
	return added, removed, nil
}

// openSoon opens a chroot. It returns nil if it is not mounted, or if its file system
// does not answer at once.
func (c *command) openSoon(conf *config.Config, name string) *rootfs.Root {
	opened := make(chan *rootfs.Root, 1)
	go func() {
		root, _ := chroots.OpenNamed(c.caller, conf, name)
		opened <- root
	}()
	select {
	case root := <-opened:
		return root
	case <-time.After(time.Second):
		return nil
	}
}

func describeChanges(added, removed []string) string {
	var parts []string
	for _, p := range []struct {
		ids  []string
		what string
	}{{added, "added"}, {removed, "removed"}} {
		switch n := len(p.ids); {
		case n > 3:
			parts = append(parts, fmt.Sprintf("%s and %d more %s", strings.Join(p.ids[:2], ", "), n-2, p.what))
		case n > 0:
			parts = append(parts, strings.Join(p.ids, ", ")+" "+p.what)
		}
	}
	return session.Printable(strings.Join(parts, "; "))
}

// syncingVerbs are the commands after which the menu is brought up to date with
// changes that root inside has made.
var syncingVerbs = []string{"add", "apps", "default", "export", "list", "set", "show", "unset"}

func isSyncing(verb string) bool { return slices.Contains(syncingVerbs, verb) }
