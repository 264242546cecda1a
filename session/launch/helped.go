package launch

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"chrun/session"
)

// helped is a launch whose ids newuidmap(1) and newgidmap(1) map: the child
// waits for that, so we cannot wait for the child as vfork(2) does. Both run on,
// on the same memory, and the child says by the end of a pipe that it has
// executed something, or ended.
type helped struct{ ready, done [2]int }

func newHelped(svc *Services) (*helped, error) {
	h := &helped{}
	if err := errors.Join(unix.Pipe2(h.ready[:], unix.O_CLOEXEC), unix.Pipe2(h.done[:], unix.O_CLOEXEC)); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	svc.ready = h.ready
	return h, nil
}

func (h *helped) close() {
	for _, fd := range []int{h.ready[0], h.ready[1], h.done[0], h.done[1]} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

func (h *helped) start(p *program, flags uint64, id *session.Identity) (pid int, err error) {
	if pid, err = p.begin(flags); err != nil {
		return 0, err
	}
	unix.Close(h.done[1])
	h.done[1] = -1
	if err = mapIDs(pid, id); err == nil {
		_, err = unix.Write(h.ready[1], []byte{1})
	} else {
		unix.Kill(pid, unix.SIGKILL)
	}
	for one := make([]byte, 1); ; {
		if _, wait := unix.Read(h.done[0], one); wait != unix.EINTR {
			break
		}
	}
	if err != nil {
		unix.Wait4(pid, nil, 0, nil)
	}
	return pid, err
}

// mapIDs runs both helpers at once.
func mapIDs(pid int, id *session.Identity) error {
	var errs [2]error
	var group sync.WaitGroup
	for i, helper := range []struct {
		program string
		args    []string
	}{{"newuidmap", id.UIDs.Args()}, {"newgidmap", id.GIDs.Args()}} {
		group.Go(func() {
			errs[i] = runHelper(helper.program, append([]string{helper.program, strconv.Itoa(pid)}, helper.args...))
		})
	}
	group.Wait()
	return errors.Join(errs[:]...)
}

// runHelper runs a program of the system and returns what it said.
func runHelper(name string, args []string) error {
	program := ""
	for _, dir := range []string{"/usr/bin/", "/bin/", "/usr/local/bin/", "/run/wrappers/bin/"} {
		if unix.Access(dir+name, unix.X_OK) == nil {
			program = dir + name
			break
		}
	}
	if program == "" {
		return &helperError{name, os.ErrNotExist}
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
		return &helperError{name, err}
	}
	said := make([]byte, 1024)
	n, _ := r.Read(said)
	st, err := p.Wait()
	if err == nil && !st.Success() {
		text := strings.TrimSpace(string(said[:max(n, 0)]))
		if text == "" {
			text = st.String()
		}
		err = errors.New(strings.TrimPrefix(text, name+": "))
	}
	if err != nil {
		return &helperError{name, err}
	}
	return nil
}
