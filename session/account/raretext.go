package account

import "bytes"

// rareText is a text, not empty, that is searched for by what in it is rarest in the
// file: a byte that seems not to occur, else three bytes, or two of a text of two.
// bytes.Contains begins with the first byte, and all lines are full of colons and digits.
type rareText struct {
	text  []byte
	at    int  // the index of what is rarest
	alone bool // whether that is one byte
}

// newRareText looks at a sample of the file.
func newRareText(text string, sample []byte) rareText {
	sample = sample[max(0, len(sample)-2048):] // of people rather than of system accounts
	t := rareText{text: []byte(text), alone: len(text) == 1}
	fewest := len(sample) + 1
	for i := range len(text) - 2 {
		if n := bytes.Count(sample, t.text[i:i+3]); n < fewest {
			t.at, fewest = i, n
		}
	}
	for i, c := range t.text {
		if bytes.IndexByte(sample, c) < 0 {
			t.at, t.alone = i, true
		}
	}
	return t
}

func (t rareText) isIn(data []byte) bool {
	if t.alone {
		return t.isInByByte(data)
	}
	rarest := t.text[t.at:min(t.at+3, len(t.text))]
	for block := 0; ; block += blockSize {
		block += skipBlocks(data[block:], rarest)
		if bytes.Contains(data[max(0, block-t.at):min(len(data), block+blockSize+len(t.text))], t.text) {
			return true
		}
		if len(data)-block < blockSize+2 {
			return false
		}
	}
}

const blockSize = 16

// skipBlocks returns the index of the first block of 16 bytes in which a text of two or
// three bytes begins, or of the first that fewer than two bytes follow: it looks at no
// such block. In Go, by words of 64 bits, it would take twice as long.
//
//go:noescape
func skipBlocks(data, text []byte) int

func (t rareText) isInByByte(data []byte) bool {
	for i := t.at; i < len(data); i++ {
		n := bytes.IndexByte(data[i:], t.text[t.at])
		if n < 0 {
			return false
		}
		if i += n; bytes.HasPrefix(data[i-t.at:], t.text) {
			return true
		}
	}
	return false
}
