package test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"chrun/internal/headless"
	"chrun/session"
)

const wikiPage = "../docs/from-the-wiki.md"

// wikiBlock says how a code block of the page is run. Without run, the user types its
// lines in the home: on a terminal if there are keys. before and after are scripts of
// root, with the function me for commands of the user. @USER and the like stand
// for what fill knows.
type wikiBlock struct {
	first  string // the block's first line
	before string
	keys   []string // texts to wait for, each with what is typed then
	want   []string // in the output
	after  string   // fails if something is wrong
	run    func(w *wiki, block string)
}

var wikiBlocks = []wikiBlock{
	{first: "sudo chrun -c /mnt/mychroot -u root emerge --ask firefox-bin",
		before: `mkdir /mnt/mychroot; tar xpf @HOME/stage3-*.tar.xz --xattrs-include='*.*' --numeric-owner -C /mnt/mychroot
cd /mnt/mychroot
mount --rbind /dev dev; mount --make-rslave dev; mount -t proc /proc proc; mount --rbind /sys sys; mount --make-rslave sys; mount --rbind /tmp tmp; mount --bind /run run`,
		want: append(works, "emerge --ask firefox-bin by 0 with PATH=", ":/opt/bin\n", "@RESOLV.CONF", "I am @USER @UID"), after: "umount -l /mnt/mychroot/{dev,sys,tmp,proc,run}"},
	{first: "sudo chrunctl add mychroot /mnt/mychroot", want: []string{"mychroot is /mnt/mychroot", "I am @USER @UID", "env-update by 0"}},
	{first: "chrunctl create gentoo --from stage3-*.tar.xz", want: []string{"gentoo is ready"},
		after: `test "$(find @HOME/.local/share/chrun/trees/gentoo -user @USER -not -path '*/home/*')" = ""`}, // what a quota counts
	{first: "sudo chrunctl create shared --public --from stage3-*.tar.xz", want: append(works, "shared is ready: /var/lib/chrun/shared", "I am @USER @UID")},
	{first: "udisksctl mount -b /dev/sdb2", before: "mkdir /mnt/disk; mount @PARTITION /mnt/disk; cp -a /mnt/mychroot/. /mnt/disk; umount /mnt/disk",
		want: append(works, "Mounted /dev/sdb2 at /run/media/@USER/gentoo", "I am @USER @UID")},
	{first: "chrunctl ps disk", want: []string{"nothing is seen to run", "disk is no longer configured", "Unmounted /dev/sdb2"}},
	{first: "chrun -n -c gentoo", want: []string{"/dev", "/proc", "/sys", "/tmp", "/etc/resolv.conf"}},
	{first: "chrun -c gentoo -u root tee /etc/portage/make.conf </etc/portage/make.conf", want: []string{"HOST=1", "emerge-webrsync by 0", "emerge --ask firefox-bin by 0", "@RESOLV.CONF"},
		after: "cmp /etc/portage/make.conf @HOME/.local/share/chrun/trees/gentoo/etc/portage/make.conf"},
	{first: "chrun -c gentoo", keys: []string{"$ ", "id; exit", "# ", "id; exit"}, want: []string{"(gentoo)", "uid=@UID(@USER)", "uid=0(root)"}},
	{first: "chrun -c gentoo -u root env-update", want: []string{"env-update by 0"}},
	{first: "chrunctl ps gentoo", before: "me chrun -q -c gentoo sleep 1234 >/dev/null 2>&1 & sleep 1", want: []string{"sleep"}, after: "! pgrep -f 'sleep 123[4]'"},
	{first: "chrun -c gentoo -u root emerge --ask distcc", want: []string{"emerge --ask distcc by 0"}},
	{first: "#!/sbin/openrc-run", run: func(w *wiki, block string) { w.script = block }},
	{first: "sudo rc-update add gentoo-distccd default", run: (*wiki).runOpenRC},
	{first: "[Unit]", run: (*wiki).runUnit},
	{first: "chrun -c gentoo firefox-bin", want: append(works, "I am @USER @UID"), after: "grep 'chrun.* firefox-bin' @HOME/.local/share/applications/firefox-bin.desktop"},
	{first: "chrunctl doctor gentoo", want: []string{"wayland", "x11", "pipewire"}},
	{first: "xhost -local:", before: "me xhost +local:", after: "! me xhost | grep LOCAL:"},
	{first: "tar -C ~ --exclude=./.local/share/chrun/trees -czf /mnt/backup/home.tar.gz .",
		before: `rm @HOME/stage3-*; echo >@HOME/.local/share/chrun/homes/gentoo/bookmarks
for backup in "tar -C @HOME -cf /dev/null ." "find @HOME" "cp -a @HOME/.local/share/chrun/trees /mnt/backup"; do
	! me $backup >/mnt/log 2>&1; grep -q 'Permission denied' /mnt/log
done`,
		after: "tar -tf /mnt/backup/home.tar.gz | grep homes/gentoo/bookmarks"},
	{first: "chrun -c gentoo -u root -C / tar --one-file-system --exclude=./sys --xattrs --xattrs-include='*' -c . >/mnt/backup/gentoo.tar",
		after: "! tar -tf /mnt/backup/gentoo.tar | grep -e '/bookmarks$' -e '^./proc/.'"},
	{first: "chrunctl show gentoo", keys: []string{"[y/N]", "y"}, want: []string{"identity=subid", "its home stays: @HOME/.local/share/chrun/homes/gentoo", "gentoo is ready: /mnt/data/@USER/gentoo"},
		after: `me chrun -q -c gentoo -u root stat -c 'owner %u' /usr/bin/firefox-bin /root | tr '\n' ' ' | grep 'owner 250 owner 0'; me chrun -q -c gentoo cat @HOME/bookmarks; me chrun -q -c gentoo firefox-bin | grep 'wayland works'`},
	{first: "chrunctl remove gentoo", keys: []string{"[y/N]", "y"}, want: []string{"gentoo is removed"}, after: "test ! -e /mnt/data/@USER/gentoo -a -e @HOME/.local/share/chrun/homes/gentoo/bookmarks"},
	{first: "sudo chrunctl remove --tree mychroot", keys: []string{"[y/N]", "y", "type mychroot:", "mychroot"}, want: []string{"mychroot is removed"}, after: "test ! -e /mnt/mychroot"},
}

