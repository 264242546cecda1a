// Package inside is the part of chrunctl doctor that runs in the chroot, as the program
// of a launch like any other. It does what programs do there and reports what
// happened. It needs nothing of the chroot, writes nothing that stays, and trusts
// nothing that it reads there.
package inside

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"chrun/internal/doctor/report"
	"chrun/session"
)

// Input is what the doctor tells its part in the chroot, as JSON on its stdin.
type Input struct {
	Features []string // the rows that are wanted
	Shared   []string // the features of which the launch shares something
	Programs []string // the candidates for COMMAND
	Sound    bool     // play a tone
	Net      bool     // ask a name server
	Home     string   // inside
	Tree     string   // the chroot, on the host
	User     string   // on the host
	GPU      []Node   // that the launch shares
	Devices  []Node   // game controllers and cameras of the host
	// Same are files that must be the same on the host and inside.
	Same []SameFile
	// NvidiaHost is the version of the host's NVIDIA driver, "" if there is none.
	NvidiaHost string

	Denied    []string        // the features that the person does not want
	Caller    session.Environ // some variables outside
	MachineID string          // the host's, "" if it has none
	HomeHost  string          // Home on the host, "" if the host has none

	HostResolv bool // the host has an /etc/resolv.conf

	Env session.Environ `json:"-"` // of the program
}

// SameFile is a file that is shared, with its identity on the host.
type SameFile struct {
	Path          string // inside
	Device, Inode uint64 // as statx(2) gives them
}

// Node is a device node.
type Node struct {
	Path  string
	Group string // of the host that may open it, "" if it has no name
}

// shares reports whether the launch shares something of a feature.
func (in *Input) shares(feature string) bool { return slices.Contains(in.Shared, feature) }

// denies reports whether the person does not want a feature.
func (in *Input) denies(feature string) bool { return slices.Contains(in.Denied, feature) }

// Event is one line of the answer. Probe begins, with Check nil; makes checks; ends.
type Event struct {
	Probe string
	End   bool          `json:",omitempty"`
	Check *report.Check `json:",omitempty"`
}

// probe answers for one row of the table.
type probe struct {
	row string
	// run makes the checks. What waits for others ends with ctx.
	run func(ctx context.Context, in *Input, add func(...report.Check))
}

// Limit is how long a probe may wait for a server, and Grace how much longer for all
// of them the doctor waits: a file system that does not answer stops a probe for good.
const (
	Limit = 2 * time.Second
	Grace = time.Second
)

// Main runs the probes, all at the same time, and returns the exit status.
func Main(stdin io.Reader, stdout io.Writer, env session.Environ) int {
	var in Input
	if err := json.NewDecoder(io.LimitReader(stdin, 1<<20)).Decode(&in); err != nil {
		return 125
	}
	in.Env = env
	ctx, cancel := context.WithTimeout(context.Background(), Limit)
	defer cancel()
	var lock sync.Mutex
	encoder := json.NewEncoder(stdout)
	send := func(e Event) {
		lock.Lock()
		defer lock.Unlock()
		_ = encoder.Encode(e) // nobody reads any more: the doctor has ended
	}
	var group sync.WaitGroup
	for _, p := range probes {
		if !slices.Contains(in.Features, p.row) {
			continue
		}
		send(Event{Probe: p.row})
		group.Go(func() {
			defer send(Event{Probe: p.row, End: true})
			defer func() {
				if r := recover(); r != nil {
					c := report.Bad(p.row, report.Answers, "probe", fmt.Sprintf("the doctor failed: %v", r))
					send(Event{Probe: p.row, Check: &c})
				}
			}()
			p.run(ctx, &in, func(checks ...report.Check) {
				for _, c := range checks {
					send(Event{Probe: p.row, Check: &c})
				}
			})
		})
	}
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(Limit + Grace):
	}
	return 0
}
