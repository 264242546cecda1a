package trees

import (
	"archive/tar"
	"io"
	"strings"

	"golang.org/x/sys/unix"
)

// rawFile is a file that is being written. An *os.File would make five more system
// calls, half as many again as each file needs.
type rawFile int

func (f rawFile) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		if m, err = unix.Write(int(f), p[n:]); err == unix.EINTR {
			m, err = 0, nil
		}
		n += max(m, 0)
	}
	return n, err
}

func isSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for name := range h.PAXRecords {
		if strings.HasPrefix(name, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// copySparse leaves holes for blocks of zeros.
func copySparse(f rawFile, content io.Reader, size int64) error {
	const block = 4096
	buf := make([]byte, 64*block)
	for offset := int64(0); offset < size; {
		n, err := io.ReadFull(content, buf[:min(int64(len(buf)), size-offset)])
		if err != nil && err != io.ErrUnexpectedEOF {
			return err
		}
		for i := 0; i < n; i += block {
			piece := buf[i:min(i+block, n)]
			if isZero(piece) {
				continue
			}
			if _, err := unix.Seek(int(f), offset+int64(i), io.SeekStart); err != nil {
				return err
			}
			if _, err := f.Write(piece); err != nil {
				return err
			}
		}
		offset += int64(n)
		if err != nil {
			return err
		}
	}
	return unix.Ftruncate(int(f), size)
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