// wiki is a workshop with a desktop, where chrun is installed.
type wiki struct {
	*workshop
	session *headless.Session
	// partition is what mount needs to mount the partition.
	partition string
	script    string // of OpenRC
}

// Every line of the page works as it is printed. What it does not have here are a real
// stage3, and udisks.
func TestFromTheWiki(t *testing.T) {
	data, err := os.ReadFile(wikiPage)
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	blocks := regexp.MustCompile("(?ms)^```[a-z]+\\n(.*?)^```$").FindAllStringSubmatch(page, -1)
	checkInlineCode(t, page, blocks)
	w := openWiki(t)
	for i, block := range blocks {
		first, _, _ := strings.Cut(block[1], "\n")
		if i >= len(wikiBlocks) || wikiBlocks[i].first != first {
			t.Fatalf("the test does not know the block %q here", first)
		}
		start := time.Now()
		w.runBlock(&wikiBlocks[i], strings.ReplaceAll(block[1], "larry", w.user.Name))
		t.Logf("%5.2f s: %s", time.Since(start).Seconds(), first)
	}
	if len(blocks) != len(wikiBlocks) {
		t.Errorf("the page has %d blocks, the test %d", len(blocks), len(wikiBlocks))
	}
}

// checkInlineCode checks that commands in the text also stand in a block, and so are
// run. Those of the wiki are in quotations and in tables.
func checkInlineCode(t *testing.T, page string, blocks [][]string) {
	t.Helper()
	all := ""
	for _, block := range blocks {
		all += block[1]
		page = strings.Replace(page, block[0], "", 1)
	}
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, ">") || strings.HasPrefix(line, "|") {
			continue
		}
		for _, code := range regexp.MustCompile("`((chrun|chrunctl|sudo) [^`]+)`").FindAllStringSubmatch(line, -1) {
			if !strings.Contains(all, code[1]) {
				t.Errorf("%q is in no block", code[1])
			}
		}
	}
}

