package headless

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// rate is the sample rate of every Sound, in Hz.
const rate = 48000

// Sound is one channel of samples.
type Sound []int16

// Tone returns a sine wave; volume 1 is the maximum. It fades in and out for a
// tenth of its length each, so that it does not click.
func Tone(hertz float64, length time.Duration, volume float64) Sound {
	s := make(Sound, int(length.Seconds()*rate))
	for i := range s {
		edge := min(i, len(s)-i)
		fade := min(1, float64(edge)*10/float64(len(s)))
		s[i] = int16(math.MaxInt16 * volume * fade * math.Sin(2*math.Pi*hertz*float64(i)/rate))
	}
	return s
}

// Loudness returns the root mean square of the samples: 0 is silence, 1 the
// maximum.
func (s Sound) Loudness() float64 {
	sum := 0.0
	for _, v := range s {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum/float64(max(1, len(s)))) / math.MaxInt16
}

// Share returns the share of the sound's energy, 0 to 1, at a frequency, which
// tells a tone from other sound. It works on windows of a tenth of a second,
// because gaps in the recording shift the tone's phase.
func (s Sound) Share(hertz float64) float64 {
	const window = rate / 10
	tone, all := 0.0, 0.0
	for ; len(s) >= window; s = s[window:] {
		var re, im float64
		for i, v := range s[:window] {
			sin, cos := math.Sincos(2 * math.Pi * hertz * float64(i) / rate)
			re += float64(v) * cos
			im += float64(v) * sin
			all += float64(v) * float64(v)
		}
		tone += 2 * (re*re + im*im) / window
	}
	if all == 0 {
		return 0
	}
	return tone / all
}

// WAV returns the sound as a WAV file: 16 bits, one channel.
func (s Sound) WAV() []byte {
	var b bytes.Buffer
	put := func(fields ...any) {
		for _, f := range fields {
			binary.Write(&b, binary.LittleEndian, f)
		}
	}
	size := uint32(2 * len(s))
	put([]byte("RIFF"), 36+size, []byte("WAVEfmt "), uint32(16), uint16(1), uint16(1),
		uint32(rate), uint32(2*rate), uint16(2), uint16(16), []byte("data"), size, []byte(s.bytes()))
	return b.Bytes()
}

func (s Sound) bytes() []byte {
	b := make([]byte, 0, 2*len(s))
	for _, v := range s {
		b = binary.LittleEndian.AppendUint16(b, uint16(v))
	}
	return b
}

// Record records what the default sink plays while f runs. f is called once the
// recorder receives samples. Record waits for the sink's and the recorder's
// buffers after f.
func (s *Session) Record(f func() error) (Sound, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := s.Command(ctx, "parec", "--device=@DEFAULT_MONITOR@", "--raw", "--format=s16le",
		"--channels=1", fmt.Sprintf("--rate=%d", rate), "--latency-msec=20")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	var data bytes.Buffer
	recording, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		if n, _ := io.CopyN(&data, out, 1); n == 1 {
			close(recording)
			io.Copy(&data, out)
		}
	}()
	select {
	case <-recording:
		err = f()
		time.Sleep(200 * time.Millisecond) // length of the buffers
	case <-ended:
		err = errors.New("cannot record the sink's monitor")
	case <-time.After(startTimeout):
		err = errors.New("cannot record the sink's monitor: it sends no samples")
	}
	cancel()
	<-ended
	cmd.Wait()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	sound := make(Sound, data.Len()/2)
	for i := range sound {
		sound[i] = int16(binary.LittleEndian.Uint16(data.Bytes()[2*i:]))
	}
	return sound, nil
}
