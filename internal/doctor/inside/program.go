package inside

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"chrun/internal/doctor/report"
	"chrun/session"
)

// probeProgram looks whether COMMAND can be executed: its file, its interpreter and its
// libraries. Without COMMAND it only looks at the machine that the chroot is for.
func probeProgram(_ context.Context, in *Input, add func(...report.Check)) {
	if len(in.Programs) == 0 {
		for _, name := range []string{"/bin/sh", "/usr/bin/env", "/bin/busybox"} {
			if f, err := readELF(name); err == nil {
				add(checkMachine(name, f)...)
				return
			}
		}
		return
	}
	for _, name := range in.Programs {
		var st unix.Stat_t
		err := unix.Stat(name, &st)
		switch {
		case errors.Is(err, fs.ErrNotExist), err == unix.ENOTDIR:
			continue
		case err != nil:
			add(report.Bad("launch", report.Reachable, "not-executable", name+": "+err.Error(), "program", session.Quote(name)))
		case st.Mode&unix.S_IFMT == unix.S_IFDIR:
			continue
		case unix.Access(name, unix.X_OK) != nil:
			add(checkNoexec(name, in))
		default:
			p := &programCheck{in: in, libraries: newLibraries(in)}
			add(p.check(name, 0)...)
		}
		return
	}
	add(report.Bad("launch", report.Reachable, "not-found", path.Base(in.Programs[0])+" is not in the chroot"))
}

// checkNoexec says why a file that exists cannot be executed.
func checkNoexec(name string, in *Input) report.Check {
	var root, mount unix.Statfs_t
	if unix.Statfs("/", &root) == nil && unix.Statfs(name, &mount) == nil && mount.Flags&^root.Flags&unix.ST_NOEXEC != 0 {
		return report.Bad("launch", report.Reachable, "noexec", name+" is on a file system mounted noexec", "mount", session.Quote(in.Tree+path.Dir(name)))
	}
	return report.Bad("launch", report.Reachable, "not-executable", name+" is not executable for you", "program", session.Quote(name))
}

// programCheck follows a program to its interpreters and libraries.
type programCheck struct {
	in        *Input
	libraries *libraries
}

func (p *programCheck) check(name string, depth int) []report.Check {
	head, err := readRegular(name, 4096)
	if err != nil || depth > 4 {
		return nil // a program need not be readable
	}
	if line, ok := bytes.CutPrefix(head, []byte("#!")); ok {
		line, _, _ = bytes.Cut(line, []byte("\n"))
		words := strings.Fields(string(line))
		if len(words) == 0 {
			return nil
		}
		return p.checkInterpreter(name, words, depth)
	}
	f, err := readELF(name)
	if err != nil {
		if bytes.IndexByte(head, 0) >= 0 && !isRegistered(head) {
			return []report.Check{report.Bad("launch", report.Reachable, "not-program", name+" is not a program")}
		}
		return nil
	}
	if foreign := checkMachine(name, f); foreign != nil {
		return foreign
	}
	if f.interpreter != "" {
		if _, err := readELF(f.interpreter); errors.Is(err, fs.ErrNotExist) {
			return []report.Check{report.Bad("launch", report.Reachable, "no-interpreter", fmt.Sprintf("%s needs %s, which is not in the chroot", name, f.interpreter))}
		}
	}
	missing, count := p.libraries.missing(f)
	if len(missing) > 0 {
		return []report.Check{report.Bad("launch", report.Reachable, "no-library", fmt.Sprintf("%s needs %s", name, strings.Join(missing[:min(len(missing), 4)], ", ")), "program", session.Quote(name))}
	}
	return []report.Check{report.Good("launch", report.Reachable, fmt.Sprintf("%s has its %d libraries", name, count))}
}

// checkInterpreter looks at the words after "#!".
func (p *programCheck) checkInterpreter(name string, words []string, depth int) []report.Check {
	interpreter := words[0]
	if path.Base(interpreter) == "env" && len(words) > 1 && !strings.HasPrefix(words[1], "-") && !strings.Contains(words[1], "=") {
		for _, dir := range strings.Split(p.in.Env.Get("PATH"), ":") {
			if file := path.Join(dir, words[1]); unix.Access(file, unix.X_OK) == nil {
				return p.check(file, depth+1)
			}
		}
		interpreter = words[1]
	} else if unix.Access(interpreter, unix.F_OK) == nil {
		return p.check(interpreter, depth+1)
	}
	return []report.Check{report.Bad("launch", report.Reachable, "no-interpreter", fmt.Sprintf("%s needs %s, which is not in the chroot", name, interpreter))}
}

// machines are those whose programs this kernel runs.
var machines = map[string][]elf.Machine{"amd64": {elf.EM_X86_64, elf.EM_386}, "arm64": {elf.EM_AARCH64, elf.EM_ARM}, "riscv64": {elf.EM_RISCV}}

// checkMachine fails if a program is for another machine, and no emulator is registered.
func checkMachine(name string, f *elfFile) []report.Check {
	if own := machines[runtime.GOARCH]; own == nil || slices.Contains(own, f.machine) {
		return nil
	}
	machine := strings.ToLower(strings.TrimPrefix(f.machine.String(), "EM_"))
	if head, err := readRegular(name, 256); err == nil && isRegistered(head) {
		return []report.Check{report.Good("launch", report.Reachable, "the chroot is for "+machine+", an emulator is registered")}
	}
	return []report.Check{report.Bad("launch", report.Reachable, "foreign", fmt.Sprintf("%s is a program for another machine (%s)", name, machine))}
}

// isRegistered reports whether an emulator is registered for files that begin with head
// (binfmt_misc in the kernel's documentation).
func isRegistered(head []byte) bool {
	const dir = "/proc/sys/fs/binfmt_misc"
	for _, name := range listDirectory(dir, 200) {
		data, err := readRegular(path.Join(dir, name), 8192)
		values := map[string]string{}
		for line := range strings.Lines(string(data)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			values[key] = value
		}
		offset, _ := strconv.Atoi(values["offset"])
		magic, badMagic := hex.DecodeString(values["magic"])
		mask, badMask := hex.DecodeString(values["mask"])
		if _, enabled := values["enabled"]; err != nil || !enabled || len(magic) == 0 || badMagic != nil || badMask != nil || offset < 0 || offset+len(magic) > len(head) {
			continue
		}
		same := true
		for i, b := range magic {
			m := byte(0xff)
			if i < len(mask) {
				m = mask[i]
			}
			same = same && head[offset+i]&m == b&m
		}
		if same {
			return true
		}
	}
	return false
}
