#!/bin/sh
# Makes the Debian chroot that the tests and the demo use, once, and prints its
# directory. It is kept outside the checkout. Its name contains a hash of the list
# of packages, so that a changed list makes a new chroot.
#
#   scripts/chroot.sh         make it if it is missing, print its directory
#   scripts/chroot.sh i386    the same for a small chroot of a 32-bit system
#   scripts/chroot.sh path    only print its directory
#   scripts/chroot.sh clean   remove everything that this script has made
#
# CHRUN_CACHE   directory for the chroots. Plain users must be able to enter it,
#               so it cannot be in root's home. Default: /var/cache/chrun
# CHRUN_MIRROR  a Debian mirror; default: mmdebstrap's choice
set -eu

suite=bookworm
packages="
	ca-certificates locales procps iproute2 strace bubblewrap fonts-dejavu-core
	firefox-esr chromium foot zenity
	wayland-utils x11-utils x11-apps
	pipewire-bin pipewire-alsa pipewire-jack
	alsa-utils libasound2-plugins pulseaudio-utils
	dbus-bin libglib2.0-bin at-spi2-core libnotify-bin
	fontconfig dconf-gsettings-backend gsettings-desktop-schemas adwaita-icon-theme
	openssh-client gpgconf gpg-agent cups-client
	firefox-esr-l10n-ja feh zsh fish sudo qdbus-qt5 openrc uidmap
"

name=$suite cost="about 450 MB to download, 1.6 GB on disk"
[ "${1-}" != i386 ] || {
	name=$suite-i386 cost="about 15 MB to download, 25 MB on disk"
	packages="dash coreutils mount"
}

cache=${CHRUN_CACHE:-/var/cache/chrun}
packages=$(echo $packages | tr ' ' ,)
hash=$(echo "$suite $packages" | sha256sum | cut -c1-12)
root=$cache/$name-$hash
making=$cache/making-$name-$hash

say() { echo "chroot: $*" >&2; }

case ${1-make} in
path) echo "$root"; exit ;;
make | i386) [ -d "$root" ] && { echo "$root"; exit; } ;;
clean) ;;
*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || { say "only root can make or remove $cache, and there is no sudo"; exit 1; }
	exec sudo CHRUN_CACHE="$cache" CHRUN_MIRROR="${CHRUN_MIRROR-}" "$0" "$@"
fi

# Without --one-file-system, rm would delete files of a file system that is
# mounted there.
remove() { for dir; do [ ! -d "$dir" ] || rm -rf --one-file-system "$dir"; done; }

# mmdebstrap inherits the lock: if this script is killed, the next run waits until
# mmdebstrap has ended too, and then removes what it left.
umask 022
mkdir -p "$cache"
exec 9<"$cache"
flock -n 9 || { say "waiting for another run"; flock 9; }

if [ "${1-make}" = clean ]; then
	remove "$cache/making-"* "$cache/$suite-"???????????? "$cache/$suite-i386-"????????????
	rmdir --ignore-fail-on-non-empty "$cache"
	exit
fi
[ -d "$root" ] && { echo "$root"; exit; }
command -v mmdebstrap >/dev/null || { say "mmdebstrap is missing: run scripts/install.sh"; exit 1; }

say "making $root: $cost"
say "packages: $(echo "$packages" | sed 's/,/, /g')"
remove "$making"

# mmdebstrap's apt needs the same settings as the host's to reach a mirror.
apt=$(mktemp)
trap 'rm -f "$apt"' EXIT
apt-config dump 2>/dev/null | grep -E '^Acquire::(https?::[Pp]roxy|Check-)' >"$apt" || true

make() { # MMDEBSTRAP'S OPTIONS … SUITE DIR [MIRROR]
	mmdebstrap --quiet --include="$packages" \
		--aptopt="$apt" --aptopt='APT::Install-Recommends "false"' "$@" </dev/null >&2
}
if [ "${1-}" = i386 ]; then
	# Only unpacked, because the host may be unable to run 32-bit programs. One
	# mirror is enough: a test tree needs no security updates.
	make --variant=extract --architectures=i386 --dpkgopt='path-exclude=/usr/share/*' \
		"$suite" "$making" "${CHRUN_MIRROR:-http://deb.debian.org/debian}"
else
	make --variant=minbase --dpkgopt=force-unsafe-io \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--customize-hook='chroot "$1" localedef -i ja_JP -f UTF-8 ja_JP.UTF-8' \
		"$suite" "$making" ${CHRUN_MIRROR:+"$CHRUN_MIRROR"}
fi
chmod 755 "$making"
mv "$making" "$root"
say "made $root"
echo "$root"
