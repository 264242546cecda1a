package launch

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"chrun/session"
	"chrun/session/account"
)

// idMapper starts a child whose ids newuidmap(1) and newgidmap(1) map while it
// waits. So this thread cannot wait for the child as with vfork(2), and both run
// on the same memory.
type idMapper struct {
	mapped [2]int // a pipe that tells the child that its ids are mapped
	// executed is a pipe. Its writing end closes when the child has executed a
	// file or ended.
	executed [2]int
}

func newIDMapper() (*idMapper, error) {
	m := &idMapper{}
	if err := errors.Join(unix.Pipe2(m.mapped[:], unix.O_CLOEXEC), unix.Pipe2(m.executed[:], unix.O_CLOEXEC)); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	return m, nil
}

func (m *idMapper) close() {
	for _, fd := range []int{m.mapped[0], m.mapped[1], m.executed[0], m.executed[1]} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// start starts the program in a child, like startAndWait.
func (m *idMapper) start(p *program, flags uint64, id *session.Identity) (pid int, err error) {
	if pid, err = p.start(flags); err != nil {
		return 0, err
	}
	unix.Close(m.executed[1])
	m.executed[1] = -1
	if err = MapIDs(pid, id.UIDs, id.GIDs); err == nil {
		_, err = unix.Write(m.mapped[1], []byte{1})
	} else {
		unix.Kill(pid, unix.SIGKILL)
	}
	for one := make([]byte, 1); ; {
		if _, wait := unix.Read(m.executed[0], one); wait != unix.EINTR {
			break
		}
	}
	if err != nil {
		unix.Wait4(pid, nil, 0, nil)
	}
	return pid, err
}

// MapIDs writes the maps of the user namespace of a process with newuidmap(1) and
// newgidmap(1). Errors have a method Hint.
func MapIDs(pid int, uids, gids account.IDMap) error {
	var errs [2]error
	var group sync.WaitGroup
	for i, mapper := range []struct {
		program string
		args    []string
	}{{"newuidmap", uids.Args()}, {"newgidmap", gids.Args()}} {
		group.Go(func() {
			errs[i] = runMapper(mapper.program, append([]string{mapper.program, strconv.Itoa(pid)}, mapper.args...))
		})
	}
	group.Wait()
	return errors.Join(errs[:]...)
}

// FindMapper returns the path of newuidmap or newgidmap, "" if there is none.
func FindMapper(name string) string {
	for _, dir := range []string{"/usr/bin/", "/bin/", "/usr/local/bin/", "/run/wrappers/bin/"} {
		if unix.Access(dir+name, unix.X_OK) == nil {
			return dir + name
		}
	}
	return ""
}

// runMapper runs newuidmap or newgidmap. An error has what the program printed.
func runMapper(name string, args []string) error {
	program := FindMapper(name)
	if program == "" {
		return &mapperError{name, os.ErrNotExist}
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	p, err := os.StartProcess(program, args, &os.ProcAttr{Env: []string{"PATH=/usr/bin:/bin"}, Dir: "/", Files: []*os.File{null, w, w}})
	w.Close()
	if err != nil {
		return &mapperError{name, err}
	}
	output := make([]byte, 1024)
	n, _ := r.Read(output)
	st, err := p.Wait()
	if err == nil && !st.Success() {
		text := strings.TrimSpace(string(output[:max(n, 0)]))
		if text == "" {
			text = st.String()
		}
		err = errors.New(strings.TrimPrefix(text, name+": "))
	}
	if err != nil {
		return &mapperError{name, err}
	}
	return nil
}

// mapperError reports that newuidmap(1) or newgidmap(1) failed.
type mapperError struct {
	program string
	err     error
}

func (e *mapperError) Error() string {
	return fmt.Sprintf("cannot map your ids: %s: %v", e.program, e.err)
}
func (e *mapperError) Unwrap() error { return e.err }

// Hint names the command that installs the program or adds subordinate ids.
func (e *mapperError) Hint() string {
	if os.IsNotExist(e.err) {
		return "sudo apt-get install uidmap (on Debian; elsewhere it is in the package shadow)"
	}
	return "give yourself subordinate ids: " + account.SubIDCommand(`"$USER"`, 0, "/")
}
