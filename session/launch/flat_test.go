package launch

import (
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// newFlat returns an empty program and functions that add an operation with a
// name, one that succeeds and one that fails with EBADF.
func newFlat() (p *program, good, bad func(name string)) {
	p = &program{}
	good = func(name string) { p.add(name, unix.SYS_GETPID) }
	bad = func(name string) { p.add(name, unix.SYS_CLOSE, num(-1)) }
	return p, good, bad
}

// runNames runs p in place and returns the names of the operations that were
// executed: they put their results into registers.
func runNames(t *testing.T, p *program) (names []string) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const unset = 1 << 40
	for i := range p.ops {
		r := p.register()
		p.registers[r] = unset
		p.ops[i].out = int32(r)
	}
	p.runInPlace(0, func() {})
	for _, o := range p.ops {
		if p.registers[o.out] != unset {
			names = append(names, o.what())
		}
	}
	return names
}

// optional and ifSet skip exactly the operations of their bodies.
func TestSkips(t *testing.T) {
	for name, x := range map[string]struct {
		build func(p *program, good, bad func(string))
		want  []string
	}{
		"optional succeeds": {func(p *program, good, bad func(string)) {
			p.optional(func() { good("first"); good("second") })
			good("after")
		}, []string{"first", "second", "after"}},
		"optional fails": {func(p *program, good, bad func(string)) {
			p.optional(func() { bad("first"); good("second"); good("third") })
			good("after")
		}, []string{"first", "after"}},
		"only the first may fail": {func(p *program, good, bad func(string)) {
			p.optional(func() { good("first"); bad("second"); good("third") })
			good("after")
		}, []string{"first", "second"}},
		"nested": {func(p *program, good, bad func(string)) {
			p.optional(func() {
				good("first")
				p.optional(func() { bad("second"); good("third") })
				good("fourth")
			})
			good("after")
		}, []string{"first", "second", "fourth", "after"}},
		"outer fails": {func(p *program, good, bad func(string)) {
			p.optional(func() {
				bad("first")
				p.optional(func() { bad("second"); good("third") })
				good("fourth")
			})
			good("after")
		}, []string{"first", "after"}},
		"required": {func(p *program, good, bad func(string)) {
			p.optionalUnless(true, func() { bad("first"); good("second") })
			good("after")
		}, []string{"first"}},
		"register not set": {func(p *program, good, bad func(string)) {
			p.ifSet(p.register(), func() { good("first"); good("second") })
			good("after")
		}, []string{"after"}},
		"register set": {func(p *program, good, bad func(string)) {
			r := p.register()
			p.registers[r] = 3
			p.ifSet(r, func() { good("first"); good("second") })
			good("after")
		}, []string{"first", "second", "after"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, good, bad := newFlat()
			x.build(p, good, bad)
			if got := runNames(t, p); !slices.Equal(got, x.want) {
				t.Errorf("executed: %q, want %q", got, x.want)
			}
		})
	}
}

// The result that an operation must have is checked.
func TestResult(t *testing.T) {
	p, good, _ := newFlat()
	p.add("pid", unix.SYS_GETPID).result = unix.Getpid()
	p.add("other pid", unix.SYS_GETPID).result = unix.Getpid() + 1
	good("after")
	if got := runNames(t, p); !slices.Equal(got, []string{"pid", "other pid"}) || p.errno(1) != unix.EIO {
		t.Errorf("executed: %q, errno %v", got, p.errno(1))
	}
}

// Each operation belongs to the step that began last.
func TestSteps(t *testing.T) {
	c := &compiled{program: &program{}}
	for _, s := range []Step{StepMount, StepOverlay, StepMount, StepExecute} {
		c.beginStep(s)
		c.add("", unix.SYS_GETPID)
		c.add("", unix.SYS_GETPID)
	}
	for i, want := range []Step{StepMount, StepMount, StepOverlay, StepOverlay, StepMount, StepMount, StepExecute, StepExecute} {
		if got := c.stepOf(i); got != want {
			t.Errorf("operation %d: %v, want %v", i, got, want)
		}
	}
	if got := c.firstOf(StepExecute); got != 6 {
		t.Errorf("StepExecute begins at %d", got)
	}
}
