package cli

import (
	"fmt"
	"strings"

	"chrun/session"
)

// A Choice is one of the values that a flag or key accepts.
type Choice struct{ Name, Usage string }

// IdentityKinds are the values of --identity; a test compares them with
// session.Kinds.
var IdentityKinds = []Choice{
	{"auto", "the simplest that works"},
	{string(session.Match), "your uid, seen as it is"},
	{string(session.Remap), "your uid, seen as the account's number"},
	{string(session.Subid), "for a chroot that belongs to your subordinate ids"},
	{string(session.Idmap), "files carry the account's number; needs root"},
	{string(session.Grant), "the account's own uid; needs root"},
}

// HomeModes are the values of --home; any other value is a directory.
var HomeModes = []Choice{
	{string(session.HomeAuto), "the chroot's own home if you can write to it, else private"},
	{string(session.HomePrivate), "a home that chrun keeps for this chroot"},
	{string(session.HomeHost), "your whole home"},
	{string(session.HomeTemporary), "an empty home, removed afterwards"},
}

// Forms are the values of --dry-run.
var Forms = []Choice{
	{"text", "for people"},
	{"shell", "as mount commands"},
	{"json", "for programs"},
}

// Personalities are the values of the key personality.
var Personalities = []Choice{
	{"linux32", "a 32-bit system"},
	{"linux64", "a 64-bit system"},
}

// Has reports whether name is one of the choices.
func Has(choices []Choice, name string) bool {
	for _, c := range choices {
		if c.Name == name {
			return true
		}
	}
	return false
}

// Names lists the names of the choices for a message.
func Names(choices []Choice) string {
	var names []string
	for _, c := range choices {
		names = append(names, c.Name)
	}
	return strings.Join(names, ", ")
}

// A Key is a setting of a chroot.
type Key struct {
	Name  string // in the form that config.ParseEdit reads
	Word  string // what completion offers for it
	About string
}

// Keys are the settings of a chroot, in the order of chrunctl's help.
var Keys = []Key{
	{"path", "path=", "the directory of the chroot"},
	{"user", "user=", "the account inside, name or uid"},
	{"home", "home=", Names(HomeModes) + ", or a directory"},
	{"identity", "identity=", Names(IdentityKinds)},
	{"map", "map=", "your uid inside, if the tree belongs to your subordinate IDs"},
	{"personality", "personality=", Names(Personalities)},
	{"bind", "bind+=", "files and directories to share: a list of SRC[:DST][:ro]"},
	{"env.NAME", "env.", "a variable"},
	{"allow", "allow+=", "a list of features and groups to share: chrunctl features"},
	{"deny", "deny+=", "a list of features and groups not to share"},
	{"sync", "sync=", "off: the menu does not follow the chroot by itself"},
	{"app.COMMAND.KEY", "app.", "any of these except path and sync, for one program"},
}

// KeysHelp is the part of chrunctl's help that lists the keys.
func KeysHelp() string {
	var b strings.Builder
	b.WriteString("\nKeys:")
	for _, k := range Keys {
		fmt.Fprintf(&b, "\n  %-15s  %s", k.Name, k.About)
	}
	return b.String()
}

// A Verb is a subcommand of chrunctl.
type Verb struct {
	Name  string
	Args  string // how its arguments are written in the usage text
	Short string
}

// Verbs are the subcommands of chrunctl, in the order of its help.
var Verbs = []Verb{
	{"create", "NAME [DIR] --from SOURCE", "Make a chroot from an archive, or from Debian's or Ubuntu's packages"},
	{"remove", "NAME", "Remove a chroot that create has made, with its files"},
	{"add", "NAME DIR", "Give the chroot in DIR a name"},
	{"forget", "NAME", "Remove a chroot from the list; its files and its home stay"},
	{"list", "", "List the chroots that have a name"},
	{"default", "[NAME]", "Print, set or unset the chroot that chrun uses without -c"},
	{"set", "NAME KEY=VALUE|KEY+=VALUE|KEY-=VALUE...", "Change settings of a chroot; += adds to a list, -= removes"},
	{"unset", "NAME KEY...", "Remove settings of a chroot"},
	{"show", "NAME", "Print the settings of a chroot and where each is written"},
	{"features", "", "List what is shared with chroots"},
	{"doctor", "[NAME|DIR] [-- CHRUN-FLAGS...]", "Say why something does not work in a chroot, and what mends it"},
	{"ps", "[NAME|DIR]", "List the processes that live in chroots"},
	{"kill", "NAME|DIR", "End the processes that live in a chroot"},
	{"gc", "", "Clean up after commands that were killed"},
	{"apps", "NAME", "List the programs that a chroot offers to menus"},
	{"export", "NAME [APP...]", "Put programs of a chroot into the menu"},
	{"unexport", "NAME [APP...]", "Remove programs of a chroot from the menu"},
	{"sync", "[NAME...]", "Bring the menu up to date with a chroot"},
}

// OtherVerbs returns words that people know from other programs, and what to type for
// them.
func OtherVerbs() map[string]string {
	return map[string]string{
		"ls": "chrunctl list", "rm": "chrunctl remove NAME", "delete": "chrunctl remove NAME",
		"enter": "chrun -c NAME", "shell": "chrun -c NAME", "login": "chrun -c NAME", "run": "chrun -c NAME COMMAND", "exec": "chrun -c NAME COMMAND",
		"new": "chrunctl create NAME --from SOURCE", "import": "chrunctl create NAME --from ARCHIVE", "install": "sudo chrun -c NAME -u root, then the chroot's package manager",
		"mount": "chrun needs no mounts: chrun -c NAME", "umount": "chrun leaves no mounts", "status": "chrunctl ps", "top": "chrunctl ps --watch", "stop": "chrunctl kill NAME",
		"get": "chrunctl show NAME", "config": "chrunctl show NAME", "rename": "chrunctl forget NAME, then chrunctl add NAME DIR",
	}
}

// FindVerb returns the subcommand called name.
func FindVerb(name string) (Verb, bool) {
	for _, v := range Verbs {
		if v.Name == name {
			return v, true
		}
	}
	return Verb{}, false
}
