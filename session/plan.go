package session

import (
	"encoding/json"

	"chrun/session/account"
)

// Request is what the person requested: flags, and else configuration.
type Request struct {
	Argv          []string // empty: the account's login shell
	Interactive   bool     // a login shell would talk to a terminal
	Home          HomeMode
	HomeDirectory HostPath // for HomeDir
	HomeStore     HostPath // the private home of this chroot, which may not exist yet
	Cwd           Path     // "": the caller's
	Binds         []Bind
	Env           []Var
	Doctor        HostPath // the program of chrunctl doctor, "" if it is another launch
	FromMenu      bool     // nobody chose the working directory
	AnyCwd        bool     // start in the home if the working directory is not visible inside
	UnsetEnv      []string
	RootInside    bool // the program is root inside
	NoDesktop     bool // root runs chrun for itself, without a desktop user
	// NoOverlay binds single files over a tree's /etc instead of one read-only
	// overlay: for kernels and trees that refuse it.
	NoOverlay bool
}

// Plan is everything that a launch does, as data. It is made without changing
// anything, printed by --dry-run, and carried out only by package launch.
type Plan struct {
	Name     string // of the chroot, for messages
	Tree     HostPath
	Identity Identity
	Network  bool // its own network namespace with loopback up
	Linux32  bool `json:",omitempty"` // a 32-bit tree on a 64-bit kernel: personality(2) PER_LINUX32
	// NoTyping means that a seccomp filter refuses TIOCSTI and TIOCLINUX: root has
	// started the launch on its own terminal, and the program is not root.
	NoTyping bool `json:",omitempty"`

	Preparations []Preparation // on disk, before the launch
	Tmpfs        []Node        // the content of chrun's one tmpfs
	Mounts       []Mount       // Mounts[0] is the root; parents come before children

	Argv     []string
	Programs []Path // candidates to execute, tried in this order
	Login    bool   `json:",omitempty"` // it is the account's login shell
	Env      Environ
	Cwd      Path

	// CallerUID and CallerGID are the ids of the desktop's user. If root mounts,
	// it opens the paths that the user named with that user's rights.
	CallerUID, CallerGID int
	Groups               []int       `json:",omitempty"` // supplementary groups that root sets
	Relays               []Relay     `json:",omitempty"`
	Admissions           []Admission `json:",omitempty"`

	User     string // the account inside, for messages
	Home     Home
	StandIns []StandIn    `json:",omitempty"`
	Stale    []StaleEntry `json:",omitempty"`
	Features []FeatureState
	Notes    []string // for -v
	Warnings []string
	Notices  []string `json:",omitempty"` // warnings for a person who clicked something
}

// Relay is a socket that a program reaches through chrun. For a bus, the relay
// tells it the uid that it knows: libdbus claims the uid that it sees itself, and
// the bus compares (D-Bus Specification, "Authentication Protocol", EXTERNAL).
type Relay struct {
	OpenServer bool   `json:",omitempty"` // not a bus: chrun's server that opens links and files on the host
	Bus        string // where the server listens on the host: a path, or @NAME
	Path       Path   // of the socket inside
	// Raw relays only bytes and descriptors, for a server whose socket is on a
	// file system without ACLs.
	Raw bool `json:",omitempty"`
}

// Admission grants the program's uid access to one Socket or one Display of the
// host. It is revoked when the last program of the launch has ended.
type Admission struct {
	Socket  HostPath `json:",omitempty"` // gets an ACL entry
	Dest    Path     `json:",omitempty"` // of Socket, inside
	Device  uint64   `json:",omitempty"` // of Socket, which the caller was allowed to use
	Inode   uint64   `json:",omitempty"`
	Display string   `json:",omitempty"` // an X server that gets an entry in its host list
	Why     string
}

// FeatureState is the line for one feature in the output of -v.
type FeatureState struct {
	Feature, State string
	// Denied means that the person does not want it, and Shared that the program gets
	// something of it.
	Denied, Shared bool `json:",omitempty"`
}

