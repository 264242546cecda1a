package desktop

import (
	"os"
	"strings"
	"testing"

	"chrun/internal/fakedesk"
)

func TestRemovableMedia(t *testing.T) {
	d := fakedesk.New(t)
	d.Caller.Account.Name = "alice"
	if s := Storage.Detect(d.Facts); len(s.Binds)+len(s.Notes) > 0 {
		t.Errorf("%+v", s)
	}
	d.Write("host/media/x", "")
	d.Write("host/run/media/x", "")
	media, run := string(d.Dir)+"/host/media on /media", string(d.Dir)+"/host/run/media on /run/media"
	fakedesk.WantBinds(t, Storage.Detect(d.Facts), run) // the chroot has no /media
	d.Write("host/media/alice/x", "")
	fakedesk.WantBinds(t, Storage.Detect(d.Facts), run, media)
	d.Write("tree/media/x", "")
	s := Storage.Detect(d.Facts)
	if s.State != "/run/media, /media" || len(s.Notes) > 0 {
		t.Errorf("%+v", s)
	}
	d.Write("host/proc/self/mountinfo", "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"+
		"23 22 0:5 / /run rw shared:3 - tmpfs tmpfs rw\n24 23 0:6 / /runner rw shared:4 - tmpfs tmpfs rw\n")
	if s = Storage.Detect(d.Facts); len(s.Notes) > 0 { // nobody would read them
		t.Errorf("notes %q", s.Notes)
	}
	d.Facts.Explain = true
	s = Storage.Detect(d.Facts)
	if len(s.Notes) != 1 || !strings.Contains(s.Notes[0], " in /media ") || !strings.HasSuffix(s.Notes[0], "sudo mount --make-shared /") {
		t.Errorf("notes %q", s.Notes)
	}
	d.Write("host/run/systemd/system/x", "")
	if s := Storage.Detect(d.Facts); len(s.Notes) > 0 {
		t.Errorf("notes %q", s.Notes)
	}
}

func TestPrivateMount(t *testing.T) {
	for table, want := range map[string]string{
		"":                                  "",
		"1 0 8:1 / / rw - ext4 d rw\n":      "/",
		"1 0 8:1 / / rw shared:1 - x d rw":  "",
		"1 0 8:1 / / rw master:9 - x d rw":  "",
		"1 0 8:1 / / rw unbindable - x d r": "/",
		"1 0 8:1 / / rw shared:1 - x d rw\n2 1 0:1 / /run rw - t t rw\n":                                      "/run",
		"1 0 8:1 / / rw - x d rw\n2 1 0:1 / /run rw shared:2 - t t rw\n":                                      "",
		"1 0 8:1 / / rw shared:1 - x d rw\n2 1 0:1 / /run rw - t t rw\n3 1 0:1 / /run rw shared:2 - t t rw\n": "",
		"broken\n1 2\n": "",
	} {
		if got := PrivateMount(table, "/run/media"); got != want {
			t.Errorf("%q: %q, want %q", table, got, want)
		}
	}
}

// Data is shared where the chroot has nothing of that name.
func TestDataDirs(t *testing.T) {
	d := fakedesk.New(t)
	for _, p := range []string{"mnt/x", "srv/x", "data/x", "opt/x", "var/x", "usr/x", "lib64/x", ".snapshots/x", "full/x", "file"} {
		d.Write("host/"+p, "")
	}
	for _, p := range []string{"mnt", "empty"} {
		if err := os.MkdirAll(d.Path("tree/"+p), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(d.Path("host/empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	d.Write("tree/full/x", "")
	var want []string
	for _, dir := range []string{"/data", "/mnt", "/srv"} {
		want = append(want, d.Path("host")+dir+" on "+dir)
	}
	fakedesk.WantBinds(t, Storage.Detect(d.Facts), want...)
	d.Caller.Account.Home = d.Path("host/data/home/al") // never more of the home than is visible
	fakedesk.WantBinds(t, Storage.Detect(d.Facts), want[1:]...)
}
