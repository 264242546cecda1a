package test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chrun/internal/headless"
)

// A program opens the picture that the command line names, in every form of the
// name: its window shows that picture.
func TestPictures(t *testing.T) {
	host := makeHome(t, map[string]string{
		".config/user-dirs.dirs": "XDG_PICTURES_DIR=\"$HOME/Pictures\"\n", "Pictures/old": "", "work/old": "", ".dot/old": ""})
	d := openDesktop(t, headless.Options{X11: true, Home: host})
	outside := makeProject(t, d.User)
	odd := `it's "one" of 100% — 写真`
	pictures := filepath.Join(host, "Pictures")
	for i, c := range []struct {
		name string
		dir  string // the working directory
		file string // the picture
		arg  string // the argument that names it
	}{
		{"documents", pictures, pictures + "/photo.png", "photo.png"},
		{"below", host, pictures + "/photo.png", "Pictures/photo.png"},
		{"above", host + "/work", pictures + "/photo.png", "../Pictures/photo.png"},
		{"working directory", host + "/work", host + "/work/photo.png", "photo.png"},
		{"in the home", host, host + "/photo.png", "photo.png"},
		{"absolute", "/", host + "/work/photo.png", host + "/work/photo.png"},
		{"option", "/", host + "/work/list", "--filelist=" + host + "/work/list"},
		{"URI", "/", host + "/work/photo.png", "file://" + host + "/work/photo.png"},
		{"odd", host + "/work", host + "/work/" + odd + ".png", odd + ".png"},
		{"odd directory", "/", host + "/" + odd + "/" + odd + ".png", host + "/" + odd + "/" + odd + ".png"},
		{"odd URI", "/", host + "/" + odd + ".png", "file://" + (&url.URL{Path: host + "/" + odd + ".png"}).EscapedPath()},
		{"elsewhere", "/", outside + "/photo.png", outside + "/photo.png"},
		{"working elsewhere", outside, outside + "/photo.png", "photo.png"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &desk{d.Session, t, d.chroot}
			paintColor := color.RGBA{0x40, uint8(0x80 + i), 0xc0, 0xff}
			file := c.file
			if c.name == "option" { // the list names the picture beside it
				writeFile(t, c.file, filepath.Join(filepath.Dir(c.file), "listed.png"))
				file = filepath.Join(filepath.Dir(c.file), "listed.png")
			}
			paint(t, file, paintColor)
			covered := d.pictureCoverage(c.dir, paintColor, "feh", c.arg)
			if want := 300.0 * 200 / (1280 * 800); covered < 0.99*want || covered > 1.01*want {
				t.Errorf("the picture covers %.4f of the screen, want %.4f", covered, want)
			}
		})
	}
	// Files of the host's system are not shared, and nothing is if the feature is
	// denied.
	for _, c := range []struct{ flags, command []string }{
		{nil, []string{"cat", "/etc/sway/config"}},
		{nil, []string{"cat", "/usr/bin/sway"}},
		{nil, []string{"cat", host + "/.dot/old"}},
		{[]string{"--deny", "documents"}, []string{"sh", "-c", "cat " + host + "/work/photo.png"}}, // the path is in a script, not an argument
		{[]string{"--deny", "documents,files"}, []string{"cat", host + "/work/photo.png"}},
		{[]string{"--deny", "storage,files"}, []string{"cat", outside + "/photo.png"}},
	} {
		if r := d.chrun(both, append(c.flags, "--home=temporary"), c.command...); r.err == nil {
			t.Errorf("%v %q: the file is shared", c.flags, c.command)
		}
	}
}

// pictureCoverage runs a program in the chroot until its window shows a colour, and
// returns the share of the screen that has the colour.
func (d *desk) pictureCoverage(dir string, c color.Color, command ...string) (covered float64) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
	defer cancel()
	cmd := d.start(ctx, both, nil, command...)
	cmd.Dir = dir
	var out safeBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	defer func() {
		cancel()
		cmd.Wait()
		if d.t.Failed() {
			d.t.Logf("%q in %s: %s", command, dir, out.String())
		}
	}()
	file := os.Getenv("CHRUN_TEST_KEEP") // a directory for pictures
	if file != "" {
		file = filepath.Join(file, strings.ReplaceAll(d.t.Name(), "/", "-")+".png")
	}
	waitFor(d.t, 15*time.Second, fmt.Sprint("the picture of ", command), func() bool {
		picture, err := d.Screenshot(headless.X11, file)
		if err != nil {
			d.t.Fatal(err)
		}
		covered = headless.Covered(picture, c)
		return covered > 0
	})
	return covered
}

// paint writes a picture of one colour, 300 by 200 pixels.
func paint(t *testing.T, file string, c color.RGBA) {
	t.Helper()
	picture := image.NewRGBA(image.Rect(0, 0, 300, 200))
	for i := range picture.Pix {
		picture.Pix[i] = []byte{c.R, c.G, c.B, c.A}[i%4]
	}
	var b strings.Builder
	if err := png.Encode(&b, picture); err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, b.String())
}

// makeProject makes a directory of the user outside of the session's home, at a path
// that the chroot does not have, such as /data/proj.
func makeProject(t *testing.T, u headless.User) string {
	t.Helper()
	parent := u.Home // the session has another home
	if os.Getuid() == 0 {
		parent = "/"
	}
	dir, err := os.MkdirTemp(parent, "chrun-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	proj := filepath.Join(dir, "proj")
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(proj, 0o755), os.Chown(proj, u.UID, u.GID)); err != nil {
		t.Fatal(err)
	}
	return proj
}
