package trees

import (
	"archive/tar"
	"cmp"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"chrun/session/acl"
)

// Records of PAX headers, as GNU tar and libarchive write them.
const (
	recordXattr      = "SCHILY.xattr."
	recordACL        = "SCHILY.acl.access"
	recordDefaultACL = "SCHILY.acl.default"
)

// setAttributes sets owner, mode, extended attributes and times, in this order: a
// change of owner clears setuid and capabilities.
func (u *unpacking) setAttributes(p string, h *tar.Header) error {
	if err := u.setOwner(p, h); err != nil {
		return err
	}
	isSet := h.Typeflag == tar.TypeSymlink || h.Typeflag == tar.TypeReg && h.Mode&0o7000 == 0 // see makeFile
	if !isSet {
		if err := unix.Chmod(p, uint32(h.Mode)&0o7777); err != nil {
			return &os.PathError{Op: "chmod", Path: p, Err: err}
		}
	}
	if err := u.setExtended(p, h); err != nil {
		return err
	}
	accessed := h.AccessTime
	if accessed.IsZero() {
		accessed = h.ModTime
	}
	times := []unix.Timespec{timespec(accessed), timespec(h.ModTime)}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, p, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &os.PathError{Op: "set the time of", Path: p, Err: err}
	}
	return nil
}

func timespec(t time.Time) unix.Timespec {
	return unix.Timespec{Sec: t.Unix(), Nsec: int64(t.Nanosecond())}
}

// setOwner gives files of IDs that are not mapped to root inside.
func (u *unpacking) setOwner(p string, h *tar.Header) error {
	uid, gid := h.Uid, h.Gid
	if uid == 0 && gid == 0 {
		return nil // root has made it, and the directory has no setgid bit until the end
	}
	if p == "/" && !u.Devices { // a launch tells by its owner whose subordinate IDs the tree has
		u.report.leave(leftRoot, h.Name)
		return nil
	}
	err := unix.Lchown(p, uid, gid)
	if err != unix.EINVAL {
		return pathError("chown", p, err)
	}
	u.report.leave(leftOwner, h.Name)
	if unix.Lchown(p, uid, 0) == nil || unix.Lchown(p, 0, gid) == nil {
		return nil
	}
	return pathError("chown", p, unix.Lchown(p, 0, 0))
}

func pathError(op, p string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: p, Err: err}
}

// setExtended sets extended attributes and ACLs. Those that only root of the host
// or a security module may set are left out.
func (u *unpacking) setExtended(p string, h *tar.Header) error {
	for record, value := range h.PAXRecords {
		name, isXattr := strings.CutPrefix(record, recordXattr)
		data := []byte(value)
		switch {
		case record == recordACL || record == recordDefaultACL:
			name = map[string]string{recordACL: "system.posix_acl_access", recordDefaultACL: "system.posix_acl_default"}[record]
			list, err := parseACL(value, nil)
			if errors.Is(err, errUnknownName) {
				u.named = append(u.named, namedACL{p, name, value, h.Name})
				continue
			}
			if err != nil {
				u.report.leave("ACLs that are not understood", h.Name)
				continue
			}
			data = list.Format()
		case !isXattr:
			continue
		case strings.HasPrefix(name, "trusted."), strings.HasPrefix(name, "security.") && name != "security.capability":
			u.report.leave("attributes "+name, h.Name)
			continue
		}
		if err := u.setAttribute(p, name, data, h.Name); err != nil {
			return err
		}
	}
	return nil
}

func (u *unpacking) setAttribute(p, name string, data []byte, member string) error {
	switch err := unix.Lsetxattr(p, name, data, 0); {
	case err == nil:
	case errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EPERM):
		u.report.leave("attributes "+name+", which the file system does not take", member)
	default:
		return pathError("set "+name+" of", p, err)
	}
	return nil
}

// namedACL is an ACL of a member that has names instead of numbers, as GNU tar
// writes them.
type namedACL struct{ path, attribute, text, member string }

// setNamedACLs sets the ACLs with names, which the tree's own passwd and group
// resolve.
func (u *unpacking) setNamedACLs() error {
	if len(u.named) == 0 {
		return nil
	}
	ids := map[string]uint32{}
	for prefix, file := range map[string]string{"u:": "/etc/passwd", "g:": "/etc/group"} {
		data, _ := os.ReadFile(file)
		for line := range strings.Lines(string(data)) {
			if f := strings.Split(line, ":"); len(f) > 2 {
				if id, err := strconv.ParseUint(f[2], 10, 32); err == nil {
					ids[prefix+f[0]] = uint32(id)
				}
			}
		}
	}
	for _, n := range u.named {
		list, err := parseACL(n.text, ids)
		if err != nil {
			u.report.leave("ACLs with names that the tree does not know", n.member)
			continue
		}
		if err := u.setAttribute(n.path, n.attribute, list.Format(), n.member); err != nil {
			return err
		}
	}
	return nil
}

var errUnknownName = errors.New("an unknown name")

// parseACL parses the text form of acl(5). ids are the numbers of users and groups,
// whose names begin with "u:" or "g:" there.
func parseACL(text string, ids map[string]uint32) (list acl.List, err error) {
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '\n' }) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) < 3 {
			return nil, errors.New("an entry has three fields")
		}
		e := acl.Entry{ID: 1<<32 - 1}
		for i, c := range "rwx" {
			if strings.ContainsRune(f[2], c) {
				e.Perm |= acl.Perm(4 >> i)
			}
		}
		named := f[1] != ""
		switch f[0] {
		case "user", "u":
			e.Tag = acl.UserObj
		case "group", "g":
			e.Tag = acl.GroupObj
		case "mask", "m":
			e.Tag = acl.Mask
		case "other", "o":
			e.Tag = acl.Other
		default:
			return nil, errors.New("unknown tag " + f[0])
		}
		if named {
			number := f[1]
			if len(f) > 3 { // star adds the number at the end
				number = f[3]
			}
			if e.Tag != acl.UserObj && e.Tag != acl.GroupObj {
				return nil, errors.New("a name for " + f[0])
			}
			id, err := strconv.ParseUint(number, 10, 32)
			known, ok := ids[f[0][:1]+":"+number]
			switch {
			case err == nil:
				known = uint32(id)
			case !ok:
				return nil, errUnknownName
			}
			e.Tag, e.ID = e.Tag<<1, known
		}
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b acl.Entry) int { return cmp.Or(cmp.Compare(a.Tag, b.Tag), cmp.Compare(a.ID, b.ID)) })
	return acl.Parse(list.Format())
}

// removeACLs removes the ACLs of a directory, if its file system has any.
func removeACLs(dir string) error {
	for _, name := range []string{"system.posix_acl_default", "system.posix_acl_access"} {
		if err := unix.Removexattr(dir, name); err != nil && err != unix.ENODATA && err != unix.ENOTSUP {
			return pathError("remove the ACL of", dir, err)
		}
	}
	return nil
}
