package suggest

import (
	"slices"
	"strings"

	"chrun/desktop"
	"chrun/internal/cli"
)

// otherFlags returns flags that people know from other programs (docker, podman,
// schroot, bwrap, systemd-nspawn, distrobox), and what to type for them.
func otherFlags() map[string]string {
	return map[string]string{
		"e": "--env NAME=VALUE", "setenv": "--env NAME=VALUE", "environment": "--env NAME=VALUE", "unsetenv": "--unset-env NAME",
		"w": "-C DIR", "workdir": "-C DIR", "chdir": "-C DIR", "directory": "-C DIR, or for the chroot -c DIR", "d": "-C DIR, or for the chroot -c DIR",
		"D": "-c DIR", "root": "-u root, or for the chroot -c DIR", "image": "-c NAME", "name": "-c NAME", "machine": "-c NAME",
		"volume": "--bind SRC:DST", "mount": "--bind SRC:DST", "ro-bind": "--bind SRC:DST:ro", "bind-ro": "--bind SRC:DST:ro", "dev-bind": "--bind SRC:DST",
		"rm": "leave it out: nothing is left behind", "privileged": "-u root", "username": "-u NAME", "userns": "--identity KIND",
		"net": "leave it out: the network is shared; to turn it off: --deny network", "gpus": "leave it out: the GPU is shared",
		"share-net": "leave it out: the network is shared", "unshare-net": "--deny network", "die-with-parent": "leave it out: programs end with chrun",
		"preserve-environment": "leave it out: variables are passed", "p": "leave it out: variables are passed", "no-home": "--home=temporary",
		"tmpfs": "--home=temporary gives an empty home", "quietly": "-q", "debug": "-v",
	}
}

// flagHints says what an unknown flag may have meant.
func flagHints(e *cli.UnknownFlagError) []string {
	if text := otherFlags()[e.Name]; text != "" {
		return []string{text}
	}
	if feature, off := strings.CutPrefix(e.Name, "no-"); off {
		return []string{"to turn a feature off: --deny " + feature}
	}
	var names []string
	for _, f := range cli.ChrunFlags {
		names = append(names, f.Name)
	}
	near := nearest(e.Name, names, true)
	for i := range near {
		near[i] = "--" + near[i]
	}
	if len(near) == 0 {
		return nil
	}
	return []string{"did you mean " + strings.Join(near, " or ") + "?"}
}

// FeatureHint says which feature, group or name in others a mistyped name may mean, ""
// if it is like none.
func FeatureHint(name string, others ...string) string {
	near := nearest(name, slices.Concat(desktop.Names(), desktop.Groups(), others), true)
	if len(near) == 0 {
		return ""
	}
	return "did you mean " + strings.Join(near, " or ") + "?"
}
