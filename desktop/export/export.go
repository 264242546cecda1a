// Package export puts the programs of a chroot into the user's menu and removes
// them again: desktop entries, icons, file types, D-Bus services, and commands in
// ~/.local/bin.
//
// What should be on the host is computed from the chroot, the host and the user's
// Selection (computeDesired). A manifest records what an export wrote. A Plan is
// the difference between the two, and Run carries it out. So export, unexport and
// sync are one operation with different selections; a second run has nothing to
// do, and the next run completes one that was killed.
//
// Sources: Desktop Entry Specification 1.5; Desktop Menu Specification 1.1; XDG
// Base Directory Specification 0.8; D-Bus Specification, "Message Bus Starting
// Services".
package export

import (
	"slices"

	"chrun/desktop/export/mime"
)

// Host describes the user's side of an export.
type Host struct {
	Home     string
	StateDir string // manifests are in its directory exports
	BinDir   string // ~/.local/bin
	mime.Dirs
	RuntimeDir string
	Launcher   string // absolute path of chrun
	Locale     string
	// BusNameOwned reports whether a name has an owner on the session bus. It may
	// be nil.
	BusNameOwned func(name string) bool
}

func (h *Host) entryFile(id string) string {
	return h.DataHome + "/applications/" + id + ".desktop"
}

func (h *Host) serviceFile(id string) string {
	return h.DataHome + "/dbus-1/services/" + id + ".service"
}

// Selection is what the user chose to export from a chroot. The manifest keeps
// it, so that sync needs no arguments.
type Selection struct {
	Tree          string        // canonical path of the chroot
	All           bool          // every app that the chroot shows in menus
	Apps          []string      // IDs in the chroot
	Except        []string      // IDs that All leaves out
	Commands      []string      // programs that get a command in BinDir, as the user typed them
	Autostart     []string      // IDs in the chroot of programs that start at login
	CustomEntries []CustomEntry // for programs that have no entry in the chroot
	Label         string        // AutoLabel, or the text after each name
	ClaimTypes    bool          // also claim types whose default would change
}

// CustomEntry describes a desktop entry that the chroot does not have.
type CustomEntry struct{ Program, Name, Icon string }

// AutoLabel stands for the label " (NAME)", used only where the host's menu shows
// the same name.
const AutoLabel = "auto"

func (s *Selection) equal(o *Selection) bool {
	return s.Tree == o.Tree && s.All == o.All && s.Label == o.Label && s.ClaimTypes == o.ClaimTypes &&
		slices.Equal(s.Apps, o.Apps) && slices.Equal(s.Except, o.Except) && slices.Equal(s.Commands, o.Commands) &&
		slices.Equal(s.Autostart, o.Autostart) &&
		slices.Equal(s.CustomEntries, o.CustomEntries)
}

// Note tells the user something about an export.
type Note struct {
	ID       string // of an app in the chroot, or ""
	Text     string
	Refusal  string   `json:"-"` // why the app is not exported at all, or ""
	IsDetail bool     `json:"-"` // it is said only with -v
	types    []string // that the app is not registered for, if that is what it says
}
