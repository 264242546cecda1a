package session

// Request is what the person asked for: flags over configuration.
type Request struct {
	Argv []string // empty: the account's login shell
	// Interactive says that a shell would talk to a terminal.
	Interactive bool
	Home        HomeMode
	HomeDirectory      HostPath // for HomeDir
	// HomeStore is where the private home of this chroot lies.
	HomeStore HostPath
	Cwd       Path // "": the caller's
	Binds     []Bind
	Env       []Var
	UnsetEnv  []string
	RootInside      bool // the program is root inside
	NoDesktop      bool // root, for nobody: there is no desktop
	Idmapped  bool // the tree is given, with its owners exchanged
	// NoOverlay binds single files over a tree's /etc instead of one read-only
	// overlay: for kernels and trees that refuse it.
	NoOverlay bool
}

// Plan is everything that a launch does, as data. It is made without changing
// anything, printed by --dry-run, and carried out by package launch alone.
type Plan struct {
	Name     string // of the chroot, as shown
	Tree     HostPath
	Identity Identity
	Network  bool // an own network namespace with loopback up
	Linux32  bool `json:",omitempty"` // the tree is a 32-bit one on a 64-bit kernel: personality(2) PER_LINUX32

	Preparations []Preparation // on disk, before the launch: homes and their like
	Tmpfs   []Node    // the content of chrun's one tmpfs
	Mounts  []Mount   // Mounts[0] is the root; parents stand before children

	Argv     []string
	Programs []Path // what to try to execute, in turn
	Login    bool   `json:",omitempty"` // it is the account's login shell
	Env      Environ
	Cwd      Path

	// Caller are the ids of the desktop's user, with whose rights root opens
	// what he named, and Groups the supplementary groups that root sets.
	CallerUID, CallerGID int
	Groups               []int       `json:",omitempty"`
	Relays               []Relay     `json:",omitempty"`
	Admissions                []Admission `json:",omitempty"`

	User     string // account inside, as shown
	Home     Home
	Features []FeatureState
	Notes    []string // for -v
	Warnings []string
}

// Relay is a bus seen through chrun, which tells it the uid that it knows: the
// library libdbus claims the number that it sees, and a bus compares (D-Bus
// Specification, "Authentication Protocol", EXTERNAL).
type Relay struct {
	// OpenServer: no bus, but chrun's own server that opens links and files on the
	// host.
	OpenServer bool   `json:",omitempty"`
	Bus   string // where it listens on the host: a path, or @NAME
	Path  Path   // of the socket inside
	// Raw relays bytes and descriptors alone: of a server whose socket is on a
	// file system without ACLs.
	Raw bool `json:",omitempty"`
}

// Admission is a change outside the launch's own namespace, as data: one of Socket
// and Display. It is taken back when the last program of the launch has ended.
type Admission struct {
	Socket  HostPath `json:",omitempty"` // an ACL entry for the program's uid
	Dest    Path     `json:",omitempty"` // where it is inside
	Device  uint64   `json:",omitempty"` // of Socket, which the caller may use
	Inode   uint64   `json:",omitempty"`
	Display string   `json:",omitempty"` // a host list entry for the program's uid
	Why     string
}

// FeatureState is what -v says of one feature.
type FeatureState struct{ Feature, State string }

// Preparation makes something that outlives the launch: one of Home, InHome and
// InTree.
type Preparation struct {
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
	OwnedByProgram    bool   `json:",omitempty"` // it is the program's, where root makes it
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
	NoSuidNoDev  bool `json:",omitempty"` // nosuid and nodev
	AllowMountPoints     bool `json:",omitempty"` // mount points may be made in Source: a home of this chroot's
	Required bool `json:",omitempty"`
	Feature  string
	Why      string
}
