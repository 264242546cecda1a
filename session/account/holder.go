package account

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"chrun/session/rootfs"
)

// systemRanges are numbers that belong to nobody in passwd, but that systemd gives to
// services and containers as it needs them (systemd, UIDS-GIDS.md). Those are uids and
// gids.
var systemRanges = []struct {
	Range
	who string
}{
	{Range{61184, 65519 - 61184 + 1}, "the services with DynamicUser= of systemd"},
	{Range{524288, 1879048191 - 524288 + 1}, "the containers of systemd-nspawn"},
}

// HolderOfUID returns whose uid a number is on the host, other than the caller's own
// subordinate ids: a user's, one of the ids that /etc/subuid gives to a user, or
// systemd's. ok is false if nobody has it.
func HolderOfUID(uid int, caller Account, host rootfs.HostPath) (who string, ok bool) {
	if a, ok := LookUpHostUser(strconv.Itoa(uid), host); ok && a.UID == uid {
		return a.Name, true
	}
	return holderOfRange(uid, "/etc/subuid", caller, host)
}

// HolderOfGID does the same for a gid, a group and /etc/subgid.
func HolderOfGID(gid int, caller Account, host rootfs.HostPath) (who string, ok bool) {
	if HostHasGroup(gid, host) {
		return "a group", true
	}
	return holderOfRange(gid, "/etc/subgid", caller, host)
}

// SubIDHolder returns the user whose subordinate uid a number is on the host.
func SubIDHolder(uid int, host rootfs.HostPath) (name string, ok bool) {
	data, _ := rootfs.ReadHost(host.Join("/etc/subuid"), 0, 0)
	name = findHolder(data, uid)
	if number, err := parseID(name); err == nil {
		if a, ok := LookUpHostUser(strconv.Itoa(number), host); ok {
			name = a.Name
		}
	}
	return name, name != ""
}

// findHolder returns whom a file gives a subordinate ID, a name or a number; "" if
// nobody has it.
func findHolder(file []byte, id int) string {
	for line := range splitLines(file) {
		name, _, _ := strings.Cut(strings.TrimSpace(string(line)), ":")
		uid, err := parseID(name)
		if err != nil {
			uid = -1
		}
		if validName(name) && InRanges(parseSubIDs(line, name, uid), id) {
			return name
		}
	}
	return ""
}

func holderOfRange(id int, file string, caller Account, host rootfs.HostPath) (who string, ok bool) {
	data, err := rootfs.ReadHost(host.Join(file), 0, 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Sprintf("an unknown user (cannot read %s)", file), true
	}
	if InRanges(parseSubIDs(data, caller.Name, caller.UID), id) {
		return "", false
	}
	if name := findHolder(data, id); name != "" {
		return fmt.Sprintf("%s (by %s)", name, file), true
	}
	for _, r := range systemRanges {
		if r.Contains(id) {
			return r.who, true
		}
	}
	return "", false
}
