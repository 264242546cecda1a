package test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"chrun/internal/headless"
)

// Without any configuration, Firefox saves downloads in the host's download folder,
// whose name is in the person's language, although the account has another name
// inside, and another home.
func TestDownload(t *testing.T) {
	const name, content = "報告.bin", "the downloaded file"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if language := r.Header.Get("Accept-Language"); !strings.HasPrefix(language, "ja") {
			t.Errorf("Firefox requests the language %q", language)
		}
		if r.URL.Path != "/get" {
			fmt.Fprint(w, `<title>chrun page</title><meta http-equiv=refresh content="0;url=/get">`)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Disposition", `attachment; filename*=UTF-8''%E5%A0%B1%E5%91%8A.bin`)
		fmt.Fprint(w, content)
	}))
	defer server.Close()
	host := makeHome(t, map[string]string{
		".config/user-dirs.dirs":   "XDG_DESKTOP_DIR=\"$HOME/\"\nXDG_DOWNLOAD_DIR=\"$HOME/ダウンロード\"\n",
		".config/user-dirs.locale": "ja_JP", "ダウンロード/old": "", "Downloads/old": "",
	})
	d := openDesktop(t, headless.Options{Compositor: "sway", Bus: true, Home: host})
	d.chroot = mountRenamedTree(t, d.User, "taro")
	japanese := mode{"Japanese", func(env []string) []string { return append(without("LANG")(env), "LANG=ja_JP.UTF-8") }}
	for _, c := range []struct{ kind, dir string }{
		{"private", "ダウンロード"}, {"temporary", "ダウンロード"}, {"private", "Downloads"},
	} {
		t.Run(c.kind+"/"+c.dir, func(t *testing.T) {
			if c.dir == "Downloads" { // plain window managers make no user-dirs.dirs
				if err := os.Remove(filepath.Join(host, ".config/user-dirs.dirs")); err != nil {
					t.Fatal(err)
				}
			}
			d.startFirefox(t, japanese, []string{"--home", c.kind}, server.URL)
			file := filepath.Join(host, c.dir, name)
			waitFor(t, time.Minute, "the download in "+file, func() bool {
				data, _ := os.ReadFile(file)
				return string(data) == content
			})
			if st, err := os.Stat(file); err != nil || int(st.Sys().(*syscall.Stat_t).Uid) != d.User.UID {
				t.Errorf("the download does not belong to the user: %v, %v", st, err)
			}
			// It opens on the host, and in another program inside.
			if out, err := d.Output("cat", file); err != nil || out != content {
				t.Errorf("on the host: %v %q", err, out)
			}
			d.chrun(japanese, []string{"-q", "--home", c.kind}, "cat", file).wantOutput(t, content)
			if err := os.Remove(file); err != nil {
				t.Error(err)
			}
			filepath.WalkDir(host, func(p string, _ os.DirEntry, err error) error {
				if err == nil && strings.Contains(p, strings.TrimSuffix(name, ".bin")) {
					t.Errorf("the download is also in %s", p)
				}
				return err
			})
		})
	}
}

// startFirefox starts Firefox with a page until the end of the test.
func (d *desk) startFirefox(t *testing.T, m mode, flags []string, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	cmd := d.start(ctx, m, flags, "firefox-esr", url)
	var out safeBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		cancel()
		if t.Failed() {
			t.Logf("%s\n%.3000s", d.windows(), out.String())
		}
	})
}
