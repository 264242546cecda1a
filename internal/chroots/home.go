package chroots

import (
	"path"

	"chrun/internal/cli"
	"chrun/session"
	"chrun/session/account"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// useHome lets root read the home that launches use, where programs have put entries
// for the menu: web apps, and what Wine installs. It leaves out the host's home,
// whose entries are in the menu, and temporary ones.
func useHome(c *session.Caller, ch *config.Chroot, root *rootfs.Root) {
	at := rootfs.Path(path.Clean(c.Account.Home))
	mode := session.HomeMode(ch.Home)
	switch {
	case c.UID == 0, !path.IsAbs(string(at)), at == "/", mode == session.HomeHost, mode == session.HomeTemporary:
	case mode == "", mode == session.HomeAuto, mode == session.HomePrivate:
		home := FindPrivateHome(c, ch)
		if home != "" && root.UseHome(at, home) == nil || mode == session.HomePrivate {
			return
		}
		passwd, _ := root.Read("/etc/passwd")
		a, known, err := account.Choose(passwd, ch.User, c.Account, func(string) bool { return true })
		if own := path.Clean(a.Home); err == nil && known && path.IsAbs(own) && own != "/" {
			root.UseOwnHome(at, rootfs.Path(own)) // it may have none
		}
	default:
		if dir := cli.HostPath(c, ch.Home); !rootfs.IsSameFile(dir, rootfs.HostPath(c.Account.Home)) {
			root.UseHome(at, dir) // it may no longer exist
		}
	}
}
