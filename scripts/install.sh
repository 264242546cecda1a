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
	bench) echo "hyperfine hyperfine" ;;
	race) echo "gcc gcc
		/usr/include/stdlib.h libc6-dev" ;;
	*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
	esac
}

say() { echo "install: $*" >&2; }

PATH=$PATH:/usr/local/go/bin:/usr/sbin:/sbin

# Go 1.21 fetches the version that go.mod asks for.
go_is_new_enough() { # VERSION, as 1.26.8 or 1.21~2
	major=${1%%.*} minor=${1#*.} minor=${minor%%[!0-9]*}
	[ "$major" -gt 1 ] || { [ "$major" = 1 ] && [ "${minor:-0}" -ge 21 ]; }
}
go_is_ready() { command -v go >/dev/null && go_is_new_enough "$(GOTOOLCHAIN=local go env GOVERSION | sed 's/^go//')"; }
golang=
go_is_ready || {
	candidate=$(apt-cache policy golang-go 2>/dev/null | sed -n 's/^ *Candidate: *2:\([0-9.]*\).*/\1/p')
	if [ -n "$candidate" ] && go_is_new_enough "$candidate" && ! command -v go >/dev/null; then
		golang=golang-go
	else
		say "Go 1.21 or newer is missing: unpack the archive from https://go.dev/dl in /usr/local"
		exit 1
	fi
}

missing=$golang\ $(for need; do needs "$need"; done | while read -r program package; do
	command -v "$program" >/dev/null || [ -f "$program" ] || echo "$package"
done | sort -u | tr '\n' ' ')
[ -n "${missing# }" ] || exit 0

command -v apt-get >/dev/null || {
	say "missing here, by Debian's names: $missing"
	exit 1
}
sudo=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || { say "as root: apt-get install $missing"; exit 1; }
	sudo=sudo
fi
say "apt-get install $missing"
export DEBIAN_FRONTEND=noninteractive
install() { # errors are on stderr; the unpacking is not worth a line
	$sudo apt-get install -qq -y --no-install-recommends $missing </dev/null >/dev/null
}
# The package lists may be fresh, old or missing.
install 2>/dev/null || { $sudo apt-get update -qq </dev/null >/dev/null && install; }
