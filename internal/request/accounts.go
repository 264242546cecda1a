package request

import (
	"errors"
	"fmt"
	"io/fs"

	"chrun/session"
	"chrun/session/account"
	"chrun/session/rootfs"
)

// addAccount lists the files in which the account and the caller's group are
// added, where the tree lacks them.
func (l *Launch) addAccount(passwd *account.File, inside account.Account) error {
	inside.Home = string(l.Facts.Home)
	if pieces, changed := passwd.PatchPasswd(inside); changed {
		l.addAccountFile("/etc/passwd", pieces, "the account "+inside.Name)
	}
	group, err := l.openFile("/etc/group")
	if err != nil {
		return err
	}
	defer group.Close()
	if pieces, changed := group.PatchGroup(inside.GID, l.Caller.Account.Name); changed {
		l.addAccountFile("/etc/group", pieces, "the caller's group")
	}
	return nil
}

func (l *Launch) addAccountFile(p session.Path, pieces []account.Piece, why string) {
	f := session.File{Path: p, Pieces: pieces, Why: why}
	if len(pieces) == 1 && pieces[0].Length == 0 {
		f.Data, f.Pieces = pieces[0].Data, nil
	}
	l.Facts.AccountFiles = append(l.Facts.AccountFiles, f)
}

// openFile opens a file of accounts in the tree, which may be missing. One that is
// not a regular file counts as missing, with a note.
func (l *Launch) openFile(p rootfs.Path) (*account.File, error) {
	f, err := account.Open(l.Root, p)
	switch {
	case err == nil || errors.Is(err, fs.ErrNotExist):
		return f, nil
	case errors.Is(err, rootfs.ErrTooLarge):
		return nil, fmt.Errorf("cannot read %s of the chroot: larger than %d MiB", p, account.MaxSize>>20)
	}
	l.notes = append(l.notes, fmt.Sprintf("%s of the chroot is ignored: %v", p, errors.Unwrap(err)))
	return f, nil
}
