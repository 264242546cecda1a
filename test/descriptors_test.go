package test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"chrun/internal/headless"
)

// secretNumber is the descriptor of root's secret.
const secretNumber = 9

// thief takes that descriptor from each new process that lets it (pidfd_open(2),
// pidfd_getfd(2)), until it reads the secret there (pread(2)).
const thief = `$| = 1; opendir D, "/proc"; my %old = map { $_ => 1 } readdir D; print "ready\n";
while (1) {
	rewinddir D;
	for my $pid (grep { /^\d/ && !$old{$_} } readdir D) {
		my $process = syscall 434, $pid + 0, 0;
		next if $process < 0;
		my $fd = syscall 438, $process, $ARGV[0] + 0, 0;
		my $text = "\0" x 64;
		if ($fd >= 0 && syscall(17, $fd, $text, 64, 0) > 0 && $text =~ /secret/) { print "stolen from $pid\n"; exit }
		require POSIX; POSIX::close($_) for grep { $_ >= 0 } $process, $fd;
	}
}`

// The desktop user gets no descriptor of root's shell from a process that root starts
// with the user's rights. Root inside inherits them, as it would without chrun.
func TestRootsDescriptors(t *testing.T) {
	d := openSudo(t, headless.Options{Bus: true})
	file := filepath.Join(d.dir, "secret")
	if err := os.WriteFile(file, []byte("secret of root\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	secret, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer secret.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	steal := d.Command(ctx, "perl", "-e", thief, strconv.Itoa(secretNumber))
	var stolen safeBuffer
	steal.Stdout, steal.Stderr = &stolen, &stolen
	if err := steal.Start(); err != nil {
		headless.Must(t, "desktop", err)
	}
	defer func() { cancel(); steal.Wait() }()
	waitFor(t, 20*time.Second, "the thief", func() bool { return strings.HasPrefix(stolen.String(), "ready\n") })
	const script = `gdbus call --session -d org.freedesktop.DBus -o / -m org.freedesktop.DBus.GetId >/dev/null; cat <&9`
	for _, id := range []struct {
		name     string
		flags    []string
		inherits bool
	}{{"user", []string{"-C", "/"}, false}, {"grant", grantFlags, false}, {"root", []string{"-u", "root", "-C", "/"}, true}} {
		for range 3 {
			cmd := d.asRoot(ctx, chrunProgram, append(append([]string{"-q", "-c", d.chroot}, id.flags...), "bash", "-c", script)...)
			cmd.ExtraFiles = make([]*os.File, secretNumber-2)
			cmd.ExtraFiles[secretNumber-3] = secret
			secret.Seek(0, 0)
			if r := runCommand(cmd); strings.Contains(r.stdout, "secret of root") != id.inherits {
				t.Errorf("%s: inherits the descriptor: %v: %+v", id.name, !id.inherits, r)
			}
			if text := strings.TrimPrefix(stolen.String(), "ready\n"); text != "" {
				t.Fatalf("%s: the desktop user has %s", id.name, text)
			}
		}
	}
	// Root without a desktop user inherits them too.
	bare := exec.CommandContext(ctx, "setsid", "-w", chrunProgram, "-q", "-c", d.chroot, "-C", "/", "bash", "-c", "cat <&9")
	bare.Env, bare.Dir = bareRoot[2:], "/"
	bare.ExtraFiles = make([]*os.File, secretNumber-2)
	bare.ExtraFiles[secretNumber-3] = secret
	secret.Seek(0, 0)
	if r := runCommand(bare); r.stdout != "secret of root" {
		t.Errorf("root without a desktop user: %+v", r)
	}
}
