package grant

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// steps are the steps at which a launch can be killed.
var steps = []string{"begun", "recorded", "applied", "revoke", "revoked", "unlink", "unlinked"}

// At whatever step a launch is killed, the next sweep restores the sockets.
func TestKilled(t *testing.T) {
	for _, step := range steps {
		for nth := range 2 {
			t.Run(fmt.Sprint(step, nth), func(t *testing.T) { testKilled(t, step, nth) })
		}
	}
}

func testKilled(t *testing.T, step string, nth int) {
	dir, grants := listenSockets(t, 2)
	run(t, "setfacl", "-m", "u:7:r", grants[1].ACL.Path)
	before := readSockets(t, dir)
	j := openJournal(t, dir)
	table := realTable()
	p := start(t, testLaunch{Dir: j.dir, Grants: grants, Step: step, Nth: nth})
	p.ready()
	if killed := p.end(t); !killed && (nth == 0 || slices.Contains(steps[1:5], step)) {
		t.Fatal("it was not killed")
	}
	expectGranted(t, dir, map[string]int{"recorded": nth, "applied": nth + 1, "revoke": 2 - nth, "revoked": 1 - nth}[step])
	must(t, j.Sweep(table))
	expectSockets(t, dir, before, "after the sweep")
	expectEmpty(t, dir)
	must(t, j.Sweep(table))
}

// A launch that is killed while it rewrites its file leaves the old one in place.
func TestKilledRewriting(t *testing.T) {
	dir, grants := listenSockets(t, 2)
	before := readSockets(t, dir)
	j := openJournal(t, dir)
	table := realTable()
	l := beginLaunch(t, j)
	for _, g := range grants {
		must(t, l.Grant(table, g))
	}
	f, err := j.create(l.name + newSuffix)
	must(t, err)
	f.WriteString("{")
	f.Close()
	must(t, l.Close())
	must(t, j.Sweep(table))
	expectSockets(t, dir, before, "afterwards")
	expectEmpty(t, dir)
}

// Ten concurrent launches all have their grants, and leave nothing behind.
func TestConcurrent(t *testing.T) {
	dir, grants := listenSockets(t, 3)
	before := readSockets(t, dir)
	j := openJournal(t, dir)
	var all []*process
	for range 10 {
		all = append(all, start(t, testLaunch{Dir: j.dir, Grants: grants}))
	}
	for _, p := range all {
		if !p.ready() {
			t.Error("a launch failed")
		}
	}
	expectGranted(t, dir, 3)
	for _, i := range rand.Perm(10) {
		if i%2 == 0 {
			all[i].cmd.Process.Kill()
		}
		all[i].end(t)
	}
	table := realTable()
	must(t, j.Sweep(table))
	expectSockets(t, dir, before, "afterwards")
	expectEmpty(t, dir)
}

