package grant

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"chrun/display/x11/hosts"
)

// steps are all at which a launch can be killed.
var steps = []string{"begun", "written", "done", "undo", "undone", "unlink", "unlinked"}

// Killed at any step, the next sweep leaves what was there.
func TestKilled(t *testing.T) {
	for _, step := range steps {
		for nth := range 2 {
			dir, grants := sockets(t, 2)
			run(t, "setfacl", "-m", "u:7:r", grants[1].ACL.Path)
			before := look(t, dir)
			j := open(t, dir)
			table, _ := realTable()
			p := start(t, part{Dir: j.dir, Grants: grants, Step: step, Nth: nth})
			p.ready()
			if killed := p.end(t); !killed && (nth == 0 || slices.Contains(steps[1:5], step)) {
				t.Fatalf("it was not killed at %s %d", step, nth)
			}
			granted := strings.Count(look(t, dir), "12345")
			if want := map[string]int{"written": nth, "done": nth + 1, "undo": 2 - nth, "undone": 1 - nth}[step]; granted != want {
				t.Errorf("killed at %s %d, %d are granted, want %d", step, nth, granted, want)
			}
			need(t, j.Sweep(table))
			if after := look(t, dir); after != before {
				t.Errorf("killed at %s %d: before\n%s\nafter\n%s", step, nth, before, after)
			}
			clean(t, dir)
			need(t, j.Sweep(table))
		}
	}
}

// Killed while the journal is written anew, the old one is still there.
func TestKilledRewriting(t *testing.T) {
	dir, grants := sockets(t, 2)
	before := look(t, dir)
	j := open(t, dir)
	table, _ := realTable()
	l := begin(t, j)
	for _, g := range grants {
		need(t, l.Grant(table, g))
	}
	f, err := j.create(l.name + fresh)
	need(t, err)
	f.WriteString("{")
	f.Close()
	need(t, l.Close())
	need(t, j.Sweep(table))
	if after := look(t, dir); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	clean(t, dir)
}

// Ten launches at once have what they need, and leave nothing.
func TestTen(t *testing.T) {
	dir, grants := sockets(t, 3)
	before := look(t, dir)
	j := open(t, dir)
	var all []*process
	for range 10 {
		all = append(all, start(t, part{Dir: j.dir, Grants: grants}))
	}
	for _, p := range all {
		if !p.ready() {
			t.Error("a launch has failed")
		}
	}
	if n := strings.Count(look(t, dir), "12345"); n != 3 {
		t.Errorf("%d are granted", n)
	}
	for _, i := range rand.Perm(10) {
		if i%2 == 0 {
			all[i].cmd.Process.Kill()
		}
		all[i].end(t)
	}
	table, _ := realTable()
	need(t, j.Sweep(table))
	if after := look(t, dir); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	clean(t, dir)
}

// Whatever overlaps and whoever is killed when: each has its grants as long as
// it lives, the person's own stay, and afterwards nothing is left.
func TestRandom(t *testing.T) {
	dir, grants := sockets(t, 4)
	run(t, "setfacl", "-m", "u:12345:rw,u:7:r", grants[0].ACL.Path)
	run(t, "setfacl", "-m", "u:7:r,g:8:rwx", grants[1].ACL.Path)
	before := look(t, dir)
	j := open(t, dir)
	table, _ := realTable()
	kills := map[string]int{}
	var live []*process
	end := func(p *process) {
		if p.end(t) {
			kills["all"]++
		}
	}
	for round := range 200 {
		for range 1 + rand.IntN(3) {
			p := part{Dir: j.dir}
			for _, i := range rand.Perm(4)[:1+rand.IntN(4)] {
				p.Grants = append(p.Grants, grants[i])
			}
			if rand.IntN(2) == 0 {
				p.Step, p.Nth = steps[rand.IntN(len(steps))], rand.IntN(3)
			}
			live = append(live, start(t, p))
		}
		for len(live) > rand.IntN(4) { // they end while others begin
			i := rand.IntN(len(live))
			p := live[i]
			live = slices.Delete(live, i, i+1)
			switch rand.IntN(3) {
			case 0:
				p.cmd.Process.Kill() // wherever it is
			case 1:
				p.ready()
			}
			end(p)
		}
		if round%10 < 9 {
			continue
		}
		for _, p := range live {
			end(p)
		}
		live = nil
		need(t, j.Sweep(table))
		if after := look(t, dir); after != before {
			t.Fatalf("round %d: before\n%s\nafter\n%s", round, before, after)
		}
		clean(t, dir)
	}
	t.Logf("%d were killed", kills["all"])
}

