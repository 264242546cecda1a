#!/bin/sh
# Boots Debian kernels under qemu, in software (no KVM), and runs chrun and tests of
# mounts and of assembly there, as a plain user and as root. guest/ is the program
# that runs in the guest; its PASS and FAIL lines arrive over the serial line.
#
#   scripts/kernels/run.sh [SUITE/ARCH ...]   default: all kernels listed below
#   scripts/kernels/run.sh fetch SUITE/ARCH   download that kernel, print its directory
#   scripts/kernels/run.sh clean              remove everything that this script has downloaded
#
# CHRUN_CACHE    directory for downloads, as for scripts/chroot.sh
# CHRUN_MIRROR   a Debian mirror; default: mmdebstrap's choice
# CHRUN_TIMEOUT  seconds for one kernel; default 1800
set -eu

kernels="
	bookworm/amd64
	trixie/amd64
	trixie/arm64
	bullseye/amd64
"
# These are Linux 6.1, 6.12, 6.12 on arm64 for the assembly below session, and 5.10,
# which is too old for chrun, so that the error message is tested.

top=$(cd "$(dirname "$0")/../.." && pwd)
self=$top/scripts/kernels/run.sh
cache=${CHRUN_CACHE:-/var/cache/chrun}/kernels
PATH=$PATH:/usr/local/go/bin

say() { echo "kernels: $*" >&2; }

as_root() {
	command -v sudo >/dev/null || { say "only root can change $cache, and there is no sudo"; exit 1; }
	sudo CHRUN_CACHE="${CHRUN_CACHE-}" CHRUN_MIRROR="${CHRUN_MIRROR-}" "$self" "$@"
}

# Downloads a kernel, its overlay module and two static shells.
fetch() {
	suite=${1%/*} arch=${1#*/}
	dir=$cache/$suite-$arch
	[ -d "$dir" ] && { echo "$dir"; return; }
	[ "$(id -u)" = 0 ] || { as_root fetch "$1"; return; }
	umask 022
	mkdir -p "$cache"
	exec 9<"$cache"
	flock 9
	[ -d "$dir" ] && { echo "$dir"; return; }
	say "downloading the kernel of $1: about 150 MB, of which 15 MB are kept"
	making=$cache/making
	rm -rf "$making"
	mkdir "$making"
	apt-config dump 2>/dev/null | grep -E '^Acquire::(https?::[Pp]roxy|Check-)' >"$making/apt" || true
	mmdebstrap --quiet --variant=extract --format=tar --architectures="$arch" \
		--include="linux-image-$arch,busybox-static,bash-static" \
		--aptopt="$making/apt" --aptopt='APT::Install-Recommends "false"' \
		"$suite" - ${CHRUN_MIRROR:+"$CHRUN_MIRROR"} </dev/null |
		tar -xC "$making" --transform 's|.*/||' --wildcards \
			'./boot/vmlinuz-*' '*/overlay.ko*' '*/bin/busybox' '*/bin/bash-static'
	mv "$making"/vmlinuz-* "$making/vmlinuz"
	[ ! -f "$making/overlay.ko.xz" ] || xz -d "$making/overlay.ko.xz"
	rm "$making/apt"
	mv "$making" "$dir"
	echo "$dir"
}

# Makes the initramfs: the guest's program, and a directory that becomes the
# guest's root.
initramfs() { # DIR ARCH
	host=$work/initramfs/host
	rm -rf "$work/initramfs"
	mkdir "$work/initramfs" "$host" "$host/test" "$host/srv"
	for root in "$host" "$host/srv/tree"; do
		mkdir -p "$root/usr/bin"
		ln -s usr/bin "$root/bin"
		cp "$1/busybox" "$root/bin/"
	done
	cp "$1/bash-static" "$host/bin/bash"
	cp "$1/overlay.ko" "$host/"
	export CGO_ENABLED=0 GOARCH="$2"
	go build -trimpath -ldflags '-s -w' -o "$work/initramfs/init" ./scripts/kernels/guest
	go build -trimpath -ldflags '-s -w -E chrun/session/start.entry' -o "$host/bin/chrun" ./cmd/chrun
	go build -trimpath -ldflags '-s -w' -o "$host/test/probe" ./session/launch/testdata/probe
	for package in session/launch session/account cmd/chrun; do
		go test -c -trimpath -ldflags '-s -w' -o "$host/test/${package##*/}.test" "./$package"
	done
	(cd "$work/initramfs" && find . | cpio -o -H newc -R 0:0 --quiet | gzip -1) >"$work/initramfs.gz"
}

boot() { # DIR ARCH
	case $2 in
	amd64) set -- "$1" qemu-system-x86_64 ttyS0 -cpu max ;;
	arm64) set -- "$1" qemu-system-aarch64 ttyAMA0 -machine virt -cpu cortex-a57 ;;
	esac
	dir=$1 qemu=$2 console=$3
	shift 3
	timeout "${CHRUN_TIMEOUT:-1800}" nice "$qemu" "$@" -accel tcg -smp 2 -m 1024 -nic none \
		-display none -monitor none -serial stdio -no-reboot \
		-kernel "$dir/vmlinuz" -initrd "$work/initramfs.gz" -append "console=$console panic=-1 quiet" </dev/null 2>&1 |
		sed -u 's/\r*$//' | tee "$work/log" | grep --line-buffered -E '^(PASS|FAIL|NOTE|  )' || true
	grep -qx 'guest: all passed' "$work/log" && return
	grep -q '^guest: ' "$work/log" || { say "the guest did not finish:"; tail -n 40 "$work/log" >&2; }
	return 1
}

case ${1-} in
fetch) [ $# = 2 ] && fetch "$2"; exit ;;
clean) [ "$(id -u)" = 0 ] || { as_root clean; exit; }; rm -rf "$cache"; exit ;;
-*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

for program in go mmdebstrap cpio xz qemu-system-x86_64 qemu-system-aarch64; do
	command -v $program >/dev/null || { say "$program is missing: run scripts/install.sh kernels"; exit 1; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$top"
failed=
for kernel in ${*:-$kernels}; do
	dir=$(fetch "$kernel")
	initramfs "$dir" "${kernel#*/}"
	echo "== $kernel"
	boot "$dir" "${kernel#*/}" || failed="$failed $kernel"
done
[ -z "$failed" ] || { say "failed:$failed"; exit 1; }
