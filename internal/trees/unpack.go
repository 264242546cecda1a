package trees

import (
	"archive/tar"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session"
)

// unpacking is the job of making a tree from a tar archive.
type unpacking struct {
	Account *Account // to be made, if not nil
	Devices bool     // make harmless device nodes

	report Report
	dirs   []*tar.Header // whose times and modes are set at the end
	named  []namedACL
	parent string // a directory that exists, since nothing was removed
	buffer []byte
}

// Report says what an archive has that the tree has not.
type Report struct {
	Members int
	// Left are kinds of what was left out, each with an example.
	Left []Left
}

// Left is a kind of things that a tree lacks.
type Left struct {
	What  string
	Count int
	First string // the first member
}

const maxKinds = 100 // of Report.Left: an archive can have any number of attributes

// leave records that something of a member was left out.
func (r *Report) leave(what, member string) {
	find := func() int { return slices.IndexFunc(r.Left, func(l Left) bool { return l.What == what }) }
	i := find()
	if i < 0 && len(r.Left) >= maxKinds {
		what = leftOther
		i = find()
	}
	if i < 0 {
		i = len(r.Left)
		r.Left = append(r.Left, Left{What: what, First: session.Printable(member)})
	}
	r.Left[i].Count++
}

// What is left out.
const (
	leftOwner    = "owners outside the map of IDs, which are root inside"
	leftDevice   = "device nodes"
	leftKind     = "members of an unknown kind"
	leftRoot     = "the owner of the root directory, which is root inside"
	leftOutside  = "members whose names lead out of the tree"
	leftOther    = "other things"
	leftNoTarget = "hard links to files that the archive does not have"
)

// run unpacks the archive into the root directory.
func (u *unpacking) run(archive io.Reader) error {
	// Many archives have no member for it. An ACL of the directory above would be
	// inherited by all files.
	if err := errors.Join(unix.Chown("/", 0, 0), removeACLs("/"), unix.Chmod("/", 0o755)); err != nil {
		return fmt.Errorf("cannot own the root directory: %w", err)
	}
	u.buffer = make([]byte, 1<<18)
	content := &endReader{in: bufio.NewReaderSize(archive, 1<<18)} // a header is 512 bytes
	members := tar.NewReader(content)
	for {
		h, err := members.Next()
		if err == io.EOF && u.report.Members > 0 && content.zeros < blockSize {
			err = io.ErrUnexpectedEOF
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return readError(err)
		}
		u.report.Members++
		if err := u.extract(h, members); errors.Is(err, io.ErrUnexpectedEOF) {
			return readError(err)
		} else if err != nil {
			return fmt.Errorf("cannot make %s: %w", session.Printable(h.Name), cause(err))
		}
	}
	if u.report.Members == 0 {
		return errors.New("the archive is empty")
	}
	// What follows the end of the archive belongs to the stream: its checksum may
	// cover it.
	if _, err := io.Copy(io.Discard, content); err != nil {
		return readError(err)
	}
	if err := errors.Join(u.finishDirs(), u.setNamedACLs()); err != nil {
		return err
	}
	if err := raiseOnly(); err != nil {
		return err
	}
	if err := checkSystem(); err != nil {
		return err
	}
	if u.Account != nil {
		return u.Account.add()
	}
	return nil
}

// readError describes an error of reading an archive.
func readError(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the archive is incomplete: it ends too early")
	}
	return fmt.Errorf("cannot read the archive: %w", err)
}

// blockSize is the unit of tar archives. They end with blocks of zeros.
const blockSize = 512

// endReader counts the zeros at the end of what was read: archive/tar does not tell
// an archive that was cut between two members.
type endReader struct {
	in    io.Reader
	zeros int
}

func (r *endReader) Read(p []byte) (n int, err error) {
	n, err = r.in.Read(p)
	rest := len(bytes.TrimRight(p[max(0, n-blockSize):n], "\x00"))
	if zeros := min(n, blockSize) - rest; zeros < n {
		r.zeros = zeros
	} else {
		r.zeros += n
	}
	return n, err
}

func cause(err error) error {
	var p *os.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		return p.Err
	case errors.As(err, &l):
		return l.Err
	}
	return err
}

// memberPath returns the path of a member in the tree. ok is false if its name has
// "..".
func memberPath(name string) (p string, ok bool) {
	if slices.Contains(strings.Split(name, "/"), "..") {
		return "", false
	}
	return path.Clean("/" + name), true
}

