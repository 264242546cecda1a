package suggest

import (
	"slices"
	"strings"
)

// ownPackage returns programs whose package has their name in every distribution.
func ownPackage() []string {
	return strings.Fields(`less nano vim git curl wget htop tmux screen make gcc gdb strace file tree rsync zip unzip jq
	bash zsh fish emacs xterm foot gimp inkscape vlc mpv feh evince gedit nautilus thunar chromium audacity blender ffmpeg`)
}

// debianPackage returns programs whose package in Debian and its derivatives has
// another name.
func debianPackage() map[string]string {
	return map[string]string{
		"rg": "ripgrep", "ip": "iproute2", "ps": "procps", "top": "procps", "pgrep": "procps", "ping": "iputils-ping", "ifconfig": "net-tools", "netstat": "net-tools",
		"dig": "bind9-dnsutils", "man": "man-db", "killall": "psmisc", "pstree": "psmisc", "xclock": "x11-apps", "xeyes": "x11-apps", "xdpyinfo": "x11-utils",
		"xprop": "x11-utils", "glxinfo": "mesa-utils", "glxgears": "mesa-utils", "pactl": "pulseaudio-utils", "aplay": "alsa-utils", "vi": "vim", "ssh": "openssh-client",
		"pip": "python3-pip", "convert": "imagemagick", "xdg-open": "xdg-utils", "notify-send": "libnotify-bin", "firefox": "firefox-esr", "add-apt-repository": "software-properties-common",
	}
}

// installers are the package managers and how each installs a package.
var installers = []struct {
	program string
	words   []string
}{
	{"apt-get", []string{"apt-get", "install"}}, {"dnf", []string{"dnf", "install"}}, {"pacman", []string{"pacman", "-S"}},
	{"emerge", []string{"emerge", "--ask"}}, {"zypper", []string{"zypper", "install"}}, {"apk", []string{"apk", "add"}}, {"xbps-install", []string{"xbps-install"}},
}

// isKnownProgram reports whether a word is the name of a program, and so not
// mistyped.
func (w *word) isKnownProgram() bool {
	return w.onHost(w.text) || slices.Contains(ownPackage(), w.text) || debianPackage()[w.text] != ""
}

// installHint says how to install a program in the chroot, if its package is known.
func (w *word) installHint() string {
	inside := w.inside()
	for _, i := range installers {
		if !slices.Contains(inside, i.program) && !w.has(i.program) {
			continue
		}
		name := ""
		if slices.Contains(ownPackage(), w.text) {
			name = w.text
		} else if i.program == "apt-get" {
			name = debianPackage()[w.text]
		}
		if name == "" {
			return ""
		}
		return "to install it in the chroot: " + line(w.rootChrun[0], w.rootChrun[1:], w.rootFlags, []string{"-u", "root"}, i.words, []string{name})
	}
	return ""
}
