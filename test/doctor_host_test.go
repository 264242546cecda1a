package test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"chrun/internal/doctor/report"
	"chrun/internal/headless"
)

// ownEtc makes changes of the room's /etc invisible outside.
const ownEtc = "mkdir $D/etc $D/etcwork; mount -t overlay -o lowerdir=/etc,upperdir=$D/etc,workdir=$D/etcwork overlay /etc\n"

// What the host lacks for subordinate IDs is named, with the command that mends it.
func TestDoctorHostIDs(t *testing.T) {
	headless.Root(t)
	d := openDesktop(t, headless.Options{Compositor: "weston", Bus: true})
	tree := d.mountSubordinateTree()
	for _, c := range []roomCase{
		{"no newuidmap", "mount --bind /dev/null /usr/bin/newuidmap", []string{tree},
			"host", "no-newuidmap", []string{"launch"}, "sudo * uidmap", "umount /usr/bin/newuidmap"},
		{"no newgidmap", "mount --bind /dev/null /usr/bin/newgidmap", []string{tree},
			"host", "no-newuidmap", []string{"launch"}, "sudo * uidmap", "umount /usr/bin/newgidmap"},
		{"not setuid", "cp /usr/bin/newuidmap $D/program; mount --bind $D/program /usr/bin/newuidmap", []string{tree},
			"host", "mapper-mode", []string{"launch"}, "sudo chmod u+s /usr/bin/newuidmap", ""},
		{"no range", ownEtc + "sed -i /^$USERNAME:/d /etc/subuid /etc/subgid", []string{"--", "-c", tree, "-u", "root", "true"},
			"host", "no-subids", []string{"launch"}, "sudo usermod --add-subuids * USERNAME", ""},
		{"no range, own account", ownEtc + "sed -i /^$USERNAME:/d /etc/subuid /etc/subgid", []string{tree},
			"host", "no-subids", nil, "sudo usermod --add-subuids * USERNAME", ""},
		{"another range", ownEtc + "sed -i s/^$USERNAME:.*/$USERNAME:900000:65536/ /etc/subuid /etc/subgid", []string{tree},
			"host", "no-subids", nil, "sudo usermod --add-subuids * USERNAME", ""},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, d) })
	}
	t.Run("somebody's", func(t *testing.T) {
		r := d.openRoom(t, ownEtc+"sed -i s/^$USERNAME:/daemon:/ /etc/subuid /etc/subgid")
		if f := failures(r.doctor(tree)); len(f) > 0 {
			t.Errorf("the IDs of another user are offered:\n%s", strings.Join(f, "\n"))
		}
	})
}