// A keeper continues the launch when its parent has been killed.
func TestKeeper(t *testing.T) {
	dir, grants := sockets(t, 1)
	before := look(t, dir)
	j := open(t, dir)
	table, _ := realTable()
	p := start(t, part{Dir: j.dir, Grants: grants, Keeper: "start"})
	if !p.ready() { // the keeper is
		t.Fatal("no keeper")
	}
	if state, _ := p.cmd.Process.Wait(); state.Exited() {
		t.Fatal(state)
	}
	need(t, j.Sweep(table))
	if got := look(t, dir); !strings.Contains(got, "12345") {
		t.Errorf("the keeper has lost it:\n%s", got)
	}
	p.stdin.Close()
	p.ready() // nothing comes: until the keeper has gone, its stdout stays open
	if after := look(t, dir); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	clean(t, dir)
}

// A launch that was swept cannot be resumed.
func TestResumeEnded(t *testing.T) {
	dir, _ := sockets(t, 1)
	j := open(t, dir)
	table, _ := realTable()
	l := begin(t, j)
	need(t, j.sweep(table, l.name))
	if again, err := j.Resume(l.File()); err == nil {
		t.Errorf("%v", again)
	}
	need(t, l.End(table)) // no more to do
}

// The other kind, on a real server, with the journal of a killed launch.
func TestHost(t *testing.T) {
	d, pid := xvfb(t)
	s, err := hosts.ServerOf(d, nil)
	need(t, err)
	if s.PID != pid {
		t.Fatalf("%+v, want pid %d", s, pid)
	}
	host := Grant{Kind: KindHost, Host: &Host{Display: d.String(), PID: s.PID, Start: s.Start, UID: 12345}}
	list := func() string { return run(t, "env", "DISPLAY="+d.String(), "xhost") }
	dir, grants := sockets(t, 1)
	j := open(t, dir)
	table, done := realTable()
	defer done()
	before := list()
	for _, step := range steps {
		p := start(t, part{Dir: j.dir, Grants: append(grants, host), Step: step})
		p.ready()
		if !p.end(t) {
			t.Errorf("not killed at %s", step)
		}
		if granted := strings.Contains(list(), "#12345"); granted && slices.Contains([]string{"begun", "written", "undone", "unlink", "unlinked"}, step) {
			t.Errorf("killed at %s, it is granted", step)
		}
		need(t, j.Sweep(table))
		if after := list(); after != before {
			t.Errorf("killed at %s: before\n%s\nafter\n%s", step, before, after)
		}
		clean(t, dir)
	}
	// The person's own stays; what is no longer this server is left alone.
	run(t, "env", "DISPLAY="+d.String(), "xhost", "+si:localuser:#12345")
	l := begin(t, j)
	need(t, l.Grant(table, host))
	need(t, l.End(table))
	if !strings.Contains(list(), "#12345") {
		t.Error("the person's own is gone")
	}
	run(t, "env", "DISPLAY="+d.String(), "xhost", "-si:localuser:#12345")
	l = begin(t, j)
	need(t, l.Grant(table, host))
	other := Grant{Kind: KindHost, Host: &Host{Display: d.String(), PID: s.PID, Start: s.Start + "0", UID: 12345}}
	need(t, table[KindHost].Undo(other))
	if !strings.Contains(list(), "#12345") {
		t.Error("another server's grant was undone in this one")
	}
	need(t, l.End(table))
	if after := list(); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	clean(t, dir)
}

// An undo in a server that does not answer is kept, one in a server that has
// ended is not.
func TestHostGone(t *testing.T) {
	d, pid := xvfb(t)
	s, err := hosts.ServerOf(d, nil)
	need(t, err)
	dir, _ := sockets(t, 1)
	j := open(t, dir)
	table, done := realTable()
	defer done()
	l := begin(t, j)
	need(t, l.Grant(table, Grant{Kind: KindHost, Host: &Host{Display: d.String(), PID: s.PID, Start: s.Start, UID: 12345}}))
	need(t, l.Close())
	run(t, "kill", "-STOP", fmt.Sprint(pid))
	if err := j.Sweep(table); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Error(err)
	}
	run(t, "kill", "-CONT", fmt.Sprint(pid))
	need(t, j.Sweep(table))
	clean(t, dir)
	l = begin(t, j)
	need(t, l.Grant(table, Grant{Kind: KindHost, Host: &Host{Display: d.String(), PID: s.PID, Start: s.Start, UID: 12345}}))
	need(t, l.Close())
	run(t, "kill", "-KILL", fmt.Sprint(pid))
	need(t, untilGone(pid))
	need(t, j.Sweep(table))
	clean(t, dir)
}