// extract makes one member.
func (u *unpacking) extract(h *tar.Header, content io.Reader) error {
	p, ok := memberPath(h.Name)
	if !ok {
		u.report.leave(leftOutside, h.Name)
		return nil
	}
	if err := u.makeParent(path.Dir(p)); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return u.makeDir(p, h)
	case tar.TypeXGlobalHeader:
		return nil
	}
	if p == "/" {
		return errors.New("the root is not a directory")
	}
	if h.Typeflag == tar.TypeReg || h.Typeflag == tar.TypeGNUSparse {
		return u.makeFile(p, h, content)
	}
	if err := u.removeExisting(p); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeLink:
		return u.makeLink(p, h)
	case tar.TypeSymlink:
		if err := os.Symlink(h.Linkname, p); err != nil {
			return err
		}
	case tar.TypeFifo:
		if err := unix.Mkfifo(p, 0o600); err != nil {
			return &os.PathError{Op: "mkfifo", Path: p, Err: err}
		}
	case tar.TypeChar, tar.TypeBlock:
		if !u.makeDevice(p, h) {
			u.report.leave(leftDevice, h.Name)
			return nil
		}
	default:
		u.report.leave(leftKind, h.Name)
		return nil
	}
	return u.setAttributes(p, h)
}

// makeParent makes the directory of a member. Most members have the one of the member
// before.
func (u *unpacking) makeParent(dir string) error {
	if dir == u.parent {
		return nil
	}
	err := os.MkdirAll(dir, 0o755)
	if errors.Is(err, os.ErrExist) {
		return errors.New("a symlink above it leads nowhere in the tree")
	}
	if err == nil {
		u.parent = dir
	}
	return err
}

// removeExisting removes what an earlier member has made under the same name.
func (u *unpacking) removeExisting(p string) error {
	err := unix.Unlink(p)
	if err == unix.EISDIR {
		err = unix.Rmdir(p)
	}
	if err == unix.ENOENT {
		return nil
	}
	u.parent = ""
	if err != nil {
		return &os.PathError{Op: "replace", Path: p, Err: err}
	}
	return nil
}

func (u *unpacking) makeDir(p string, h *tar.Header) error {
	if st, err := os.Lstat(p); err != nil || !st.IsDir() {
		if err := u.removeExisting(p); err != nil {
			return err
		}
		if err := os.Mkdir(p, 0o700); err != nil {
			return err
		}
	}
	later := *h
	later.Name = p
	u.dirs = append(u.dirs, &later)
	return nil
}

// finishDirs sets the attributes of the directories, the deepest first: to make
// files in them changes their times.
func (u *unpacking) finishDirs() error {
	done := map[string]bool{}
	for _, h := range slices.Backward(u.dirs) {
		if st, err := os.Lstat(h.Name); err != nil || !st.IsDir() || done[h.Name] {
			continue // a later member has replaced it
		}
		done[h.Name] = true
		if err := u.setAttributes(h.Name, h); err != nil {
			return fmt.Errorf("cannot make %s: %w", session.Printable(h.Name), cause(err))
		}
	}
	return nil
}

func (u *unpacking) makeFile(p string, h *tar.Header, content io.Reader) error {
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	mode := uint32(h.Mode & 0o777) // there is no umask
	fd, err := unix.Open(p, flags, mode)
	if err == unix.EEXIST {
		if err = u.removeExisting(p); err == nil {
			fd, err = unix.Open(p, flags, mode)
		}
	}
	if err != nil {
		return err
	}
	f := rawFile(fd)
	if isSparse(h) {
		err = copySparse(f, content, h.Size)
	} else {
		// In larger pieces than io.Copy takes.
		_, err = io.CopyBuffer(f, content, u.buffer)
	}
	if closed := unix.Close(fd); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return u.setAttributes(p, h)
}

func (u *unpacking) makeLink(p string, h *tar.Header) error {
	target, ok := memberPath(h.Linkname)
	if !ok {
		u.report.leave(leftOutside, h.Name)
		return nil
	}
	err := os.Link(target, p)
	if errors.Is(err, os.ErrNotExist) {
		u.report.leave(leftNoTarget, h.Name)
		return nil
	}
	return err
}

// devices are the nodes of the kernel's that give access to nothing, by type,
// major and minor number: null, zero, full, random, urandom; tty, console, ptmx.
var devices = []struct {
	kind         byte
	major, minor int64
}{{tar.TypeChar, 1, 3}, {tar.TypeChar, 1, 5}, {tar.TypeChar, 1, 7}, {tar.TypeChar, 1, 8}, {tar.TypeChar, 1, 9},
	{tar.TypeChar, 5, 0}, {tar.TypeChar, 5, 1}, {tar.TypeChar, 5, 2}}

// makeDevice reports whether it has made a device node.
func (u *unpacking) makeDevice(p string, h *tar.Header) bool {
	for _, d := range devices {
		if u.Devices && d.kind == h.Typeflag && d.major == h.Devmajor && d.minor == h.Devminor {
			return unix.Mknod(p, unix.S_IFCHR|0o600, int(unix.Mkdev(uint32(d.major), uint32(d.minor)))) == nil
		}
	}
	return false
}
