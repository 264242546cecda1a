package report

// packages are what is installed in a chroot to mend a fault, by distribution.
var packages = map[string]map[string]string{
	"fonts":       {"debian": "fonts-dejavu", "fedora": "dejavu-sans-fonts", "arch": "ttf-dejavu", "gentoo": "media-fonts/dejavu", "alpine": "font-dejavu", "opensuse": "dejavu-fonts", "void": "dejavu-fonts-ttf"},
	"alsa-plugin": {"debian": "libasound2-plugins", "fedora": "alsa-plugins-pulseaudio", "arch": "pipewire-alsa", "gentoo": "media-plugins/alsa-plugins", "alpine": "alsa-plugins-pulse", "opensuse": "alsa-plugins-pulse", "void": "alsa-plugins-pulseaudio"},
	"mesa":        {"debian": "libgl1-mesa-dri", "fedora": "mesa-dri-drivers", "arch": "mesa", "gentoo": "media-libs/mesa", "alpine": "mesa-dri-gallium", "opensuse": "Mesa-dri", "void": "mesa-dri"},
	"mesa-32":     {"debian": "libgl1-mesa-dri:i386", "fedora": "mesa-dri-drivers.i686", "arch": "lib32-mesa", "gentoo": "media-libs/mesa", "alpine": "mesa-dri-gallium", "opensuse": "Mesa-dri-32bit", "void": "mesa-dri-32bit"},
	"qemu":        {"debian": "qemu-user-static", "fedora": "qemu-user-static", "arch": "qemu-user-static-binfmt", "gentoo": "app-emulation/qemu", "alpine": "qemu-openrc", "opensuse": "qemu-linux-user", "void": "qemu-user-static"},
	"uidmap":      {"debian": "uidmap", "fedora": "shadow-utils", "arch": "shadow", "gentoo": "sys-apps/shadow", "alpine": "shadow-subids", "opensuse": "shadow", "void": "shadow"},
	"fontconfig":  {"debian": "fontconfig-config", "fedora": "fontconfig", "arch": "fontconfig", "gentoo": "media-libs/fontconfig", "alpine": "fontconfig", "opensuse": "fontconfig", "void": "fontconfig"},
	"locales":     {"debian": "locales-all", "fedora": "glibc-all-langpacks", "arch": "glibc-locales", "gentoo": "sys-libs/glibc", "alpine": "musl-locales", "opensuse": "glibc-locale", "void": "glibc-locales"},
	"tzdata":      {"debian": "tzdata", "fedora": "tzdata", "arch": "tzdata", "gentoo": "sys-libs/timezone-data", "alpine": "tzdata", "opensuse": "timezone", "void": "tzdata"},
	"pcsclite":    {"debian": "libpcsclite1", "fedora": "pcsc-lite-libs", "arch": "pcsclite", "gentoo": "sys-apps/pcsc-lite", "alpine": "pcsc-lite-libs", "opensuse": "libpcsclite1", "void": "pcsclite"},
	"pcscd":       {"debian": "pcscd", "fedora": "pcsc-lite", "arch": "pcsclite", "gentoo": "sys-apps/pcsc-lite", "alpine": "pcsc-lite", "opensuse": "pcsc-lite", "void": "pcsclite"},
	"portal":      {"debian": "xdg-desktop-portal-gtk", "fedora": "xdg-desktop-portal-gtk", "arch": "xdg-desktop-portal-gtk", "gentoo": "sys-apps/xdg-desktop-portal-gtk", "alpine": "xdg-desktop-portal-gtk", "opensuse": "xdg-desktop-portal-gtk", "void": "xdg-desktop-portal-gtk"},

	// The modules of input methods, by toolkit.
	"ibus-gtk2":  {"debian": "ibus-gtk", "fedora": "ibus-gtk2", "arch": "ibus", "gentoo": "app-i18n/ibus", "alpine": "ibus", "opensuse": "ibus-gtk", "void": "ibus"},
	"ibus-gtk3":  {"debian": "ibus-gtk3", "fedora": "ibus-gtk3", "arch": "ibus", "gentoo": "app-i18n/ibus", "alpine": "ibus", "opensuse": "ibus-gtk3", "void": "ibus"},
	"ibus-gtk4":  {"debian": "ibus-gtk4", "fedora": "ibus-gtk4", "arch": "ibus", "gentoo": "app-i18n/ibus", "alpine": "ibus", "opensuse": "ibus-gtk4", "void": "ibus"},
	"ibus-qt5":   {"debian": "libqt5gui5", "fedora": "qt5-qtbase-gui", "arch": "qt5-base", "gentoo": "dev-qt/qtgui", "alpine": "qt5-qtbase-x11", "opensuse": "libQt5Gui5", "void": "qt5"},
	"ibus-qt6":   {"debian": "libqt6gui6", "fedora": "qt6-qtbase-gui", "arch": "qt6-base", "gentoo": "dev-qt/qtbase", "alpine": "qt6-qtbase", "opensuse": "libQt6Gui6", "void": "qt6-base"},
	"fcitx-gtk2": {"debian": "fcitx5-frontend-gtk2", "fedora": "fcitx5-gtk2", "arch": "fcitx5-gtk", "gentoo": "app-i18n/fcitx-gtk", "alpine": "fcitx5-gtk", "opensuse": "fcitx5-gtk2", "void": "fcitx5-gtk+2"},
	"fcitx-gtk3": {"debian": "fcitx5-frontend-gtk3", "fedora": "fcitx5-gtk3", "arch": "fcitx5-gtk", "gentoo": "app-i18n/fcitx-gtk", "alpine": "fcitx5-gtk3", "opensuse": "fcitx5-gtk3", "void": "fcitx5-gtk+3"},
	"fcitx-gtk4": {"debian": "fcitx5-frontend-gtk4", "fedora": "fcitx5-gtk4", "arch": "fcitx5-gtk", "gentoo": "app-i18n/fcitx-gtk", "alpine": "fcitx5-gtk4", "opensuse": "fcitx5-gtk4", "void": "fcitx5-gtk4"},
	"fcitx-qt5":  {"debian": "fcitx5-frontend-qt5", "fedora": "fcitx5-qt5", "arch": "fcitx5-qt", "gentoo": "app-i18n/fcitx-qt", "alpine": "fcitx5-qt", "opensuse": "fcitx5-qt5", "void": "fcitx5-qt5"},
	"fcitx-qt6":  {"debian": "fcitx5-frontend-qt6", "fedora": "fcitx5-qt6", "arch": "fcitx5-qt", "gentoo": "app-i18n/fcitx-qt", "alpine": "fcitx5-qt", "opensuse": "fcitx5-qt6", "void": "fcitx5-qt6"},
}
