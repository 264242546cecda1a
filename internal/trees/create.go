package trees

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"sync/atomic"
)

// Creation is a tree to be made.
type Creation struct {
	Source   Source
	Path     string // of the tree, absolute
	Records  string // a directory of chrun's, see Reserve
	Map      Map
	Account  *Account
	Packages []string // for distributions
	Keyring  string   // of the distribution, or of gpg
	Verify   bool     // insist on a good signature
	Stdin    *os.File // the source "-"; it is closed
	Env      []string // of the programs that are started

	read atomic.Int64
	size atomic.Int64
	log  tail // of a program that makes the archive
}

// Created is what has been made.
type Created struct {
	Report
	Trust Trust
	Notes []string
}

// Progress returns how much of the source has been read, and its size or 0. It may
// be called at any time.
func (c *Creation) Progress() (read, size int64) { return c.read.Load(), c.size.Load() }

// Log returns the last line that mmdebstrap has printed. It may be called at any
// time.
func (c *Creation) Log() string {
	text := c.log.String()
	return text[strings.LastIndexAny(text, "\r\n")+1:]
}

// Create makes the tree. It is there with its name only after the last byte of the
// source and its checksum have been found good; else nothing is left. If ctx is done
// the error is ctx.Err().
func (c *Creation) Create(ctx context.Context) (Created, error) {
	place, err := Reserve(c.Map, c.Records, c.Path)
	if err != nil {
		return Created{}, err
	}
	created, err := c.fill(ctx, place)
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case err == nil:
		err = place.Publish()
	}
	if err != nil {
		if left := place.Discard(); left != nil {
			err = fmt.Errorf("%w; what is left is removed by: chrunctl gc (%v)", err, left)
		}
		return Created{}, err
	}
	return created, nil
}

// findNeeded returns the checksums to compute of the source, a file.
func (c *Creation) findNeeded() (*sums, error) {
	file, err := absolute(c.Source.file)
	if err != nil {
		return nil, err
	}
	return findNeeded(file)
}

func (c *Creation) fill(ctx context.Context, place *Place) (created Created, err error) {
	a, err := c.open(ctx, place.Temp)
	if err != nil {
		return created, err
	}
	c.size.Store(a.size)
	s := &sums{}
	if c.Source.Distribution == "" && c.Source.file != "-" {
		if s, err = c.findNeeded(); err != nil {
			a.close()
			return created, err
		}
	}
	counted := &countingReader{in: a, sum: s, count: &c.read}
	created.Report, err = Unpack(ctx, c.Map, place.Growing, counted, c.Account)
	if err == nil {
		_, err = io.Copy(io.Discard, counted) // what follows the compressed data
	}
	if closed := a.close(); closed != nil && ctx.Err() == nil && (err == nil || c.Source.Distribution != "") {
		err = closed // a program that failed explains more than its broken archive
	}
	if err != nil {
		return created, err
	}
	err = c.check(&created, s, place.Temp)
	return created, err
}

// check finds out what can be known of the archive.
func (c *Creation) check(created *Created, s *sums, temp string) error {
	switch {
	case c.Source.Distribution != "":
		created.Trust = Genuine // apt checks the signatures of its repositories
		return nil
	case c.Source.file != "-":
		file, err := absolute(c.Source.file)
		if err != nil {
			return err
		}
		k := &checker{file: file, keyring: c.Keyring, temp: temp}
		created.Trust, err = k.check(s)
		created.Notes = k.notes
		if err != nil {
			return err
		}
	}
	if c.Verify && created.Trust != Genuine {
		return errors.Join(append([]error{errors.New("no good signature was found beside the archive")}, asErrors(created.Notes)...)...)
	}
	return nil
}

func asErrors(notes []string) (errs []error) {
	for _, n := range notes {
		errs = append(errs, errors.New(n))
	}
	return errs
}

func absolute(file string) (string, error) {
	if path.IsAbs(file) {
		return file, nil
	}
	dir, err := os.Getwd()
	return path.Join(dir, file), err
}

// countingReader counts what is read, and computes its checksums.
type countingReader struct {
	in    io.Reader
	sum   io.Writer
	count *atomic.Int64
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	r.count.Add(int64(n))
	r.sum.Write(p[:n])
	return n, err
}