// Switches that forbid user namespaces are named, also for the sandboxes of browsers.
func TestDoctorNamespaces(t *testing.T) {
	headless.Root(t)
	d := openDesktop(t, headless.Options{Compositor: "weston", Bus: true})
	t.Run("max_user_namespaces", func(t *testing.T) {
		r := d.openRoom(t, "")
		// The switch belongs to a user namespace, so it has one of its own here.
		r.enter = append(r.enter, asUser(d.User)...)
		line := func(words string) string {
			return "echo 0 >/proc/sys/user/max_user_namespaces; " + words + " setpriv --inh-caps -all --ambient-caps -all " + chrunctlProgram + " doctor --json " + r.tree
		}
		run := func(words string) report.Report {
			return readReport(t, r.runPlain("unshare", "--user", "--map-current-user", "--keep-caps", "sh", "-c", line(words)))
		}
		command := wantFault(t, run(""), "host", "user.max_user_namespaces", "launch")
		if command != "sudo sysctl user.max_user_namespaces=15000" {
			t.Errorf("%q", command)
		}
		if f := failures(run("PATH=$PATH:/usr/sbin:/sbin " + strings.TrimPrefix(command, "sudo ") + " >/dev/null;")); len(f) > 0 {
			t.Errorf("after %s:\n%s", command, strings.Join(f, "\n"))
		}
	})
	t.Run("refused", func(t *testing.T) {
		r := d.openRoom(t, "")
		rep := r.behindFilter(unix.EPERM, true)
		command := wantFault(t, rep, "host", "userns-refused", "launch")
		if command != "sudo chrun --chroot="+r.tree {
			t.Errorf("%q", command)
		}
		r.typeLine(command)
	})
	t.Run("missing", func(t *testing.T) {
		r := d.openRoom(t, "")
		wantFault(t, r.behindFilter(unix.ENOSYS, true), "host", "no-clone3", "launch")
	})
	for name, value := range map[string]string{"kernel.unprivileged_userns_clone": "0", "kernel.apparmor_restrict_unprivileged_userns": "1"} {
		t.Run(name, func(t *testing.T) { // this kernel need not have the switch
			file := "/proc/sys/" + strings.ReplaceAll(name, ".", "/")
			r := d.openRoom(t, "cp -r /proc/sys/kernel $D/kernel 2>/dev/null || true; chmod -R a+rX $D/kernel; mount --bind $D/kernel /proc/sys/kernel; echo "+value+" >"+file)
			command := wantFault(t, r.behindFilter(unix.EPERM, true), "host", name, "launch")
			if again := wantFault(t, r.behindFilter(unix.EPERM, false), "sandbox", name); again != command {
				t.Errorf("%q and %q", command, again)
			}
			r.typeLine(command)
			if res := r.run(true, "cat", file); res.stdout == value {
				t.Errorf("%s is still %s after %s", name, value, command)
			}
			wantFault(t, r.behindFilter(unix.EPERM, true), "host", "userns-refused", "launch")
		})
	}
	t.Run("in a chroot", func(t *testing.T) {
		r := d.openRoom(t, `mkdir -p $D/outer/inner $D/outer/proc $D/outer/etc $D/outer/tmp
mount --bind $D/tree $D/outer/inner
mount -t proc proc $D/outer/proc
cp /etc/passwd /etc/group $D/outer/etc
install -d -o $USERNAME $D/outer$HOME
cp `+chrunProgram+` `+chrunctlProgram+` $D/outer`)
		ids := fmt.Sprintf("--userspec=%d:%d", d.User.UID, d.User.GID)
		rep := readReport(t, r.run(true, "chroot", ids, "--groups=", r.dir+"/outer", "/chrunctl", "doctor", "--json", "/inner"))
		wantFault(t, rep, "host", "in-chroot", "launch")
		for _, words := range [][]string{{ids, "--groups="}, nil} { // and so says chrun, also to root
			res := r.run(true, append(append([]string{"chroot"}, words...), r.dir+"/outer", "/chrun", "-c", "/inner", "true")...)
			if res.code != 125 || !strings.Contains(res.stderr, "hint: this is a chroot already") || strings.Contains(res.stderr, "sudo") {
				t.Errorf("%+v", res)
			}
		}
	})
	t.Run("nested", func(t *testing.T) {
		r := d.openRoom(t, "")
		rep := r.behindFilter(unix.EPERM, false)
		wantFault(t, rep, "sandbox", "sandbox-refused")
		if _, ok := find(rep, "sandbox", "no-new-privileges"); !ok {
			t.Error("no_new_privs is not named")
		}
	})
}

// runPlain runs words in the room with the rights that r.enter gives.
func (r *room) runPlain(words ...string) result { return r.run(true, words...) }