// Preparation creates something that outlives the launch: one of Home, InHome and
// InTree.
type Preparation struct {
	Home   HostPath // a private home: created with mode 0700, filled once from Skel
	Skel   Path
	InHome HostPath // a home that belongs to this chroot, in which At is an empty mount point or a symlink
	At     string   // relative to InHome
	File   bool     // At or InTree is an empty file
	Link   string   `json:",omitempty"` // At is a symlink to this path inside
	// InTree is an empty directory in a tree that the program can write, or an empty
	// file with mode FilePlaceholderMode, which is removed after the launch.
	InTree Path
	// Placeholder is an empty directory with mode 0555 at the top of a home. The
	// launch goes on without it.
	Placeholder bool `json:",omitempty"`
	Dest        Path `json:",omitempty"` // of a placeholder or a file in the tree, inside
	Why         string
}

// FilePlaceholderMode is the mode of the empty files that a launch makes in a tree
// to mount files on. They are recognized by it and removed as soon as nothing is
// mounted on them.
const FilePlaceholderMode = 0o400

// IsTemporary reports whether the launch removes it at its end.
func (p *Preparation) IsTemporary() bool { return p.InTree != "" && p.File }

// NodeKind is the type of a file.
type NodeKind string

const (
	Dir     NodeKind = "directory"
	Regular NodeKind = "file"
	Symlink NodeKind = "symlink"
)

// Node is one file of the tmpfs. Parents come before children.
type Node struct {
	Path string // relative to the tmpfs
	Kind NodeKind
	Mode uint32
	Data []byte `json:",omitempty"`
	// Pieces is the content instead of Data: parts of the file Original of the tree.
	Pieces         []account.Piece `json:",omitempty"`
	Original       Path            `json:",omitempty"`
	Target         string          `json:",omitempty"` // of a symlink
	OwnedByProgram bool            `json:",omitempty"` // root changes the owner to the program's uid
	// SecretFile is the host's file from which secret Data was taken.
	SecretFile HostPath `json:",omitempty"`
	// SecretDisplays are the display in SecretFile and its name inside, if Data is an
	// X11 cookie and they differ.
	SecretDisplays []string `json:",omitempty"`
}

// isSecret reports whether the content must not be printed.
func (n *Node) isSecret() bool { return n.Kind == Regular && n.Mode&0o077 == 0 }

// Size returns the number of bytes of a file.
func (n *Node) Size() int64 {
	size := int64(len(n.Data))
	for _, p := range n.Pieces {
		size += p.Size()
	}
	return size
}

// MarshalJSON leaves secret content out.
func (n Node) MarshalJSON() ([]byte, error) {
	type plain Node
	if n.isSecret() {
		n.Data = nil
	}
	return json.Marshal(plain(n))
}

// MountKind is the origin of a mount's content.
type MountKind string

const (
	FromHost  MountKind = "host"    // Source is a path on the host
	FromTree  MountKind = "tree"    // Source is a path inside the tree, without symlinks
	FromTmpfs MountKind = "tmpfs"   // Source is a directory or file of our tmpfs
	Overlay   MountKind = "overlay" // Source, in our tmpfs, over Lower, in the tree; read-only
)

// Mount is one mount inside. Its mount point is Rel, a path without symlinks
// relative to the root of Mounts[Into].
type Mount struct {
	Kind             MountKind
	Source           string
	Lower            string `json:",omitempty"`
	Dest             Path
	Into             int
	Rel              string
	ReadOnly         bool `json:",omitempty"`
	NoSuidNoDev      bool `json:",omitempty"`
	AllowMountPoints bool `json:",omitempty"` // the launch may create mount points in Source: a home of this chroot, or the runtime directory
	Required         bool `json:",omitempty"` // a failure ends the launch
	Feature          string
	Why              string
}
