package report

// packages are what is installed in a chroot to mend a fault, by distribution.
var packages = map[string]map[string]string{
	"fonts":    {"debian": "fonts-dejavu", "fedora": "dejavu-sans-fonts", "arch": "ttf-dejavu", "gentoo": "media-fonts/dejavu", "alpine": "font-dejavu", "opensuse": "dejavu-fonts", "void": "dejavu-fonts-ttf"},
	"terminfo": {"debian": "ncurses-term", "fedora": "ncurses-term", "arch": "ncurses", "gentoo": "sys-libs/ncurses", "alpine": "ncurses-terminfo", "opensuse": "terminfo", "void": "ncurses-term"},
	"mesa":     {"debian": "libgl1-mesa-dri", "fedora": "mesa-dri-drivers", "arch": "mesa", "gentoo": "media-libs/mesa", "alpine": "mesa-dri-gallium", "opensuse": "Mesa-dri", "void": "mesa-dri"},
	"mesa-32":  {"debian": "libgl1-mesa-dri:i386", "fedora": "mesa-dri-drivers.i686", "arch": "lib32-mesa", "gentoo": "media-libs/mesa", "alpine": "mesa-dri-gallium", "opensuse": "Mesa-dri-32bit", "void": "mesa-dri-32bit"},
	"qemu":     {"debian": "qemu-user-static", "fedora": "qemu-user-static", "arch": "qemu-user-static-binfmt", "gentoo": "app-emulation/qemu", "alpine": "qemu-openrc", "opensuse": "qemu-linux-user", "void": "qemu-user-static"},
	"uidmap":   {"debian": "uidmap", "fedora": "shadow-utils", "arch": "shadow", "gentoo": "sys-apps/shadow", "alpine": "shadow-subids", "opensuse": "shadow", "void": "shadow"},
}