// fill replaces what stands for something in a text of wikiBlocks.
func (w *wiki) fill(text string) string {
	resolv := strings.TrimSpace(readFile(w.t, "/etc/resolv.conf"))
	return strings.NewReplacer("@HOME", w.user.Home, "@USER", w.user.Name, "@UID", fmt.Sprint(w.user.UID), "@RESOLV.CONF", resolv, "@PARTITION", w.partition).Replace(text)
}

// gentooScripts stand for programs of Gentoo. emerge needs what it needs there: root,
// name servers, files of other accounts. The firefox-bin that it installs says what
// works on the desktop.
const gentooScripts = `set -e
mkdir -p etc/portage usr/bin usr/share
printf 'ID=gentoo\nPRETTY_NAME="Gentoo Linux"\n' >etc/os-release
echo "export PATH='/opt/bin:/usr/bin:/bin:/usr/sbin:/sbin'" >etc/profile.env
for program in emerge-webrsync env-update; do
	echo '#!/bin/sh
echo "${0##*/} by $(id -u)"' >usr/bin/$program
done
cat >usr/bin/emerge <<'end'
#!/bin/sh
echo "emerge $* by $(id -u) with PATH=$PATH"
set -e
cat /etc/resolv.conf
mkdir -p /usr/share/applications
case $* in
*distcc)
	program=/usr/bin/distccd
	echo '#!/bin/sh
echo "distccd $* by $(id -un) in $HOME"
exec sleep 1235' >$program
	;;
*firefox-bin)
	program=/usr/bin/firefox-bin
	cp /usr/share/stand-in $program
	printf '[Desktop Entry]\nType=Application\nName=Firefox\nExec=firefox-bin %%u\n' >/usr/share/applications/firefox-bin.desktop
	;;
esac
chown 250:250 $program # portage's
chmod 755 $program
end
chmod 755 usr/bin/*
cat >usr/share/stand-in
`

// makeStage3 makes an archive of a system in which those programs run. The size of the
// test chroot would cost a minute.
func (w *wiki) makeStage3(archive string) {
	w.t.Helper()
	dir := w.t.TempDir()
	cmd := exec.Command("sh", "-c", gentooScripts)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader("#!/bin/sh\necho \"I am $(id -un) $(id -u)\"\n"+desktopWorks)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("%v %s", err, out)
	}
	words := []string{"-C", headless.Chroot(w.t), "-cf", archive, "--exclude=./etc/os-release", "--exclude=./var/cache", "--exclude=./var/lib/apt/lists"}
	for _, name := range strings.Fields("firefox-esr chromium python3* systemd") {
		words = append(words, "--exclude=./usr/lib/"+name)
	}
	for _, name := range strings.Fields("icons locale zsh fish poppler help perl i18n yudit fonts mime doc zoneinfo cups ghostscript") {
		words = append(words, "--exclude=./usr/share/"+name)
	}
	for _, name := range strings.Fields("libLLVM libwebkit libjavascript libz3 libgs libcodec2 libx265 libav libmfx libflite libSvt libaom libicu libQt librsvg libgtk libjxl librav1e libgstreamer gstreamer libvpx dri perl guile mfx") {
		words = append(words, "--exclude=./usr/lib/*/"+name+"*")
	}
	if out, err := exec.Command("tar", append(words, ".", "-C", dir, ".")...).CombinedOutput(); err != nil {
		w.t.Fatalf("%v %s", err, out)
	}
	os.Chmod(archive, 0o644)
}

