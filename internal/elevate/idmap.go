package elevate

import (
	"fmt"
	"path"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"chrun/internal/cli"
	"chrun/internal/request"
	"chrun/session"
	"chrun/session/account"
	"chrun/session/launch"
)

// idmapTree makes a detached mount of the tree in which the account's number and
// that of the desktop user are exchanged. The caller closes the descriptor. trusted
// is false if the choice is the user's: then the tree is opened with that user's
// rights, and only the command line can name another user's number.
func (d *Decision) idmapTree(c Call, choice *request.Choice, trusted bool) (fd int, err error) {
	u := d.user
	root, err := d.openTree(choice.Path, trusted)
	if err != nil {
		return -1, &cli.ChrootError{Verb: "enter", Dir: choice.Path, Err: err}
	}
	defer root.Close()
	user := c.Flags.User
	if user == "" {
		user = choice.User
	}
	passwd, err := account.Open(root, "/etc/passwd")
	if err != nil {
		return -1, &cli.ChrootError{Verb: "enter", Dir: choice.Path, Err: err}
	}
	defer passwd.Close()
	a, known, err := account.Choose(passwd.Accounts(user, u), user, u, func(string) bool { return true })
	if err != nil {
		return -1, err
	}
	refuse := func(why string) error {
		words := slices.Concat([]string{"chrun", "-c", string(choice.Path), "--identity=remap", "-u", a.Name},
			c.Flags.Words("chroot", "user", "identity"), c.Flags.Command)
		return cli.WithHint(&session.IdentityError{Kind: session.Idmap, Why: why},
			"to keep your uid, which the program sees as the account's: "+session.Quote(words...))
	}
	if !trusted {
		user = c.Flags.User
	}
	if why := refuseIdmap(a, known, u, user); why != "" {
		return -1, refuse(why)
	}
	if who, taken := request.HolderOfUID(a.UID, u); taken && !c.Flags.Quiet {
		c.Warn(fmt.Sprintf("uid %d belongs to %s on the host: setuid files that a program makes in the tree run as them", a.UID, who))
	}
	if !c.Flags.Quiet && isReachable(string(root.Dir())) {
		c.Warn(fmt.Sprintf("others can reach %s: setuid files that a program makes there run as uid %d for them", root.Dir(), a.UID))
		c.Warn("hint: keep it in a directory of root's with mode 0700")
	}
	gids := account.MapSwap(0, 0)
	if gid := session.SafeGID(a, func(gid int) bool { return request.HostHasGroup(gid, u) }); gid >= 0 {
		gids = account.MapSwap(gid, u.GID)
	}
	fd, err = launch.CloneIdmapped(root, account.MapSwap(a.UID, u.UID), gids)
	if err != nil {
		return -1, refuse(fmt.Sprintf("the kernel or the file system refuses it: %v", err))
	}
	return fd, nil
}

// refuseIdmap says why the numbers of account a and of u cannot be exchanged, ""
// if they can. user is what names the account.
func refuseIdmap(a account.Account, known bool, u account.Account, user string) string {
	_, notNumeric := strconv.Atoi(user)
	name, taken := request.HolderOfUID(a.UID, u)
	switch {
	case a.UID == 0:
		return "root's files stay root's"
	case !known || a.UID == u.UID:
		return "the account has your uid already; -u names another account of the chroot"
	case taken && notNumeric != nil:
		return fmt.Sprintf("uid %d belongs to %s on the host, so you could create setuid programs that run as them; if you mean that: -u %[1]d", a.UID, name)
	}
	return ""
}

// isReachable reports whether everybody can reach a directory in which setuid
// files take effect.
func isReachable(dir string) bool {
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) == nil && fs.Flags&unix.ST_NOSUID != 0 {
		return false
	}
	for ; ; dir = path.Dir(dir) {
		var st unix.Stat_t
		if unix.Stat(dir, &st) != nil || st.Mode&0o001 == 0 {
			return false
		}
		if dir == "/" {
			return true
		}
	}
}
