#!/bin/sh
# Installs what building, testing or the demo needs and this machine lacks, and
# prints what. On a distribution without apt it only prints what is missing.
#
#   scripts/install.sh build|chroot|demo|desktop|clients|kernels|bench|race …
set -eu

# What each need consists of: a program or file, and Debian's package of it.
needs() {
	case $1 in
	build) echo "git git
		/etc/ssl/certs/ca-certificates.crt ca-certificates" ;;
	chroot) echo "mmdebstrap mmdebstrap" ;;
	demo) echo "parec pulseaudio-utils
		pactl pulseaudio-utils
		xwininfo x11-utils" ;;
	desktop) echo "dbus-daemon dbus-daemon
		sway sway
		weston weston
		grim grim
		Xvfb xvfb
		xauth xauth
		import imagemagick
		pipewire pipewire
		pw-cli pipewire-bin
		pipewire-pulse pipewire-pulse
		wireplumber wireplumber" ;;
	clients) echo "wayland-info wayland-utils
		gdbus libglib2.0-bin
		dbus-send dbus-bin
		qdbus qdbus-qt5
		xclock x11-apps
		foot foot
		aplay alsa-utils
		bwrap bubblewrap
		xdpyinfo x11-utils
		newuidmap uidmap
		mkfs.vfat dosfstools
		mkfs.ext4 e2fsprogs
		pgrep procps
		setfacl acl
		fusefat fusefat
		ip iproute2
		strace strace
		ssh-agent openssh-client
		gpg-connect-agent gpgconf
		gpg-agent gpg-agent
		gsettings libglib2.0-bin
		gio libglib2.0-bin
		xdg-mime xdg-utils
		file file
		update-desktop-database desktop-file-utils
		update-mime-database shared-mime-info
		/usr/libexec/dconf-service dconf-service
		/usr/share/doc/dconf-gsettings-backend/copyright dconf-gsettings-backend
		/usr/share/glib-2.0/schemas/org.gnome.desktop.interface.gschema.xml gsettings-desktop-schemas
		/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf fonts-dejavu-core
		/usr/share/zoneinfo/Asia/Tokyo tzdata
		zenity zenity
		ibus-daemon ibus
		xdotool xdotool
		man man-db
		zsh zsh
		fish fish
		/usr/share/bash-completion/bash_completion bash-completion
		getfacl acl
		setfacl acl
		xhost x11-xserver-utils
		sudo sudo
		doas opendoas
		pulseaudio pulseaudio
		desktop-file-validate desktop-file-utils
		gtk-launch libgtk-3-bin
		dex dex
		/usr/libexec/at-spi-bus-launcher at-spi2-core
		/usr/libexec/xdg-desktop-portal xdg-desktop-portal
		/usr/libexec/xdg-desktop-portal-gtk xdg-desktop-portal-gtk
		/lib/systemd/systemd systemd" ;;
	kernels) echo "qemu-system-x86_64 qemu-system-x86
		qemu-system-aarch64 qemu-system-arm
		cpio cpio
		xz xz-utils" ;;
	bench) echo "hyperfine hyperfine
		schroot schroot
		systemd-nspawn systemd-container
		arch-chroot arch-install-scripts
		proot proot" ;;
	race) echo "gcc gcc
		/usr/include/stdlib.h libc6-dev" ;;
	*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
	esac
}

say() { echo "install: $*" >&2; }

PATH=$PATH:/usr/local/go/bin:/usr/sbin:/sbin
export DEBIAN_FRONTEND=noninteractive
sudo=
[ "$(id -u)" = 0 ] || ! command -v sudo >/dev/null || sudo=sudo

has_apt() { command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || [ -n "$sudo" ]; }; }
update() { $sudo apt-get update -qq </dev/null >/dev/null; }

# A Go of version 1.21 or newer downloads the version that go.mod requires.
go_is_new_enough() { # VERSION, such as 1.26.8 or 1.21~2
	major=${1%%.*} minor=${1#*.} minor=${minor%%[!0-9]*}
	[ "${major:-0}" -gt 1 ] || { [ "$major" = 1 ] && [ "${minor:-0}" -ge 21 ]; }
}
has_go() { command -v go >/dev/null && go_is_new_enough "$(GOTOOLCHAIN=local go env GOVERSION | sed 's/^go//')"; }
debian_go() { apt-cache policy golang-go 2>/dev/null | sed -n 's/^ *Candidate: *2:\([0-9.]*\).*/\1/p'; }

golang=
has_go || {
	version=
	! has_apt || { version=$(debian_go); [ -n "$version" ] || { update && version=$(debian_go); }; }
	[ -n "$version" ] && go_is_new_enough "$version" || {
		say "chrun needs Go 1.21 or newer: unpack the archive from https://go.dev/dl in /usr/local"
		exit 1
	}
	golang=golang-go
}

missing=$(for need; do needs "$need"; done | while read -r program package; do
	command -v "$program" >/dev/null || [ -f "$program" ] || echo "$package"
done | sort -u | tr '\n' ' ')$golang
[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null || { say "missing here, by Debian's names: $missing"; exit 1; }
has_apt || { say "run as root: apt-get install $missing"; exit 1; }
say "apt-get install $missing"
install() { # errors are on stderr; stdout would only list the unpacked files
	$sudo apt-get install -qq -y --no-install-recommends $missing </dev/null >/dev/null
}
# The package lists may be old or missing.
install 2>/dev/null || { update && install; }
has_go || { say "the first Go in PATH is older than 1.21: $(command -v go)"; exit 1; }
