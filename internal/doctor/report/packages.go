package report

// packages are what is installed in a chroot to mend a fault, by distribution.
var packages = map[string]map[string]string{
	"fonts":    {"debian": "fonts-dejavu", "fedora": "dejavu-sans-fonts", "arch": "ttf-dejavu", "gentoo": "media-fonts/dejavu", "alpine": "font-dejavu", "opensuse": "dejavu-fonts", "void": "dejavu-fonts-ttf"},
	"terminfo": {"debian": "ncurses-term", "fedora": "ncurses-term", "arch": "ncurses", "gentoo": "sys-libs/ncurses", "alpine": "ncurses-terminfo", "opensuse": "terminfo", "void": "ncurses-term"},
	"qemu":     {"debian": "qemu-user-static", "fedora": "qemu-user-static", "arch": "qemu-user-static-binfmt", "gentoo": "app-emulation/qemu", "alpine": "qemu-openrc", "opensuse": "qemu-linux-user", "void": "qemu-user-static"},
	"uidmap":   {"debian": "uidmap", "fedora": "shadow-utils", "arch": "shadow", "gentoo": "sys-apps/shadow", "alpine": "shadow-subids", "opensuse": "shadow", "void": "shadow"},
}
