package session

// Request is what the person asked for: flags over configuration.
type Request struct {
	Argv []string // empty: the account's login shell
	// Interactive says that a shell would talk to a terminal.
	Interactive bool
	Home        HomeMode
	HomeAt      HostPath // for HomeDir
	// HomeStore is where the private home of this chroot lies.
	HomeStore HostPath
	Cwd       Path // "": the caller's
	Binds     []Bind
	Env       []Var
	UnsetEnv  []string
	Root      bool // enter as root, without a desktop
	// NoOverlay binds single files over a tree's /etc instead of one read-only
	// overlay: for kernels and trees that refuse it.
	NoOverlay bool
}

// Identity says whose uid the program has, seen from where.
type Identity struct {
	Kind string // "match", or "root" without a user namespace
	UID  int    // kernel uid and gid, which are the numbers inside too
	GID  int
	Why  string
}

// Plan is everything that a launch does, as data. It is made without changing
// anything, printed by --dry-run, and carried out by package launch alone.
type Plan struct {
	Name     string // of the chroot, as shown
	Tree     HostPath
	Identity Identity
	Network  bool // an own network namespace with loopback up
	Linux32  bool `json:",omitempty"` // the tree is a 32-bit one on a 64-bit kernel: personality(2) PER_LINUX32

	Prepare []Prepare // on disk, before the launch: homes and their like
	Tmpfs   []Node    // the content of chrun's one tmpfs
	Mounts  []Mount   // Mounts[0] is the root; parents stand before children

	Argv     []string
	Programs []Path // what to try to execute, in turn
	Login    bool   `json:",omitempty"` // it is the account's login shell
	Env      Environ
	Cwd      Path

	User     string // account inside, as shown
	Home     Home
	Features []Line
	Notes    []string // for -v
	Warnings []string
}

// Line is what -v says of one feature.
type Line struct{ Feature, State string }

// Prepare makes something that outlives the launch: one of Home, InHome and
// InTree.
type Prepare struct {
	Home   HostPath // a private home: made 0700, filled once from Skel
	Skel   Path
	InHome HostPath // a home that is chrun's to fill, where At is an empty mount point
	At     string   // relative to InHome
	File   bool     // At is a file
	InTree Path     // an empty directory in a tree that the caller may write
	Why    string
}

// NodeKind is what a Node is.
type NodeKind string

const (
	Dir     NodeKind = "directory"
	Regular NodeKind = "file"
	Symlink NodeKind = "symlink"
)

// Node is one file of the tmpfs; parents stand before children.
type Node struct {
	Path   string // relative to the tmpfs
	Kind   NodeKind
	Mode   uint32
	Data   []byte `json:",omitempty"`
	Target string `json:",omitempty"`
}

// MountKind says where a mount's content comes from.
type MountKind string

const (
	FromHost  MountKind = "host"    // Source is a path on the host
	FromTree  MountKind = "tree"    // Source is a path inside the tree, without symlinks
	FromTmpfs MountKind = "tmpfs"   // Source is a directory or file of our tmpfs
	Overlay   MountKind = "overlay" // Source, in our tmpfs, over Lower, in the tree; read-only
)

// Mount is one mount inside. Its place is Rel, a path without symlinks below
// the root of Mounts[Into].
type Mount struct {
	Kind     MountKind
	Source   string
	Lower    string `json:",omitempty"`
	Dest     Path
	Into     int
	Rel      string
	ReadOnly bool `json:",omitempty"`
	Guarded  bool `json:",omitempty"` // nosuid and nodev
	Ours     bool `json:",omitempty"` // mount points may be made in Source: a home of this chroot's
	Required bool `json:",omitempty"`
	Feature  string
	Why      string
}
