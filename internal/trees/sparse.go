package trees

import (
	"archive/tar"
	"io"
	"os"
	"strings"
)

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
func copySparse(f *os.File, content io.Reader, size int64) error {
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
			if _, err := f.WriteAt(piece, offset+int64(i)); err != nil {
				return err
			}
		}
		offset += int64(n)
		if err != nil {
			return err
		}
	}
	return f.Truncate(size)
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
