// Package session is the vocabulary of a launch and its decision: who calls
// (Caller), what a desktop offers (Feature, Share), and what will be done
// (Plan). It reads and decides; it never mounts, executes or changes anything.
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

// Facts is what a launch knows before anything is decided: all that a Feature
// may look at.
type Facts struct {
	Caller   *Caller
	Root     *rootfs.Root
	Name     string          // how the chroot is shown: its configured or base name
	Account  account.Account // the account inside, as the program will see it
	Home     Path            // HOME inside
	Identity Identity
	// AccountFiles are the tree's passwd and group with the account made known.
	AccountFiles []File
	Allowed      func(feature string) bool
	// Argv is the command as typed; relative paths in it are below Base, which
	// is "" if they mean something inside.
	Argv []string
	Base HostPath
}

// Feature is one thing of the host that a program in the chroot can use. The
// table of all features is in package desktop; it is the documentation too.
type Feature struct {
	Name      string   // as in --allow and --deny
	Group     string   // "display", "sound", "bus" or ""
	Shares    string   // what it shares, one phrase
	Variables []string // its variables, unset inside unless Detect sets them
	// Detect says what the host offers this launch. It only reads.
	Detect func(*Facts) Share
	// Hide says what covers the feature when it is denied; nil if nothing does.
	Hide func(*Facts) Share
}

// Share is what one feature offers one launch: data, decided by Detect and
// carried out by nobody but package launch.
type Share struct {
	State        string // one line for -v: "wayland-1 (listening; WAYLAND_DISPLAY was unset)"
	Binds        []Bind
	Files        []File
	Env          []Var
	Lists        []List      // what is added to the value that a variable has by now
	NeedsPathMap bool        // PathMapFile is made
	Relay        *Relay      // a bus that is reached through chrun
	Admissions        []Admission // what lets a program of another uid in, besides its sockets
	Cover        []Path      // sockets inside over which /dev/null is mounted, where they exist
	Notes        []string    // further lines for -v
	Warnings         []string    // said even without -v: what the person asked for and does not get
}

// Bind shares a file or directory of the host at a place inside.
type Bind struct {
	Source   HostPath
	Dest     Path
	ReadOnly bool
	Required bool // a failure ends the launch; else it is noted and left out
	// OnlyIfMissing shares only what is not there inside: the chroot's own wins. With
	// WithFolder, the directory of Source is shared where that too is missing.
	OnlyIfMissing, WithFolder bool
	Why             string // for --dry-run
}

// File is a small file that is different inside. Data is its content as of
// launch. Where a symlink can stand in its place it is one: to Link, a path
// inside, or to where the host's file Live is seen as the host changes it. A
// path in /run is made in chrun's own /run; one in /etc is laid over the
// tree's; elsewhere it is bound over an existing file.
type File struct {
	Path Path
	Data []byte
	Mode uint32 // permission bits; 0 means 0644
	HostFile HostPath
	Link string
	MakeInHome bool // make a mount point in a home that is this chroot's own
	Why  string
}

// Var sets a variable inside.
type Var struct{ Name, Value string }

// List adds directories to a variable that holds a list of them, divided by ":".
type List struct {
	Name        string
	Prepend, Append string // what is put before and behind; "" is nothing
	Default     string // what an unset variable means
}

// PrivateDir is the directory inside that holds the small files of a launch
// (cookies, generated configuration): 0700, in chrun's own /run.
const PrivateDir Path = "/run/chrun"
