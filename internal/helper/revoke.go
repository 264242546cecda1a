package helper

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/internal/grants"
	"chrun/session"
	"chrun/session/acl"
	"chrun/session/grant"
	"chrun/session/launch"
)

// revokeGrants revokes the program's access to the desktop when the launch has
// ended. While the launch runs it grants access to sockets that their servers
// have replaced. Its words are the uids of the desktop user and of the program,
// and for each socket its path on the host and inside; its descriptors are the
// launch's end, chrun's pipe, the launch's file in the journal, whose lock it
// holds, and connections to X servers, which it only keeps open.
func revokeGrants(words []string) int {
	file := os.NewFile(firstFile+2, "launch")
	err := revokeAtEnd(file, words)
	if err != nil {
		// The error may have been temporary, and the next launch may be far off.
		launch.WaitEnd(firstFile, firstFile+1, -1, nil)
		file.Close() // a sweep skips launches that are locked
		err = sweep()
	}
	if err != nil {
		return 125 // the next sweep does it
	}
	return 0
}

func sweep() error {
	journal, err := grants.Open()
	if err != nil {
		return err
	}
	defer journal.Close()
	return journal.Sweep(grants.Table(StartXhost))
}

func revokeAtEnd(file *os.File, words []string) error {
	journal, err := grants.Open()
	if err != nil {
		return err
	}
	defer journal.Close()
	entry, err := journal.Resume(file)
	if err != nil {
		return err
	}
	r := &renewal{entry: entry, inotify: -1}
	if r.owner, err = strconv.Atoi(words[0]); err == nil {
		r.uid, err = strconv.Atoi(words[1])
	}
	if err == nil {
		r.watch(words[2:])
	}
	launch.WaitEnd(firstFile, firstFile+1, r.inotify, r.renew)
	return errors.Join(err, entry.End(grants.Table(StartXhost)))
}

// renewal grants access again when a server has replaced its socket.
type renewal struct {
	entry      *grant.Launch
	owner, uid int
	inotify    int // an inotify instance, or -1
	dirs       map[int32]string
	dest       map[string]string // by the socket's path
}

// watch watches the directories of the sockets: pairs of paths, on the host and
// inside.
func (r *renewal) watch(pairs []string) {
	var err error
	if r.inotify, err = unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK); err != nil {
		r.inotify = -1
		return
	}
	r.dirs, r.dest = map[int32]string{}, map[string]string{}
	for len(pairs) > 1 {
		r.dest[pairs[0]] = pairs[1]
		dir := path.Dir(pairs[0])
		if wd, err := unix.InotifyAddWatch(r.inotify, dir, unix.IN_CREATE|unix.IN_MOVED_TO); err == nil {
			r.dirs[int32(wd)] = dir
		}
		pairs = pairs[2:]
	}
}

// renew reads which files were made and grants access to the sockets among them
// that are the launch's. A failure changes nothing: the old socket is dead anyway.
func (r *renewal) renew() {
	buf := make([]byte, 64<<10)
	n, _ := unix.Read(r.inotify, buf)
	for rest := buf[:max(n, 0)]; len(rest) >= unix.SizeofInotifyEvent; {
		wd := int32(binary.NativeEndian.Uint32(rest))
		size := int(binary.NativeEndian.Uint32(rest[12:]))
		name := strings.TrimRight(string(rest[unix.SizeofInotifyEvent:unix.SizeofInotifyEvent+size]), "\x00")
		rest = rest[unix.SizeofInotifyEvent+size:]
		socket := path.Join(r.dirs[wd], name)
		dest, known := r.dest[socket]
		if !known {
			continue
		}
		r.admit(socket, session.Path(dest))
	}
}

// admit grants access to a new socket and mounts it on dest. The user may change
// the path at any time, so everything is about the socket that is opened first.
func (r *renewal) admit(path string, dest session.Path) error {
	socket, err := acl.Open(path)
	if err != nil {
		return err
	}
	defer socket.Close()
	if socket.Owner != r.owner {
		return fmt.Errorf("%s belongs to uid %d", path, socket.Owner)
	}
	g, err := grants.ForSocket(socket, r.uid)
	if err != nil {
		return err
	}
	if err := r.entry.Grant(grants.Table(StartXhost), g); err != nil {
		return err
	}
	return launch.Rebind(firstFile, socket.Descriptor(), dest)
}
