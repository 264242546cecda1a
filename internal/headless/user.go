package headless

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// User is an account of the host.
type User struct {
	Name     string
	UID, GID int
	Groups   []int
	Home     string
}

// LookupUser reads an account of the host.
func LookupUser(name string) (User, error) {
	account, err := user.Lookup(name)
	if err != nil {
		return User{}, err
	}
	u := User{Name: account.Username, Home: account.HomeDir}
	if u.UID, err = strconv.Atoi(account.Uid); err != nil {
		return User{}, err
	}
	if u.GID, err = strconv.Atoi(account.Gid); err != nil {
		return User{}, err
	}
	groups, err := account.GroupIds()
	if err != nil {
		return User{}, err
	}
	for _, group := range groups {
		gid, err := strconv.Atoi(group)
		if err != nil {
			return User{}, err
		}
		u.Groups = append(u.Groups, gid)
	}
	return u, nil
}

// testUser is the account that tests use when root runs them.
const testUser = "chruntest"

// TestUser returns an ordinary user: the caller, or for root the account
// chruntest, which is created if missing. Its uid is not 1000, which is the uid of
// a chroot's first account, so that tests can tell the two apart.
func TestUser() (User, error) {
	if os.Getuid() != 0 {
		me, err := user.Current()
		if err != nil {
			return User{}, err
		}
		return LookupUser(me.Username)
	}
	u, err := LookupUser(testUser)
	if !errors.As(err, new(user.UnknownUserError)) {
		return u, err
	}
	uid := 1500
	for ; ; uid++ {
		if _, err := user.LookupId(strconv.Itoa(uid)); err != nil {
			break
		}
	}
	out, err := exec.Command("useradd", "--create-home", "--shell", "/bin/bash",
		"--uid", strconv.Itoa(uid), "--user-group", testUser).CombinedOutput()
	// Another test program may have created it at the same time.
	if u, lookup := LookupUser(testUser); lookup == nil {
		return u, nil
	}
	return User{}, fmt.Errorf("cannot create the account %s: %w: %s", testUser, err, out)
}

// credential returns what makes a process run as u, or nil if this process does.
func (u User) credential() *syscall.Credential {
	if os.Getuid() == u.UID {
		return nil
	}
	c := &syscall.Credential{Uid: uint32(u.UID), Gid: uint32(u.GID)}
	for _, gid := range u.Groups {
		c.Groups = append(c.Groups, uint32(gid))
	}
	return c
}

// mkdir creates a directory that u owns. An existing one is not changed.
func (u User) mkdir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		if errors.Is(err, os.ErrExist) {
			return nil
		}
		return err
	}
	return os.Chown(dir, u.UID, u.GID)
}

// marker is the name of a file that marks a runtime directory as made by this
// package.
const marker = ".chrun-headless"

// claimRuntimeDir returns a runtime directory that u owns, with mode 0700, and a
// function that releases it. For root it is /run/user/UID, a tmpfs as logind makes
// it, and the call waits until no other headless session uses it. It is a new
// directory in /tmp if u is really logged in, if the caller is not root, or if it
// should be private.
func claimRuntimeDir(u User, private bool) (dir string, release func() error, err error) {
	if os.Getuid() == 0 && !private {
		dir, release, err := mountRuntimeDir(u)
		if err != nil || dir != "" {
			return dir, release, err
		}
	}
	if dir, err = os.MkdirTemp("/tmp", "chrun-headless-"); err != nil {
		return "", nil, err
	}
	return dir, func() error { return os.RemoveAll(dir) }, os.Chown(dir, u.UID, u.GID)
}

func mountRuntimeDir(u User) (dir string, release func() error, err error) {
	lock, err := os.OpenFile(fmt.Sprintf("/run/lock/chrun-headless-%d", u.UID), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", nil, err
	}
	defer func() {
		if dir == "" {
			lock.Close()
		}
	}()
	if err := until(5*time.Minute, func() error {
		return syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}); err != nil {
		return "", nil, fmt.Errorf("the runtime directory of %s is in use by another session: %w", u.Name, err)
	}
	path := filepath.Join("/run/user", strconv.Itoa(u.UID))
	if _, err := os.Lstat(filepath.Join(path, marker)); err == nil {
		// We hold the lock, so the session that mounted it was killed.
		if err := syscall.Unmount(path, syscall.MNT_DETACH); err != nil {
			return "", nil, os.NewSyscallError("umount "+path, err)
		}
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return "", nil, err
	}
	// A directory that is not empty, or is a mount point, belongs to a real session.
	if os.Remove(path) != nil {
		return "", nil, nil
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		return "", nil, err
	}
	options := fmt.Sprintf("mode=0700,uid=%d,gid=%d,size=512m", u.UID, u.GID)
	if err := syscall.Mount("tmpfs", path, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, options); err != nil {
		return "", nil, os.NewSyscallError("mount "+path, err)
	}
	release = func() error {
		defer lock.Close()
		if err := syscall.Unmount(path, syscall.MNT_DETACH); err != nil {
			return os.NewSyscallError("umount "+path, err)
		}
		return os.Remove(path)
	}
	return path, release, os.WriteFile(filepath.Join(path, marker), nil, 0o600)
}
