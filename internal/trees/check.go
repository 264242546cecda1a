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
	"os"
	"path"
	"slices"
	"strings"

	"chrun/session"
	"chrun/session/rootfs"
)

// Trust is what is known of an archive.
type Trust string

// From the least to the most.
const (
	Unchecked Trust = ""        // nothing beside it tells
	Intact    Trust = "intact"  // a checksum matches, which whoever replaced the archive could replace too
	Genuine   Trust = "genuine" // a good signature
)

// sums computes checksums of what is written to it: those that are not nil.
type sums struct{ sha256, sha512 hash.Hash }

func (s *sums) Write(p []byte) (int, error) {
	if s.sha256 != nil {
		s.sha256.Write(p)
	}
	if s.sha512 != nil {
		s.sha512.Write(p)
	}
	return len(p), nil
}

// encode returns the checksums as files of checksums have them.
func (s *sums) encode() (list []string) {
	for _, h := range []hash.Hash{s.sha256, s.sha512} {
		if h != nil {
			list = append(list, hex.EncodeToString(h.Sum(nil)))
		}
	}
	return list
}

// sumFiles lists the files that may hold checksums of an archive.
func sumFiles(file string) []string {
	dir := path.Dir(file)
	return []string{file + ".sha256", file + ".sha512", file + ".DIGESTS", file + ".DIGESTS.asc",
		path.Join(dir, "SHA256SUMS"), path.Join(dir, "SHA512SUMS"), path.Join(dir, "sha256sums.txt")}
}

// findNeeded returns the kinds of checksums that the files beside an archive have. To
// compute the others would only take time.
func findNeeded(file string) (*sums, error) {
	s := &sums{}
	for _, name := range sumFiles(file) {
		data, err := readSmall(name)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		for _, sum := range parseSums(data, path.Base(file)) {
			if len(sum) == 2*sha256.Size {
				s.sha256 = sha256.New()
			} else {
				s.sha512 = sha512.New()
			}
		}
	}
	return s, nil
}

// checker compares an archive with the files beside it: checksums in FILE.sha256,
// FILE.sha512, FILE.DIGESTS, SHA256SUMS and SHA512SUMS; signatures in FILE.asc and
// FILE.sig, and of a file of checksums itself.
type checker struct {
	file    string
	keyring string // the keys to trust; "" for those of the caller's gpg(1)
	temp    string // a directory for temporary files
	notes   []string
}

// check returns an error if something does not match.
func (c *checker) check(s *sums) (trust Trust, err error) {
	for _, name := range sumFiles(c.file) {
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
		st, err := os.Stat(c.file + suffix)
		if err != nil {
			continue
		}
		if !st.Mode().IsRegular() { // gpg would wait for a FIFO
			return Unchecked, &os.PathError{Op: "read", Path: c.file + suffix, Err: rootfs.ErrNotRegular}
		}
		good, _, err := c.verify(c.file+suffix, c.file)
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

// readSmall never waits: whoever can write beside the archive may have put a FIFO there.
func readSmall(name string) ([]byte, error) {
	data, err := rootfs.ReadHost(rootfs.HostPath(name), maxSums, 0)
	if errors.Is(err, rootfs.ErrTooLarge) {
		err = fmt.Errorf("%s is too large for a file of checksums", name)
	}
	return data, err
}

// checkSums returns an error if no line of a file of checksums is for the archive,
// or one does not match. signed reports whether the file has a good signature.
func (c *checker) checkSums(name string, data []byte, s *sums) (signed bool, err error) {
	if bytes.Contains(data, []byte(clearsigned)) {
		// What stands around the signed text proves nothing.
		if signed, data, err = c.verify(name, ""); err != nil {
			return false, err
		}
	}
	want := s.encode()
	found := parseSums(data, path.Base(c.file))
	for _, sum := range found {
		if !slices.ContainsFunc(want, func(w string) bool { return len(w) == len(sum) }) {
			return false, fmt.Errorf("%s was written while the archive was unpacked: run the command again", name)
		}
		if !slices.Contains(want, sum) {
			return false, fmt.Errorf("the archive is damaged, or another one: its checksum is not the one in %s", name)
		}
	}
	if len(found) == 0 {
		return false, fmt.Errorf("%s has no SHA256 or SHA512 checksum for %s", name, session.Printable(path.Base(c.file)))
	}
	return signed, nil
}

// parseSums returns the SHA256 and SHA512 checksums for a file, whatever directory
// the lines name. It reads the forms of sha256sum(1) and of BSD's tools, and the
// comments that name the algorithm in Gentoo's files, whose BLAKE2B and WHIRLPOOL
// are as long as SHA512.
func parseSums(data []byte, base string) (found []string) {
	known := true
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if comment, ok := strings.CutPrefix(line, "#"); ok {
			if algorithm, ok := strings.CutSuffix(comment, " HASH"); ok {
				known = isSHA2(algorithm)
			}
			continue
		}
		sum, name, _ := strings.Cut(line, " ")
		ok := known
		if f := strings.Split(line, ") = "); len(f) == 2 { // SHA256 (name) = sum
			var algorithm string
			algorithm, name, _ = strings.Cut(f[0], "(")
			sum, ok = f[1], isSHA2(algorithm)
		}
		sum, name = strings.ToLower(sum), strings.TrimPrefix(strings.TrimSpace(name), "*")
		_, err := hex.DecodeString(sum)
		isSum := err == nil && (len(sum) == 2*sha256.Size || len(sum) == 2*sha512.Size)
		if ok && isSum && (name == "" || path.Base(name) == base) {
			found = append(found, sum)
		}
	}
	return found
}

func isSHA2(algorithm string) bool {
	algorithm = strings.ReplaceAll(strings.TrimSpace(algorithm), "-", "")
	return algorithm == "SHA256" || algorithm == "SHA512"
}
