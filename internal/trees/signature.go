package trees

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"strings"

	"chrun/session"
)

// clearsigned begins a message with a signature (RFC 9580, section 7).
const clearsigned = "-----BEGIN PGP SIGNED MESSAGE-----"

// verify reports whether a signature is good. A bad one is an error; an unknown key,
// or no gpg, a note. file is "" for a signed message, whose text is returned as gpg
// reads it.
func (c *checker) verify(sig, file string) (good bool, text []byte, err error) {
	if _, err := exec.LookPath("gpg"); err != nil {
		c.notes = append(c.notes, "the signature was not checked: gpg is not installed")
		if file == "" {
			text, err = signedPart(sig)
			return false, text, err
		}
		return false, nil, nil
	}
	args := []string{"--decrypt", "--", sig}
	if file != "" {
		args = []string{"--verify", "--", sig, file}
	}
	text, status, err := c.gpg(args)
	if err != nil {
		return false, nil, fmt.Errorf("cannot check the signature %s: %w", sig, err)
	}
	switch {
	case status["BADSIG"] != "":
		return false, nil, fmt.Errorf("the signature %s is bad: the archive is not the one that was signed", sig)
	case status["REVKEYSIG"] != "":
		return false, nil, fmt.Errorf("the key of the signature %s was revoked", sig)
	case status["NO_PUBKEY"] != "":
		c.notes = append(c.notes, "the signature was made by the key "+status["NO_PUBKEY"]+", which you do not have")
	case status["EXPKEYSIG"] != "" || status["EXPSIG"] != "":
		c.notes = append(c.notes, "the signature, or its key, has expired")
	case status["VALIDSIG"] != "" && status["GOODSIG"] != "" && status["ERRSIG"] == "":
		good = true
	default:
		return false, nil, fmt.Errorf("%s is not a signature that gpg can check", sig)
	}
	return good, text, nil
}

// gpg runs gpg(1), and returns its output and the first argument of each of its
// status lines. It ignores gpg's exit status, which says less.
func (c *checker) gpg(args []string) (out []byte, status map[string]string, err error) {
	common := []string{"--batch", "--no-tty", "--quiet"}
	if c.keyring != "" {
		home := path.Join(c.temp, "gnupg")
		if err := os.Mkdir(home, 0o700); err == nil {
			if errs, err := exec.Command("gpg", append(common, "--homedir", home, "--import", "--", c.keyring)...).CombinedOutput(); err != nil {
				return nil, nil, fmt.Errorf("gpg cannot read the keys in %s: %s", c.keyring, bytes.TrimSpace(errs))
			}
		} else if !errors.Is(err, os.ErrExist) {
			return nil, nil, err
		}
		common = append(common, "--no-autostart", "--homedir", home)
	}
	reading, writing, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer reading.Close()
	cmd := exec.Command("gpg", append(append(common, "--max-output", fmt.Sprint(maxSums), "--status-fd", "3"), args...)...)
	var text bytes.Buffer
	cmd.Stdout, cmd.ExtraFiles = &text, []*os.File{writing}
	err = cmd.Start()
	writing.Close()
	if err != nil {
		return nil, nil, err
	}
	lines, err := io.ReadAll(io.LimitReader(reading, maxSums))
	reading.Close()
	cmd.Wait()
	return text.Bytes(), parseStatus(lines), err
}

// signedPart returns the text of a signed message, for hosts without gpg.
func signedPart(file string) ([]byte, error) {
	data, err := readSmall(file)
	if err != nil {
		return nil, err
	}
	text := strings.ReplaceAll(string(data), "\r\n", "\n")
	_, text, _ = strings.Cut(text, clearsigned+"\n")
	_, text, ok := strings.Cut(text, "\n\n") // after the headers
	body, _, found := strings.Cut(text, "\n-----BEGIN PGP SIGNATURE-----")
	if !ok || !found {
		return nil, fmt.Errorf("%s is not a complete signed message", file)
	}
	return []byte(strings.ReplaceAll("\n"+body, "\n- ", "\n")), nil
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