func openWiki(t *testing.T) *wiki {
	t.Helper()
	headless.Root(t)
	w := &wiki{session: headless.Open(t, headless.Options{Compositor: "weston", X11: true, Sound: true, Bus: true})}
	w.workshop = openWorkshop(t) // which sees the session's sockets
	w.makeStage3(filepath.Join(w.home, "stage3-amd64-openrc-20261122T170351Z.tar.xz"))
	dir := filepath.Dir(w.home)
	partition := exec.Command("sh", "-ec", `mkdir "$0"; truncate -s 700M "$0.img"; mkfs.ext4 -q -L gentoo "$0.img"; losetup -f --show "$0.img"`, dir+"/partition")
	partition.Stderr = os.Stderr
	if loop, err := partition.Output(); err == nil {
		w.partition = strings.TrimSpace(string(loop))
		t.Cleanup(func() { exec.Command("losetup", "-d", w.partition).Run() })
	} else {
		t.Log("a directory stands for the partition, because this machine has no loop devices")
		w.partition = "--bind " + dir + "/partition"
	}
	if os.Mkdir("/run/media", 0o755) == nil {
		t.Cleanup(func() { os.Remove("/run/media") })
	}
	os.Mkdir(dir+"/mnt", 0o755)
	t.Cleanup(func() { exec.Command("rm", "-rf", "--one-file-system", dir+"/mnt").Run() })
	w.asScript(fmt.Sprintf(`mount --bind %s @HOME
mount --bind %s /mnt
mount -t tmpfs tmpfs /run/media
mkdir /mnt/backup /mnt/data
chown @USER: @HOME /mnt/*
mkdir -p /etc/portage
echo HOST=1 >/etc/portage/make.conf
(umask 0337; echo '@USER ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/chrun-test)
mount -t tmpfs -o mode=0755 tmpfs /usr/local
mkdir /usr/local/bin
cp %s %s /usr/local/bin
cat >/usr/local/bin/udisksctl <<'end'
#!/bin/sh
# This is what udisks does.
[ "$2 $3" = "-b /dev/sdb2" ] || exit 1
at=/run/media/@USER/gentoo
case $1 in
mount) sudo mkdir -p $at; sudo mount -o nosuid,nodev %s $at; echo "Mounted $3 at $at" ;;
unmount) sudo umount $at; echo "Unmounted $3." ;;
esac
end
chmod 755 /usr/local/bin/udisksctl`, w.home, dir+"/mnt", chrunProgram, chrunctlProgram, w.partition))
	return w
}

// asScript runs a script as root, with the user's desktop and the function me, which
// runs a command as the user.
func (w *wiki) asScript(text string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	cmd := w.asRoot(ctx, "bash", "-c", "set -euo pipefail\nme() { "+session.Quote(asUser(w.user)...)+` "$@"; }`+"\n"+w.fill(text))
	cmd.Env = w.session.Env
	if r := runCommand(cmd); r.err != nil {
		w.t.Fatalf("%s\n%v\n%s\n%s", w.fill(text), r.err, r.stdout, r.stderr)
	}
}

func (w *wiki) runBlock(b *wikiBlock, block string) {
	w.t.Helper()
	if b.before != "" {
		w.asScript(b.before)
	}
	if b.run != nil {
		b.run(w, block)
		return
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	words := append(asUser(w.user), "bash", "-e", "-c", "cd\n"+block)
	var r result
	if b.keys == nil {
		cmd := w.asRoot(ctx, words...)
		cmd.Env = w.session.Env
		r = runCommand(cmd)
	} else {
		r = w.typeKeys(ctx, words, b.keys)
	}
	var want []string
	for _, text := range b.want {
		want = append(want, w.fill(text))
	}
	r.wantAll(w.t, want...)
	if r.err != nil {
		w.t.Fatalf("%s\n%v\n%s\n%s", block, r.err, r.stdout, r.stderr)
	}
	if b.after != "" {
		w.asScript(b.after)
	}
}

// typeKeys runs a command on a terminal.
func (w *wiki) typeKeys(ctx context.Context, words, keys []string) (r result) {
	w.t.Helper()
	cmd := w.asRoot(ctx, "script", "-qec", session.Quote(words...), "/dev/null")
	cmd.Env = w.session.Env
	var out safeBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	defer in.Close()
	for from := 0; len(keys) > 0; keys = keys[2:] {
		for end := time.Now().Add(20 * time.Second); !strings.Contains(out.String()[from:], keys[0]); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				w.t.Fatalf("%q: no %q in\n%s", words, keys[0], out.String()[from:])
			}
		}
		from = len(out.String())
		io.WriteString(in, keys[1]+"\r")
	}
	r.err = cmd.Wait()
	r.stdout = out.String()
	return r
}

