package trees

import (
	"archive/tar"
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/session/acl"
)

// Records of PAX headers, as GNU tar and libarchive write them.
const (
	recordXattr      = "SCHILY.xattr."
	recordACL        = "SCHILY.acl.access"
	recordDefaultACL = "SCHILY.acl.default"
)

// setExtended sets extended attributes and ACLs. Those that only root of the host
// or a security module may set are left out.
func (u *unpacking) setExtended(p string, h *tar.Header) error {
	for record, value := range h.PAXRecords {
		name, isXattr := strings.CutPrefix(record, recordXattr)
		data := []byte(value)
		switch {
		case record == recordACL || record == recordDefaultACL:
			name = map[string]string{recordACL: "system.posix_acl_access", recordDefaultACL: "system.posix_acl_default"}[record]
			list, err := parseACL(value)
			if err != nil {
				u.report.leave("ACLs that name users instead of numbers", h.Name)
				continue
			}
			data = list.Format()
		case !isXattr:
			continue
		case strings.HasPrefix(name, "trusted."), strings.HasPrefix(name, "security.") && name != "security.capability":
			u.report.leave("attributes "+name, h.Name)
			continue
		}
		switch err := unix.Lsetxattr(p, name, data, 0); {
		case err == nil:
		case errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EPERM):
			u.report.leave("attributes "+name+", which the file system does not take", h.Name)
		default:
			return pathError("set "+name+" of", p, err)
		}
	}
	return nil
}

// parseACL parses the text form of acl(5), with numbers for users and groups.
func parseACL(text string) (list acl.List, err error) {
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
			id, err := strconv.ParseUint(number, 10, 32)
			if err != nil || e.Tag != acl.UserObj && e.Tag != acl.GroupObj {
				return nil, errors.New("no number")
			}
			e.Tag, e.ID = e.Tag<<1, uint32(id)
		}
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b acl.Entry) int { return cmp.Or(cmp.Compare(a.Tag, b.Tag), cmp.Compare(a.ID, b.ID)) })
	return acl.Parse(list.Format())
}
