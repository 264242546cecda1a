package trees

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"os/exec"
	"path"
	"strings"

	"chrun/session"
)

// Trust is what is known of an archive.
type Trust string

// From the least to the most.
const (
	Unchecked Trust = ""        // nothing beside it tells
	Intact    Trust = "intact"  // a checksum matches, which whoever replaced the archive could replace too
	Genuine   Trust = "genuine" // a good signature
)

// sums computes the checksums of what is written to it.
type sums struct{ sha256, sha512 hash.Hash }

func newSums() *sums { return &sums{sha256.New(), sha512.New()} }

func (s *sums) Write(p []byte) (int, error) {
	s.sha256.Write(p)
	return s.sha512.Write(p)
}

// checker compares an archive with the files beside it: checksums in FILE.sha256,
// FILE.sha512, FILE.DIGESTS, SHA256SUMS and SHA512SUMS; signatures in FILE.asc and
// FILE.sig, and of a file of checksums itself.
type checker struct {
	file    string
	keyring string // of gpg(1); "" for the caller's
	notes   []string
}

// check returns an error if something does not match.
func (c *checker) check(s *sums) (trust Trust, err error) {
	dir := path.Dir(c.file)
	for _, name := range []string{c.file + ".sha256", c.file + ".sha512", c.file + ".DIGESTS", c.file + ".DIGESTS.asc",
		path.Join(dir, "SHA256SUMS"), path.Join(dir, "SHA512SUMS"), path.Join(dir, "sha256sums.txt")} {
		data, err := readSmall(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return Unchecked, err
		}
		signed, err := c.checkSums(name, data, s)
		if err != nil {
			return Unchecked, err
		}
		trust = Intact
		if signed {
			return Genuine, nil
		}
	}
	for _, suffix := range []string{".asc", ".sig", ".gpg"} {
		if _, err := os.Stat(c.file + suffix); err != nil {
			continue
		}
		good, err := c.verify(c.file+suffix, c.file)
		if err != nil {
			return Unchecked, err
		}
		if good {
			return Genuine, nil
		}
	}
	return trust, nil
}

// maxSums is the size of the largest file of checksums that is read.
const maxSums = 16 << 20

func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSums+1))
	if err == nil && len(data) > maxSums {
		err = fmt.Errorf("%s is too large for a file of checksums", name)
	}
	return data, err
}

// checkSums returns an error if no line of a file of checksums is for the archive,
// or one does not match. signed reports whether the file has a good signature.
func (c *checker) checkSums(name string, data []byte, s *sums) (signed bool, err error) {
	if bytes.HasPrefix(bytes.TrimLeft(data, "\r\n"), []byte(clearsigned)) {
		if signed, err = c.verify(name, ""); err != nil {
			return false, err
		}
		if data, err = signedPart(data); err != nil {
			return false, fmt.Errorf("%s: %w", name, err)
		}
	}
	want := map[string]string{hex.EncodeToString(s.sha256.Sum(nil)): "SHA256", hex.EncodeToString(s.sha512.Sum(nil)): "SHA512"}
	matched := false
	for _, l := range parseSums(data, path.Base(c.file)) {
		if want[l] == "" {
			return false, fmt.Errorf("the archive is damaged or another one: its checksum is not the one in %s", name)
		}
		matched = true
	}
	if !matched {
		return false, fmt.Errorf("%s has no SHA256 or SHA512 checksum for %s", name, session.Printable(path.Base(c.file)))
	}
	return signed, nil
}

// parseSums returns the SHA256 and SHA512 checksums for a file, whatever directory
// the lines name. It reads the forms of sha256sum(1) and of BSD's tools.
func parseSums(data []byte, base string) (found []string) {
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		sum, name, ok := strings.Cut(line, " ")
		if f := strings.Split(line, ") = "); len(f) == 2 { // SHA256 (name) = sum
			_, name, ok = strings.Cut(f[0], "(")
			sum = f[1]
		}
		sum = strings.ToLower(sum)
		isSum := len(sum) == 2*sha256.Size || len(sum) == 2*sha512.Size
		if _, err := hex.DecodeString(sum); err != nil || !isSum {
			continue
		}
		if ok && path.Base(strings.TrimPrefix(strings.TrimSpace(name), "*")) == base || !ok {
			found = append(found, sum)
		}
	}
	return found
}

const (
	clearsigned = "-----BEGIN PGP SIGNED MESSAGE-----"
	signature   = "-----BEGIN PGP SIGNATURE-----"
)

// signedPart returns the text that the signature of a clearsigned message covers
// (RFC 9580, section 7). What stands before and after it proves nothing.
func signedPart(data []byte) ([]byte, error) {
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	_, text, _ = strings.Cut(text, clearsigned+"\n")
	_, text, ok := strings.Cut(text, "\n\n") // after the headers
	if body, _, found := strings.Cut(text, "\n"+signature); ok && found && !strings.Contains(body, clearsigned) {
		return []byte(strings.ReplaceAll("\n"+body, "\n- ", "\n")), nil
	}
	return nil, errors.New("it is not a complete signed message")
}

// verify reports whether a signature is good. A bad one is an error; an unknown key,
// or no gpg, a note. file is "" for a signed message.
func (c *checker) verify(sig, file string) (good bool, err error) {
	args := []string{"--batch", "--no-tty", "--status-fd", "1"}
	if c.keyring != "" {
		args = append(args, "--no-default-keyring", "--keyring", c.keyring)
	}
	args = append(args, "--verify", "--", sig)
	if file != "" {
		args = append(args, file)
	}
	cmd := exec.Command("gpg", args...)
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		c.notes = append(c.notes, "the signature was not checked: gpg is not installed")
		return false, nil
	}
	status := parseStatus(out)
	switch {
	case status["BADSIG"] != "":
		return false, fmt.Errorf("the signature %s is bad: the archive is not the one that was signed", sig)
	case status["VALIDSIG"] != "" && status["GOODSIG"] != "" && err == nil:
		return true, nil
	case status["NO_PUBKEY"] != "":
		c.notes = append(c.notes, "the signature was made by the key "+status["NO_PUBKEY"]+", which you do not have")
		return false, nil
	case status["EXPKEYSIG"] != "" || status["EXPSIG"] != "" || status["REVKEYSIG"] != "":
		return false, fmt.Errorf("the signature %s, or its key, has expired or was revoked", sig)
	}
	return false, fmt.Errorf("cannot check the signature %s: gpg failed: %v", sig, err)
}

// parseStatus returns the first argument of each status line of gpg.
func parseStatus(out []byte) map[string]string {
	status := map[string]string{}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) > 1 && f[0] == "[GNUPG:]" {
			status[f[1]] = "-"
			if len(f) > 2 {
				status[f[1]] = session.Printable(f[2])
			}
		}
	}
	return status
}
