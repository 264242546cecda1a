package host

import (
	"context"
	"fmt"
	"path"
	"slices"
	"time"

	"chrun/desktop"
	"chrun/desktop/export"
	"chrun/internal/chroots"
	"chrun/internal/cli"
	"chrun/internal/doctor/report"
	"chrun/internal/grants"
	"chrun/internal/trees"
	"chrun/session"
)

// checkJournal counts the launches that were killed and have left changes to a desktop.
// Only root can read its journal, and only root's launches make such changes.
func checkJournal(_ context.Context, in *Input) []report.Check {
	if in.Caller.UID != 0 {
		return nil
	}
	n, err := grants.CountDead()
	switch {
	case err != nil:
		return []report.Check{report.Bad("records", report.Found, "journal-broken", err.Error())}
	case n > 0:
		return []report.Check{report.Notice("records", report.Found, "journal-stale", fmt.Sprintf("%d killed launches have left access to a desktop", n))}
	}
	return []report.Check{report.Good("records", report.Found, "no killed launch has left access to a desktop")}
}

// checkExports compares the programs in the menu with the chroot, as "chrunctl sync -n"
// does, and looks for exports of chroots that no longer have a name.
func checkExports(_ context.Context, in *Input) (checks []report.Check) {
	if in.Caller.UID == 0 {
		return nil // the menu is a user's
	}
	launcher, err := export.FindLauncher(in.Self, in.Caller.Env.Get("PATH"))
	if err != nil {
		return nil
	}
	h := export.NewHost(in.Caller, launcher)
	h.BusNameOwned = func(name string) bool { return desktop.OwnsBusName(in.Caller, name, 300*time.Millisecond) }
	exported := h.ListExports()
	names, err := in.Config.Names()
	if err == nil {
		for _, name := range exported {
			if !slices.Contains(names, name) {
				checks = append(checks, report.Notice("records", report.Found, "export-forgotten", "the menu has programs of "+name+", which no longer exists", "name", session.Quote(name)))
			}
		}
	}
	if in.name() == "" || !slices.Contains(exported, in.name()) {
		return checks
	}
	changes, err := planExports(in, h)
	switch {
	case err != nil:
		return append(checks, report.Bad("records", report.Found, "export-broken", err.Error(), "name", session.Quote(in.name())))
	case changes > 0:
		return append(checks, report.Notice("records", report.Found, "export-stale", fmt.Sprintf("the menu no longer matches the chroot (files to change: %d)", changes), "name", session.Quote(in.name())))
	}
	return append(checks, report.Good("records", report.Found, "the menu matches the chroot"))
}

// planExports returns how many files a sync would change.
func planExports(in *Input, h *export.Host) (changes int, err error) {
	exported, err := chroots.OpenExported(in.Caller, in.Config, in.name(), true)
	if err != nil {
		return 0, err
	}
	if exported.Root != nil {
		defer exported.Root.Close()
	}
	set, err := export.Open(h, in.name(), false)
	if err != nil {
		return 0, err
	}
	defer set.Close()
	plan, err := set.Plan(exported.Root, set.Selection())
	if err != nil {
		return 0, err
	}
	for _, step := range plan.Steps {
		if step.Op != export.Keep {
			changes++
		}
	}
	return changes, nil
}

// checkLeft looks for trees that killed creates and removes have left.
func checkLeft(_ context.Context, in *Input) (checks []report.Check) {
	for _, dir := range trees.FindLeft(path.Join(cli.StateDir(in.Caller), "growing")) {
		checks = append(checks, report.Notice("records", report.Found, "tree-left", "half-made tree: "+dir))
	}
	return checks
}
