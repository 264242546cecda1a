// Package session defines the terms of a launch and decides it: who calls
// (Caller), what a desktop offers (Feature, Share), and what will be done (Plan).
// It reads and decides; it never mounts, executes or changes anything.
package session

import (
	"chrun/session/account"
	"chrun/session/rootfs"
)

// HostPath and Path are paths on the host and inside the chroot.
type (
	HostPath = rootfs.HostPath
	Path     = rootfs.Path
)

// Facts is what a launch knows before it decides anything, and all that a
// Feature may look at.
type Facts struct {
	Caller   *Caller
	Root     *rootfs.Root
	Name     string          // the name of the chroot for messages: its configured or base name
	Account  account.Account // the account inside, as the program will see it
	Home     Path            // HOME inside
	Identity Identity
	// AccountFiles are the tree's passwd and group with the account added.
	AccountFiles []File
	Allowed      func(feature string) bool
	// Argv is the command as typed. Relative paths in it are relative to Base,
	// which is "" if they are paths inside.
	Argv []string
	Base HostPath
	App  string // the ID of the menu entry that started it, or ""
	// Explain says that notes are printed. A note that is expensive to make may be
	// left out otherwise.
	Explain bool
}

// Feature is one thing of the host that a program in the chroot can use. The
// table of all features is in package desktop; it is the documentation too.
type Feature struct {
	Name      string   // as in --allow and --deny
	Group     string   // "display", "sound", "bus" or ""
	Shares    string   // what it shares, one phrase
	Variables []string // its variables, unset inside unless Detect sets them
	// Detect finds what the host offers this launch. It only reads.
	Detect func(*Facts) Share
	// Hide finds what must be covered if the feature is denied, and the values of
	// its variables that mean none, where an unset one means the library's default.
	// It may be nil.
	Hide func(*Facts) Share
}

// Share is what one feature shares with one launch, as data: Detect decides it,
// and only package launch carries it out.
type Share struct {
	State        string // one line for -v: "wayland-1 (listening; WAYLAND_DISPLAY was unset)"; "" lists the Files that are shared
	Binds        []Bind
	Files        []File
	Env          []Var
	DirEnv       []DirVar    // variables that need a directory
	Lists        []List      // additions to variables that contain lists
	Absent       bool        // the program gets nothing: Env only keeps it from looking for a server
	NeedsPathMap bool        // the launch writes PathMapFile
	Relay        *Relay      // a bus that is reached through chrun
	Admissions   []Admission // grants for a program with another uid, besides those for the sockets in Binds
	Cover        []Path      // existing sockets inside over which /dev/null is mounted
	HomeEntries  []HomeEntry // visible entries of the caller's home
	Clicked      []Clicked   // what was clicked on the host
	Named        []HostPath  // paths in the caller's home that the command line names
	Notes        []string    // further lines for -v
	Windows      []string    // printed even without -v if the program opens windows: on which screen
	Warnings     []string    // printed even without -v: what the person requested and does not get
}

// isSomething reports whether the program gets anything of the feature.
func (s *Share) isSomething() bool {
	return !s.Absent && (len(s.Binds)+len(s.Files)+len(s.Env)+len(s.DirEnv)+len(s.Lists)+len(s.HomeEntries)+len(s.Clicked)+len(s.Named) > 0 || s.Relay != nil)
}

// Bind shares a file or directory of the host at a path inside.
type Bind struct {
	Source   HostPath
	Dest     Path
	ReadOnly bool
	Required bool // a failure ends the launch; otherwise it leads to a note
	// OnlyIfMissing shares only what does not exist inside: the chroot's own file
	// takes precedence. WithFolder then shares the directory of Source, if that
	// does not exist inside either.
	OnlyIfMissing, WithFolder bool
	// Yields leaves this out if the person shares something below Dest.
	Yields bool
	// HidesOthers puts Dest into a new directory, which hides the other files of the
	// host that would be beside it.
	HidesOthers bool
	Why         string // for --dry-run
}

// File is a small file that differs inside. Data is its content at launch.
//
// Where a symlink is possible, the file is one: to Link, a path inside, or to a
// path that shows HostFile with later changes. A file in /run is made in chrun's
// own /run, and one in /etc is laid over the tree's. Any other is bound over the
// tree's file, or over an empty one that is removed after the launch.
type File struct {
	Path       Path
	Data       []byte
	Pieces     []account.Piece // instead of Data, of the tree's own file, which is large
	Mode       uint32          // permission bits; 0 means 0644
	HostFile   HostPath
	Link       string
	MakeInHome bool // create a mount point if the home belongs to this chroot
	// ForRoot shares the file with root inside, too, even in a tree that root can
	// write. Such a tree keeps its other files: a package may own them, and package
	// managers cannot replace a mount point.
	ForRoot bool
	// Instead says the same as the file, for trees that keep their /etc. Then the
	// file is not shared.
	Instead Var
	// SecretFile is the host's file from which Data was taken, if Data is secret:
	// then Data is not printed.
	SecretFile HostPath
	// SecretDisplays are the display in SecretFile and its name inside, if Data is an
	// X11 cookie and they differ.
	SecretDisplays []string
	Why            string
}

// Var sets a variable inside.
type Var struct{ Name, Value string }

// DirVar sets a variable inside if one of Dirs is a directory there. Missing is the
// note if none is.
type DirVar struct {
	Var
	Dirs    []Path
	Missing string
}

// List adds directories to a variable that contains a list separated by ":".
type List struct {
	Name            string
	Prepend, Append string // "" adds nothing
	Default         string // the meaning of an unset variable
}

// PrivateDir is the directory inside that contains the small files of a launch
// (cookies, generated configuration): 0700, in chrun's own /run.
const PrivateDir Path = "/run/chrun"

// Doctor is where a launch of chrunctl doctor finds its program.
const Doctor = PrivateDir + "/doctor"
