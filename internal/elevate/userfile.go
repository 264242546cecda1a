package elevate

import (
	"fmt"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"chrun/internal/cli"
	"chrun/internal/request"
	"chrun/session"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// userChoice returns the chroot that the user's own launch would choose, or nil.
// The user's files are read with the user's rights.
func (d *Decision) userChoice(c Call) (choice *request.Choice) {
	u := d.user
	runAs(u, d.groups, func() {
		user := &session.Caller{UID: u.UID, Account: u, Cwd: cli.WorkingDir(), Env: session.Environ{}}
		if conf, err := config.Load(cli.ConfigSource(user, c.System, nil)); err == nil {
			choice, _ = request.Choose(c.Flags, conf, c.Env)
		}
	})
	return choice
}

// explainChoice says why root does not mount a chroot that only the user's own
// files name.
func (d *Decision) explainChoice(c Call, err error) error {
	ch, u := d.userChoice(c), d.user
	if ch == nil || ch.Name == "" {
		return err
	}
	return cli.WithHint(fmt.Errorf("cannot mount %q as root: only a file of %s's names it", ch.Name, u.Name),
		fmt.Sprintf("sudo chrunctl add %s %s, or name the directory: -c %[2]s", ch.Name, session.Quote(string(ch.Path))))
}

// configuredIdmap returns the chroot for which the user's own file asks for idmap,
// or nil. It may name only a tree in which nothing belongs to anybody else: see
// refuseUserTree. The command line can name any.
func (d *Decision) configuredIdmap(c Call) (*request.Choice, error) {
	ch, u := d.userChoice(c), d.user
	if ch == nil || session.Kind(ch.Identity) != session.Idmap {
		return nil, nil
	}
	if why := refuseUserTree(string(ch.Path)); why != "" {
		words := slices.Concat([]string{"sudo", "chrun", "-c", string(ch.Path), "--identity=idmap"}, c.Flags.Words("chroot"))
		if ch.User != "" && c.Flags.User == "" {
			words = append(words, "-u", ch.User)
		}
		err := &session.IdentityError{Kind: session.Idmap, Why: fmt.Sprintf("a file of %s's asks for it, and %s", u.Name, why)}
		return nil, cli.WithHint(err, "to say it yourself: "+session.Quote(append(words, c.Flags.Command...)...))
	}
	return ch, nil
}

// refuseUserTree says why root does not mount a tree that a user's file names, ""
// if it does: everybody can reach it, only root can replace it, and it is not the
// host's own.
func refuseUserTree(tree string) string {
	if real, err := rootfs.ResolveHost(rootfs.HostPath(tree)); err != nil || string(real) != tree || tree == "/" {
		return tree + " is not a directory of its own"
	}
	for dir := tree; ; dir = path.Dir(dir) {
		var st unix.Stat_t
		switch err := unix.Lstat(dir, &st); {
		case err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR:
			return dir + " is not a directory"
		case st.Uid != 0 || st.Mode&0o022 != 0:
			return "users other than root can replace " + dir
		case st.Mode&0o001 == 0:
			return "not everybody may enter " + dir
		}
		if dir == "/" {
			return ""
		}
	}
}