// runUnit has systemd check the unit, and runs its command as systemd would.
func (w *wiki) runUnit(unit string) {
	w.t.Helper()
	command := regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindStringSubmatch(unit)
	if command == nil || !strings.Contains(unit, "\nUser="+w.user.Name+"\n") {
		w.t.Fatalf("no command of the user in the unit:\n%s", unit)
	}
	w.asScript(`file=/etc/systemd/system/gentoo-distccd.service
cat >$file <<'end'
` + unit + `end
systemd-analyze verify $file >/mnt/log 2>&1 || { cat /mnt/log; exit 1; }
if grep gentoo-distccd /mnt/log; then exit 1; fi
me env -i HOME=@HOME USER=@USER LOGNAME=@USER SHELL=/bin/sh PATH=/usr/local/bin:/usr/bin:/bin ` + command[1] + ` >/mnt/log 2>&1 &
for i in $(seq 100); do sleep 0.1; ! grep -q 'by @USER in @HOME' /mnt/log || break; done
grep 'distccd --daemon --no-detach --allow-private by @USER in @HOME' /mnt/log || { cat /mnt/log; exit 1; }
kill $(pgrep -P $!)
wait $! || true
! pgrep -f 'sleep 123[5]'`)
}

// openRC is a script that makes a host with OpenRC, boots it, types the lines of the
// page, and boots it again. Its arguments are the test chroot, an empty directory, and
// the lines.
const openRC = `mount -t tmpfs tmpfs $2
mkdir $2/up $2/work $2/root
mount -t overlay -o lowerdir=$1,upperdir=$2/up,workdir=$2/work overlay $2/root
cd $2/root
mount --rbind /dev dev
mount -t proc proc proc
mount -t tmpfs tmpfs run
mkdir -p run/openrc .@HOME old
mount --bind @HOME .@HOME
mount --rbind /usr/local/bin usr/local/bin
cp /mnt/gentoo-distccd etc/init.d
chmod 755 etc/init.d/gentoo-distccd
rm -f etc/runlevels/default/*
chroot . useradd --no-create-home --shell /bin/bash --uid @UID --user-group @USER
cp /etc/subuid /etc/subgid etc
echo '@USER ALL=(ALL) NOPASSWD: ALL' >etc/sudoers.d/chrun-test
pivot_root . old
umount -l /old
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
me() { setpriv --reuid @UID --regid @UID --init-groups env -i HOME=@HOME USER=@USER PATH=/usr/local/bin:$PATH "$@"; }
running() {
	for i in $(seq 100); do sleep 0.1; ! me chrunctl ps gentoo | grep '@USER .* sleep' || return 0; done
	rc-status
	return 1
}
openrc default
me sh -ec "$3"
running
rc-service gentoo-distccd status
rc-service gentoo-distccd stop
me chrunctl ps gentoo | grep 'nothing is seen to run'
rm -r /run/openrc
openrc default
running
`

// runOpenRC boots a host with OpenRC that has the page's script.
func (w *wiki) runOpenRC(lines string) {
	w.t.Helper()
	w.asScript("mkdir /mnt/openrc; cat >/mnt/gentoo-distccd <<'end'\n" + w.script + "end\n" +
		session.Quote("unshare", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "bash", "-euc", w.fill(openRC), "bash", headless.Chroot(w.t), "/mnt/openrc", lines))
}
