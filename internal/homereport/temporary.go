package homereport

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session"
)

// temporary is a home that ends with the launch. What a program has put there in
// the place of a link to one of the caller's files is the person's work: it is
// kept. Other things are forgotten, but named.
type temporary struct {
	sockets [2]int // the launch sends its home through the second
	keptDir string
}

// beginTemporary returns nil if it cannot make sockets.
func beginTemporary(keptDir string) *temporary {
	sockets, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	return &temporary{sockets, keptDir}
}

// HomeSockets is for launch.Resources.Home.
func (r *Report) HomeSockets() *[2]int {
	if r == nil || r.temporary == nil {
		return nil
	}
	return &r.temporary.sockets
}

// end keeps what was replaced in the temporary home, and says what is lost.
func (t *temporary) end(r *Report) (messages []Message) {
	defer unix.Close(t.sockets[0])
	defer unix.Close(t.sockets[1])
	home, err := t.receive()
	if err != nil {
		return nil // the launch has failed
	}
	defer unix.Close(home)
	dir := "/proc/self/fd/" + strconv.Itoa(home)
	made := map[string]session.NodeKind{}
	for _, n := range r.plan.Tmpfs {
		if path.Dir(n.Path) == r.plan.Home.Dir {
			made[path.Base(n.Path)] = n.Kind
		}
	}
	var lost []string
	for name, e := range list(dir, nil) {
		switch kind := made[name]; {
		case kind == session.Symlink && e.kind != link:
			messages = append(messages, t.keep(r, dir, name))
		case kind == "" && !strings.HasPrefix(e.stamp, string(session.HomeAlias(session.HostPath(r.home)))+"/"): // no moved link
			lost = append(lost, name)
		}
	}
	if slices.Sort(lost); len(lost) > 0 {
		messages = append(messages, Message{describe(lost, "was made in the temporary home and is not kept", "were made in the temporary home and are not kept"),
			"to keep such files: --home=private"})
	}
	return messages
}

// receive returns a descriptor of the home.
func (t *temporary) receive() (home int, err error) {
	control := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(t.sockets[0], make([]byte, 1), control, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) == 0 {
		return -1, errors.Join(err, unix.EBADMSG)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) == 0 {
		return -1, errors.Join(err, unix.EBADMSG)
	}
	return fds[0], nil
}

// keep copies a file that a program has put in the place of a link.
func (t *temporary) keep(r *Report, dir, name string) Message {
	text := fmt.Sprintf("~/%s was replaced in the temporary home: yours is unchanged, and the new one is ", name)
	kept, err := copyFile(path.Join(dir, name), path.Join(t.keptDir, name))
	if err != nil {
		return Message{text + "lost", "it could not be kept: " + err.Error()}
	}
	own := session.QuoteInHome(kept, r.home)
	return Message{text + shorten(kept, r.home), fmt.Sprintf("to replace yours by it: mv %s %s; to remove it: rm %[1]s", own, session.QuoteInHome(path.Join(r.home, name), r.home))}
}

// copyFile copies a regular file to a new one, which gets another name if to exists.
func copyFile(from, to string) (kept string, err error) {
	in, err := os.OpenFile(from, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer in.Close()
	st, err := in.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = unix.EINVAL
	}
	if err = errors.Join(err, os.MkdirAll(path.Dir(to), 0o700)); err != nil {
		return "", err
	}
	for i := 0; ; i++ {
		if kept = to; i > 0 {
			kept += "." + strconv.Itoa(i)
		}
		out, err := os.OpenFile(kept, os.O_WRONLY|os.O_CREATE|os.O_EXCL, st.Mode().Perm()|0o200)
		if errors.Is(err, fs.ErrExist) && i < 1000 {
			continue
		}
		if err != nil {
			return "", err
		}
		_, err = io.Copy(out, in)
		return kept, errors.Join(err, out.Close())
	}
}
