package trees

import (
	"archive/tar"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"chrun/session"
	"chrun/session/account"
)

func TestMain(m *testing.M) {
	if os.Args[0] == Name {
		os.Exit(Main(os.Args[1:]))
	}
	os.Exit(m.Run())
}

func TestSmoke(t *testing.T) {
	dir := t.TempDir()
	os.Chmod(dir, 0o700)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{{Name: "./", Typeflag: tar.TypeDir, Mode: 0o755}, {Name: "usr/bin", Typeflag: tar.TypeDir, Mode: 0o755}, {Name: "bin", Typeflag: tar.TypeSymlink, Linkname: "usr/bin"},
		{Name: "bin/x", Typeflag: tar.TypeReg, Mode: 0o4755, Size: 2}} {
		w.WriteHeader(&h)
		if h.Size > 0 {
			w.Write([]byte("hi"))
		}
	}
	w.Close()
	r, err := Unpack(context.Background(), Map{}, dir, &b, nil)
	t.Log(r, err)
	out, _ := exec.Command("find", dir, "-ls").CombinedOutput()
	t.Log(string(out))
	c := &session.Caller{UID: 1500, GID: 1500, Account: account.Account{Name: "chruntest"}}
	_, _ = NewMap(c, nil, nil)
	if err := Clear(Map{}, dir); err != nil {
		t.Error(err)
	}
	list, _ := filepath.Glob(dir + "/*")
	if len(list) > 0 {
		t.Error(strings.Join(list, " "))
	}
}
