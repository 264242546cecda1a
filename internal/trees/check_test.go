package trees

import (
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// archiveFile is an archive with files beside it, and keys of gpg that were made for
// the test.
type archiveFile struct {
	t              *testing.T
	dir, file      string
	sha256, sha512 string
	sums           *sums
}

func newArchive(t *testing.T) *archiveFile {
	data := []byte("an archive\n")
	a := &archiveFile{t: t, dir: t.TempDir(), sums: &sums{sha256.New(), sha512.New()}}
	a.file = filepath.Join(a.dir, "stage3.tar.xz")
	a.write("stage3.tar.xz", string(data))
	a.sums.Write(data)
	a.sha256, a.sha512 = fmt.Sprintf("%x", sha256.Sum256(data)), fmt.Sprintf("%x", sha512.Sum512(data))
	return a
}

func (a *archiveFile) write(name, text string) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o644); err != nil {
		a.t.Fatal(err)
	}
}

// gpg runs gpg with a home of its own.
func (a *archiveFile) gpg(home string, args ...string) {
	a.t.Helper()
	cmd := exec.Command("gpg", append([]string{"--homedir", home, "--batch", "--yes", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		a.t.Fatalf("gpg %q: %v %s", args, err, out)
	}
}

// check checks the archive, and returns the notes.
func (a *archiveFile) check(keyring string) (trust Trust, notes string, err error) {
	c := &checker{file: a.file, keyring: keyring, temp: a.t.TempDir()}
	trust, err = c.check(a.sums)
	return trust, strings.Join(c.notes, "\n"), err
}

func TestChecksums(t *testing.T) {
	bad256, bad512 := strings.Repeat("0", 64), strings.Repeat("0", 128)
	for _, c := range []struct {
		name, text string // with SHA256 and SHA512 for the right sums
		want       Trust
		err        string
	}{
		{"stage3.tar.xz.sha256", "SHA256  stage3.tar.xz\n", Intact, ""},
		{"stage3.tar.xz.sha256", "SHA256 */var/tmp/catalyst/builds/stage3.tar.xz\n", Intact, ""},
		{"stage3.tar.xz.sha256", "SHA256\n", Intact, ""},
		{"stage3.tar.xz.sha256", bad256 + "  stage3.tar.xz\n", "", "damaged"},
		{"stage3.tar.xz.sha256", "SHA256  other.tar.xz\n", "", "has no SHA256 or SHA512 checksum for stage3.tar.xz"},
		{"stage3.tar.xz.sha256", "", "", "has no SHA256 or SHA512 checksum"},
		{"stage3.tar.xz.sha512", "SHA512  stage3.tar.xz\n", Intact, ""},
		{"SHA256SUMS", bad256 + "  other.tar.xz\nSHA256  ./stage3.tar.xz\n", Intact, ""},
		{"SHA256SUMS", "SHA256  stage3.tar.xz\n" + bad256 + "  stage3.tar.xz\n", "", "damaged"},
		{"SHA512SUMS", "SHA512 (stage3.tar.xz) = SHA512\n", "", ""}, // the placeholder is also the word
		{"stage3.tar.xz.DIGESTS", "# BLAKE2B HASH\n" + bad512 + "  stage3.tar.xz\n# SHA512 HASH\nSHA512  stage3.tar.xz\n# SHA512 HASH\n" + bad512 + "  stage3.tar.xz.CONTENTS.gz\n", Intact, ""},
		{"stage3.tar.xz.DIGESTS", "# SHA512 HASH\nSHA512  stage3.tar.xz\n# WHIRLPOOL HASH\n" + bad512 + "  stage3.tar.xz\n", Intact, ""},
		{"stage3.tar.xz.DIGESTS", "# BLAKE2B HASH\n" + bad512 + "  stage3.tar.xz\n", "", "has no SHA256 or SHA512"},
		{"stage3.tar.xz.DIGESTS", "# SHA512 HASH\n" + bad512 + "  stage3.tar.xz\n", "", "damaged"},
	} {
		a := newArchive(t)
		text := c.text
		if strings.Contains(text, ") = ") {
			text, c.want = "SHA512 (stage3.tar.xz) = "+a.sha512+"\nBLAKE2b (stage3.tar.xz) = "+bad512+"\n", Intact
		} else {
			for word, sum := range map[string]string{"SHA256": a.sha256, "SHA512": a.sha512} {
				text = strings.ReplaceAll(strings.ReplaceAll(text, word+" ", sum+" "), word+"\n", sum+"\n")
				text = strings.ReplaceAll(text, "# "+sum+" HASH", "# "+word+" HASH")
			}
		}
		a.write(c.name, text)
		trust, _, err := a.check("")
		if trust != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s %q: %q, %v", c.name, text, trust, err)
		}
	}
	if trust, _, err := newArchive(t).check(""); trust != Unchecked || err != nil {
		t.Error(trust, err)
	}
}

// A signature counts if it is good and its key is known; a bad one is an error.
func TestSignatures(t *testing.T) {
	if _, err := exec.LookPath("gpg"); err != nil {
		t.Skip(err)
	}
	mine, other := t.TempDir(), t.TempDir()
	a := newArchive(t)
	for _, home := range []string{mine, other} {
		if err := os.Chmod(home, 0o700); err != nil {
			t.Fatal(err)
		}
		a.gpg(home, "--quick-generate-key", "Test <t@example.org>", "ed25519", "sign", "never")
		t.Cleanup(func() { exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run() })
	}
	armored, binary := filepath.Join(t.TempDir(), "keys.asc"), filepath.Join(t.TempDir(), "keys.gpg")
	a.gpg(mine, "--armor", "--output", armored, "--export")
	a.gpg(mine, "--output", binary, "--export")
	t.Setenv("GNUPGHOME", mine)

	want := func(what, keyring string, trust Trust, note, text string) {
		t.Helper()
		got, notes, err := a.check(keyring)
		if got != trust || !strings.Contains(notes, note) || note == "" && notes != "" || (err == nil) != (text == "") || err != nil && !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %q %q %v", what, got, notes, err)
		}
	}
	detached := func(home string) { a.gpg(home, "--armor", "--output", a.file+".asc", "--detach-sign", a.file) }
	detached(mine)
	want("good", "", Genuine, "", "")
	want("armored keyring", armored, Genuine, "", "")
	want("binary keyring", binary, Genuine, "", "")
	want("missing keyring", "/no/such", "", "", "cannot read the keys in /no/such")
	detached(other)
	want("unknown key", "", Unchecked, "which you do not have", "")
	a.write("stage3.tar.xz", "changed\n")
	detached(mine)
	a.write("stage3.tar.xz", "an archive\n")
	want("bad", "", "", "", "is bad")
	a.write("stage3.tar.xz.asc", "no signature\n")
	want("none", "", "", "", "is not a signature")
	if err := os.Remove(a.file + ".asc"); err != nil {
		t.Fatal(err)
	}

	digests := a.file + ".DIGESTS"
	sign := func(home, text string) string {
		a.write("text", text)
		a.gpg(home, "--armor", "--output", digests, "--clearsign", filepath.Join(a.dir, "text"))
		data, err := os.ReadFile(digests)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	line, wrong := "# SHA512 HASH\n"+a.sha512+"  stage3.tar.xz\n", "# SHA512 HASH\n"+strings.Repeat("0", 128)+"  stage3.tar.xz\n"
	good := sign(mine, line)
	want("clearsigned", "", Genuine, "", "")
	// Only the signed part is read.
	a.write("stage3.tar.xz.DIGESTS", wrong+good+wrong)
	want("text around", "", Genuine, "", "")
	bad := sign(mine, "# SHA512 HASH\n"+strings.Repeat("0", 128)+"  other\n")
	a.write("stage3.tar.xz.DIGESTS", line+bad+line)
	want("sums around", "", "", "", "has no SHA256 or SHA512 checksum")
	a.write("stage3.tar.xz.DIGESTS", strings.Replace(bad, "other", "stage3.tar.xz", 1))
	want("changed text", "", "", "", "is bad")
	foreign := sign(other, line)
	want("clearsigned by an unknown key", "", Intact, "which you do not have", "")
	a.write("stage3.tar.xz.DIGESTS", foreign+good)
	if trust, notes, err := a.check(""); trust == Genuine && err == nil {
		t.Errorf("two messages: %s %s", trust, notes)
	}
	// Without gpg it is only a list of checksums.
	a.write("stage3.tar.xz.DIGESTS", good)
	t.Setenv("PATH", t.TempDir())
	want("without gpg", "", Intact, "gpg is not installed", "")
}

// Only checksums that a file beside the archive has are computed.
func TestNeededSums(t *testing.T) {
	a := newArchive(t)
	for _, c := range []struct {
		name, text               string
		needsSHA256, needsSHA512 bool
	}{
		{"other.tar.sha256", a.sha256, false, false},
		{"stage3.tar.xz.sha256", a.sha256, true, false},
		{"SHA512SUMS", a.sha512 + "  other.tar\n", true, false},
		{"stage3.tar.xz.DIGESTS", "# SHA512 HASH\n" + a.sha512 + "  stage3.tar.xz\n", true, true},
	} {
		a.write(c.name, c.text)
		s, err := findNeeded(a.file)
		if err != nil || (s.sha256 != nil) != c.needsSHA256 || (s.sha512 != nil) != c.needsSHA512 {
			t.Errorf("%s: %+v, %v", c.name, s, err)
		}
	}
	a = newArchive(t)
	a.write("SHA256SUMS", a.sha256+"  stage3.tar.xz\n")
	a.sums = &sums{} // the file came later
	if _, _, err := a.check(""); err == nil || !strings.Contains(err.Error(), "run the command again") {
		t.Error(err)
	}
}