// However launches overlap and whenever they are killed, each has its grants as
// long as it lives, the user's own entries stay, and nothing is left behind.
func TestRandom(t *testing.T) {
	dir, grants := listenSockets(t, 4)
	run(t, "setfacl", "-m", "u:12345:rw,u:7:r", grants[0].ACL.Path)
	run(t, "setfacl", "-m", "u:7:r,g:8:rwx", grants[1].ACL.Path)
	before := readSockets(t, dir)
	j := openJournal(t, dir)
	table := realTable()
	killed := 0
	var live []*process
	end := func(p *process) {
		if p.end(t) {
			killed++
		}
	}
	for round := range 200 {
		for range 1 + rand.IntN(3) {
			p := testLaunch{Dir: j.dir}
			for _, i := range rand.Perm(4)[:1+rand.IntN(4)] {
				p.Grants = append(p.Grants, grants[i])
			}
			if rand.IntN(2) == 0 {
				p.Step, p.Nth = steps[rand.IntN(len(steps))], rand.IntN(3)
			}
			live = append(live, start(t, p))
		}
		for len(live) > rand.IntN(4) { // some are still alive when others begin
			i := rand.IntN(len(live))
			p := live[i]
			live = slices.Delete(live, i, i+1)
			switch rand.IntN(3) {
			case 0:
				p.cmd.Process.Kill() // at any step
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
		must(t, j.Sweep(table))
		expectSockets(t, dir, before, fmt.Sprintf("after round %d", round))
		expectEmpty(t, dir)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d were killed", killed)
}

// A helper process continues the launch after its parent was killed.
func TestHelper(t *testing.T) {
	dir, grants := listenSockets(t, 1)
	before := readSockets(t, dir)
	j := openJournal(t, dir)
	table := realTable()
	p := start(t, testLaunch{Dir: j.dir, Grants: grants, Helper: "start"})
	if !p.ready() {
		t.Fatal("the helper did not start")
	}
	if state, _ := p.cmd.Process.Wait(); state.Exited() {
		t.Fatal(state)
	}
	must(t, j.Sweep(table))
	expectGranted(t, dir, 1)
	p.stdin.Close()
	p.ready() // reads the end of file that comes when the helper has ended
	expectSockets(t, dir, before, "afterwards")
	expectEmpty(t, dir)
}

// A launch cannot be resumed after a sweep has ended it.
func TestResumeEnded(t *testing.T) {
	dir, _ := listenSockets(t, 1)
	j := openJournal(t, dir)
	table := realTable()
	l := beginLaunch(t, j)
	must(t, j.sweep(table, l.name))
	if again, err := j.Resume(l.File()); err == nil {
		t.Errorf("%v", again)
	}
	must(t, l.End(table)) // nothing left to revoke
}

// Sweeps revoke entries in the host list of a real X server.
func TestHost(t *testing.T) {
	d, s, pid := startXvfb(t)
	if s.PID != pid {
		t.Fatalf("%+v, want pid %d", s, pid)
	}
	host := Grant{Kind: KindHost, Host: &Host{Display: d.String(), PID: s.PID, Start: s.Start, UID: grantee}}
	list := func() string { return run(t, "env", "DISPLAY="+d.String(), "xhost") }
	dir, grants := listenSockets(t, 1)
	j := openJournal(t, dir)
	table := realTable()
	before := list()
	for _, step := range steps {
		p := start(t, testLaunch{Dir: j.dir, Grants: append(grants, host), Step: step})
		p.ready()
		if !p.end(t) {
			t.Errorf("it was not killed at %s", step)
		}
		if granted := strings.Contains(list(), "#12345"); granted && slices.Contains([]string{"begun", "recorded", "revoked", "unlink", "unlinked"}, step) {
			t.Errorf("killed at %s, access is granted", step)
		}
		must(t, j.Sweep(table))
		if after := list(); after != before {
			t.Errorf("killed at %s: before\n%s\nafter\n%s", step, before, after)
		}
		expectEmpty(t, dir)
	}
	// The user's own entry stays, and so does one in a server with another start
	// time.
	run(t, "env", "DISPLAY="+d.String(), "xhost", "+si:localuser:#12345")
	l := beginLaunch(t, j)
	must(t, l.Grant(table, host))
	must(t, l.End(table))
	if !strings.Contains(list(), "#12345") {
		t.Error("the user's own entry was removed")
	}
	run(t, "env", "DISPLAY="+d.String(), "xhost", "-si:localuser:#12345")
	l = beginLaunch(t, j)
	must(t, l.Grant(table, host))
	other := Grant{Kind: KindHost, Host: &Host{Display: d.String(), PID: s.PID, Start: s.Start + "0", UID: grantee}}
	must(t, table[KindHost].Revoke(other))
	if !strings.Contains(list(), "#12345") {
		t.Error("another server's grant was revoked in this one")
	}
	must(t, l.End(table))
	if after := list(); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	expectEmpty(t, dir)
}

// A grant in a server that does not answer stays in the journal, one in a server
// that has ended does not.
func TestUnresponsiveHost(t *testing.T) {
	d, s, pid := startXvfb(t)
	dir, _ := listenSockets(t, 1)
	j := openJournal(t, dir)
	table := realTable()
	l := beginLaunch(t, j)
	must(t, l.Grant(table, Grant{Kind: KindHost, Host: &Host{Display: d.String(), PID: s.PID, Start: s.Start, UID: grantee}}))
	must(t, l.Close())
	run(t, "kill", "-STOP", fmt.Sprint(pid))
	if err := j.Sweep(table); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Error(err)
	}
	run(t, "kill", "-CONT", fmt.Sprint(pid))
	must(t, j.Sweep(table))
	expectEmpty(t, dir)
	l = beginLaunch(t, j)
	must(t, l.Grant(table, Grant{Kind: KindHost, Host: &Host{Display: d.String(), PID: s.PID, Start: s.Start, UID: grantee}}))
	must(t, l.Close())
	run(t, "kill", "-KILL", fmt.Sprint(pid))
	must(t, waitDead(pid))
	must(t, j.Sweep(table))
	expectEmpty(t, dir)
}