// behindFilter runs the doctor where a seccomp filter refuses user namespaces: with
// clone(2) and unshare(2), and if whole is set, with clone3(2), for whatever it is
// called.
func (r *room) behindFilter(errno unix.Errno, whole bool) report.Report {
	r.t.Helper()
	refuse := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0x00050000 | uint32(errno)} // SECCOMP_RET_ERRNO
	clone3 := uint32(unix.SYS_CLONE3)
	if !whole {
		clone3 = 1 << 30
	}
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: clone3, Jt: 5},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_CLONE, Jt: 1},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_UNSHARE, Jf: 2},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 16}, // its first argument
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: unix.CLONE_NEWUSER, Jt: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0x7fff0000}, // SECCOMP_RET_ALLOW
		refuse,
	}
	file := filepath.Join(r.dir, "..", fmt.Sprintf("filter-%d", os.Getpid()))
	f, err := os.Create(file)
	if err == nil {
		err = binary.Write(f, binary.NativeEndian, filter)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	defer os.Remove(file)
	f.Close()
	return readReport(r.t, r.run(false, "sh", "-c", `exec bwrap --dev-bind / / --seccomp 3 "$@" 3<`+file, "sh", chrunctlProgram, "doctor", "--json", r.tree))
}

// What was left behind, and what is unusual on the host, is told with a command.
func TestDoctorNotes(t *testing.T) {
	headless.Root(t)
	d := openDesktop(t, headless.Options{Compositor: "weston", Bus: true})
	const ownHome = "mkdir -m 700 $D/home; chown $USERNAME $D/home; mount --bind $D/home $HOME\n"
	user := "setpriv --reuid " + fmt.Sprint(d.User.UID) + " --regid " + fmt.Sprint(d.User.GID) + " --init-groups "
	ctl := user + chrunctlProgram
	entry := `printf '[Desktop Entry]\nType=Application\nName=%s\nExec=true\n' Foo >$D/tree/usr/share/applications/foo.desktop` + "\n"
	exported := ownHome + entry + "{ " + ctl + " add box $D/tree; " + ctl + " export box foo; } >/dev/null\n"
	for _, c := range []noteCase{
		{"private mounts", ownHome, "host", "mounts-private", "sudo mount --make-shared *", ""},
		{"another chrun", ownHome + `mkdir $D/bin; printf '#!/bin/sh\necho chrun 0.1\n' >$D/bin/chrun; chmod 755 $D/bin/chrun`, "host", "other-chrun", "sudo install -m 755 * $D/bin/chrun", ""},
		{"a chrun that hangs", ownHome + `mkdir $D/bin; printf '#!/bin/sh\nexec sleep 100\n' >$D/bin/chrun; chmod 755 $D/bin/chrun`, "host", "other-chrun", "sudo install -m 755 * $D/bin/chrun", ""},
		{"clock", ownHome + "touch -d 'now + 3 days' $D/tree/etc/passwd", "host", "clock", "sudo *", "touch $D/tree/etc/passwd"},
		{"export out of date", exported + "rm $D/tree/usr/share/applications/foo.desktop", "records", "export-stale", "chrunctl sync box", ""},
		{"export of a chroot that is gone", exported + "rm $D/home/.config/chrun/chroots/*", "records", "export-forgotten", "chrunctl sync box", ""},
		{"half-made tree", ownHome + user + `sh -c 'mkdir -p ~/.local/state/chrun/growing ~/.x.creating; printf "%s\0" ~/.x.creating >~/.local/state/chrun/growing/1'`, "records", "tree-left", "chrunctl gc", ""},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, d) })
	}
	t.Run("stale journal", func(t *testing.T) {
		r := d.openRoom(t, `mount -t tmpfs -o mode=700 tmpfs /run/chrun || { mkdir -m 700 /run/chrun; mount -t tmpfs -o mode=700 tmpfs /run/chrun; }
mkdir -m 700 /run/chrun/journal; umask 077
echo '{"kind":"host","host":{"display":":9777","pid":4194000,"start":"1","uid":54321}}' >/run/chrun/journal/launch-0123456789abcdef`)
		doctor := func() report.Report {
			return readReport(t, r.run(true, chrunctlProgram, "doctor", "--json", r.tree))
		}
		command := wantNote(t, doctor(), "records", "journal-stale")
		if command != "sudo chrunctl gc" {
			t.Errorf("%q", command)
		}
		r.typeLine(command)
		if c, still := find(doctor(), "records", "journal-stale"); still {
			t.Errorf("%+v", c)
		}
	})
}
