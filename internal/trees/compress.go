package trees

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// decompress returns the tar archive that a stream holds, whatever compression its
// first bytes show. The caller closes it, which returns what the decompressor says.
func decompress(stream io.Reader) (io.ReadCloser, error) {
	in := bufio.NewReaderSize(stream, 1<<20)
	head, err := in.Peek(512)
	switch {
	case len(head) == 0 && err == io.EOF:
		return nil, errors.New("the archive is empty")
	case err != nil && err != io.EOF:
		return nil, err
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return gzip.NewReader(in)
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		// Several goroutines would take the processor time that the process inside needs.
		r, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return r.IOReadCloser(), nil
	case bytes.HasPrefix(head, []byte("\xfd7zXZ\x00")):
		if _, err := exec.LookPath("xz"); err != nil {
			r, err := xz.NewReader(in)
			return io.NopCloser(r), err
		}
		return runDecompressor(in, "xz")
	case bytes.HasPrefix(head, []byte("BZh")):
		if _, err := exec.LookPath("bzip2"); err != nil {
			return io.NopCloser(bzip2.NewReader(in)), nil
		}
		return runDecompressor(in, "bzip2")
	case len(head) == 512 && (string(head[257:262]) == "ustar" || isOldTar(head)):
		return io.NopCloser(in), nil
	}
	return nil, errors.New("it is not a tar archive, or one in a compression other than gz, bz2, xz and zst")
}

// isOldTar reports whether a block is the header of a tar archive without "ustar":
// its checksum is right.
func isOldTar(head []byte) bool {
	var sum, want int64
	for i, c := range head {
		if i >= 148 && i < 156 {
			c = ' '
		}
		sum += int64(c)
	}
	_, err := fmt.Sscanf(string(bytes.Trim(head[148:156], " \x00")), "%o", &want)
	return err == nil && sum == want
}

// running is a program that decompresses.
type running struct {
	io.Reader
	cmd    *exec.Cmd
	stderr bytes.Buffer
}

func runDecompressor(in io.Reader, program string) (io.ReadCloser, error) {
	r := &running{cmd: exec.Command(program, "-dc")}
	r.cmd.Stdin, r.cmd.Stderr = in, &r.stderr
	if f, ok := in.(*os.File); ok {
		r.cmd.Stdin = f
	}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("it is compressed with %s, which cannot be run: %w", program, err)
	}
	r.Reader = out
	return r, nil
}

func (r *running) Close() error {
	if err := r.cmd.Wait(); err != nil {
		text := bytes.TrimSpace(r.stderr.Bytes())
		// xz; bzip2
		if bytes.Contains(text, []byte("Unexpected end of input")) || bytes.Contains(text, []byte("file ends unexpectedly")) {
			return io.ErrUnexpectedEOF
		}
		if len(text) > 0 {
			return errors.New(string(text))
		}
		return err
	}
	return nil
}
