#!/usr/bin/python3
"""What the tests of chrunctl create and remove use to judge: nothing here is Go.

  trees.py members DIR UID          fill DIR with every kind of file (as root)
  trees.py compare WANT GOT FIRST UID
                                    print how the tree GOT differs from WANT, whose
                                    IDs are mapped to FIRST…, and UID to itself;
                                    FIRST 0 means no map
  trees.py hash DIR                 print a hash of names, modes, sizes and links
  trees.py attack KIND VICTIM       write a hostile archive
  trees.py naive DIR                unpack an archive as a careless program would
"""
import hashlib, io, os, stat, struct, sys, tarfile

DAY = 86400 * 10**9


def write(path, data=b"x", mode=0o644, uid=0, gid=0):
    with open(path, "wb") as f:
        f.write(data)
    os.chown(path, uid, gid)
    os.chmod(path, mode)


def acl(*entries):
    """The form of system.posix_acl_*: tag, permissions, ID."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in entries)


NONE = 0xFFFFFFFF
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)  # net_raw, permitted and effective


def members(top, caller):
    os.chdir(top)
    for d in ("usr/bin", "etc", "dev", "odd", "acl/default", "tmp", "closed", "times"):
        os.makedirs(d)
    write("etc/passwd", b"root:x:0:0::/root:/bin/sh\ngames:x:5:60::/:/bin/sh\n")
    write("etc/group", b"root:x:0:\ngames:x:60:\n")
    write("usr/bin/setuid", mode=0o4755)
    write("usr/bin/setgid", mode=0o2755, gid=42)
    write("usr/bin/both", mode=0o6711, uid=8, gid=12)
    os.chmod("tmp", 0o1777)
    os.chown("tmp", 7, 7)
    write("usr/none", mode=0)
    write("usr/caller", uid=caller, gid=caller)
    write("usr/high", uid=65535, gid=65535)
    write("usr/foreign-uid", uid=70000, gid=3, mode=0o4755)
    write("usr/foreign-gid", uid=3, gid=70000, mode=0o2755)
    os.mkdir("usr/foreign")
    os.chown("usr/foreign", 70000, 70000)
    write("closed/file", b"closed")
    os.chmod("closed", 0)
    # Holes at the beginning, between, and at the end.
    with open("usr/holes", "wb") as f:
        for at in (1 << 20, 3 << 20):
            f.seek(at)
            f.write(b"data" * 2048)
        f.truncate(8 << 20)
    with open("usr/hole", "wb") as f:
        f.truncate(64 << 20)
    write("usr/zeros", bytes(1 << 20))  # no hole
    write("usr/empty", b"")
    # Hard links.
    os.link("usr/bin/setuid", "usr/bin/setuid2")
    os.link("usr/bin/setuid", "odd/setuid3")
    os.symlink("nowhere", "odd/dangling")
    os.link("odd/dangling", "odd/dangling2")
    # Symlinks.
    os.symlink("/etc/passwd", "odd/absolute")
    os.symlink("../usr", "odd/relative")
    os.symlink("a/" * 150 + "end", "odd/long")
    os.symlink("x", "odd/owned")
    os.lchown("odd/owned", 9, 9)
    # Names.
    write("odd/" + "n" * 255)
    deep = "odd/" + "d" * 200 + "/" + "e" * 200
    os.makedirs(deep)
    write(deep + "/file", b"deep")
    for name in (b"\xff\xfe\x80", b"new\nline", b"-rf", b" space ", b"back\\slash", b"quote\"'", "überlang-日本".encode(), b"a:b", b"\x1b[31m"):
        write(b"odd/" + name)
    os.mkfifo("odd/fifo", 0o620)
    os.chown("odd/fifo", 5, 5)
    for name, mode, major, minor in (("null", stat.S_IFCHR, 1, 3), ("mem", stat.S_IFCHR, 1, 1), ("disk", stat.S_IFBLK, 254, 0)):
        os.mknod("dev/" + name, mode | 0o666, os.makedev(major, minor))
        os.chmod("dev/" + name, 0o666)
    # Extended attributes.
    write("usr/capable", mode=0o755)
    os.setxattr("usr/capable", "security.capability", CAPABILITY)
    write("usr/attributes")
    os.setxattr("usr/attributes", "user.name", b"value\0\xff=\n")
    os.setxattr("usr/attributes", "trusted.name", b"t")
    os.setxattr("usr/attributes", "security.name", b"s")
    os.setxattr("etc", "user.dir", b"on a directory")
    # ACLs: user::rw- user:5:rwx user:CALLER:r-- group::r-- group:60:-wx mask::rwx other::---
    write("acl/file")
    os.setxattr("acl/file", "system.posix_acl_access",
                acl((1, 6, NONE), (2, 7, 5), (2, 4, caller), (4, 4, NONE), (8, 3, 60), (16, 7, NONE), (32, 0, NONE)))
    os.setxattr("acl/default", "system.posix_acl_default",
                acl((1, 7, NONE), (2, 5, 5), (4, 5, NONE), (16, 5, NONE), (32, 5, NONE)))
    # Times; directories last, and the deepest first.
    for name, t in (("1969", -5 * DAY - 1), ("1970", 0), ("2040", 2208988800 * 10**9 + 123456789), ("now", 1700000000987654321)):
        write("times/" + name)
        os.utime("times/" + name, ns=(t, t))
    for name, t in (("odd/long", -DAY), ("usr/bin", 10**18), ("usr", 10**18 + 1), ("times", -10 * DAY), (".", 946684800 * 10**9)):
        os.utime(name, ns=(t, t), follow_symlinks=False)


def inside(i, first, uid):
    return i if first == 0 or i == uid else i - first


def read_attributes(path, first, uid):
    found = {}
    for name in os.listxattr(path, follow_symlinks=False):
        value = os.getxattr(path, name, follow_symlinks=False)
        if name.startswith("system.posix_acl_"):
            entries = []
            for i in range(4, len(value), 8):
                tag, perm, ident = struct.unpack_from("<HHI", value, i)
                entries.append((tag, perm, inside(ident, first, uid) if tag in (2, 8) else ident))
            value = sorted(entries)
        if name == "security.capability" and len(value) == 24:  # of a user namespace, with its root
            if struct.unpack_from("<I", value, 20)[0] != first:
                value = b"another root"
            else:
                value = struct.pack("<I", 0x02000001) + value[4:20]
        found[name] = value
    return found


def holes(path):
    fd = os.open(path, os.O_RDONLY)
    found, at, end = [], 0, os.fstat(fd).st_size
    try:
        while at < end:
            try:
                data = os.lseek(fd, at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(fd, data, os.SEEK_HOLE)
            found.append((data, at))
    finally:
        os.close(fd)
    return found


def describe(top, path, first, uid, links):
    st = os.lstat(path)
    d = {
        "type": stat.S_IFMT(st.st_mode),
        "mode": oct(stat.S_IMODE(st.st_mode)),
        "uid": inside(st.st_uid, first, uid),
        "gid": inside(st.st_gid, first, uid),
        "mtime": st.st_mtime_ns,
        "links": 0 if stat.S_ISDIR(st.st_mode) else st.st_nlink,
        "attributes": read_attributes(path, first, uid),
    }
    if not stat.S_ISDIR(st.st_mode):
        d["first link"] = links.setdefault(st.st_ino, path[len(top):])
    if stat.S_ISREG(st.st_mode):
        with open(path, "rb") as f:
            d["content"] = hashlib.sha256(f.read()).hexdigest()
        d["holes"] = holes(path)
    if stat.S_ISLNK(st.st_mode):
        d["target"] = os.readlink(path)
    if stat.S_ISCHR(st.st_mode) or stat.S_ISBLK(st.st_mode):
        d["device"] = st.st_rdev
    return d


def walk(top, first, uid):
    found, links = {}, {}
    pending = [top]
    while pending:
        path = pending.pop()
        found[path[len(top):] or b"/"] = describe(top, path, first, uid, links)
        if found[path[len(top):] or b"/"]["type"] == stat.S_IFDIR:
            pending += sorted((os.path.join(path, name) for name in os.listdir(path)), reverse=True)
    return found


def compare(want, got, first, uid):
    want, got = walk(os.fsencode(want), 0, 0), walk(os.fsencode(got), first, uid)
    for path in sorted(set(want) | set(got)):
        name = ascii(path)[2:-1]
        if path not in got:
            print(name + ": missing")
        elif path not in want:
            print(name + ": new")
        else:
            for key in sorted(set(want[path]) | set(got[path])):
                a, b = want[path].get(key), got[path].get(key)
                if key == "attributes":
                    for k in sorted(set(a) | set(b)):
                        if a.get(k) != b.get(k):
                            print(f"{name}: {k}: {a.get(k)} is {b.get(k)}")
                elif a != b:
                    print(f"{name}: {key}: {a} is {b}")


def hash_tree(top):
    h = hashlib.sha256()
    for path, dirs, files in os.walk(top):
        dirs.sort()
        for name in [""] + sorted(files):
            p = os.path.join(path, name)
            st = os.lstat(p)
            h.update(repr((p, st.st_mode, st.st_size, st.st_nlink, st.st_uid)).encode())
            if stat.S_ISREG(st.st_mode):
                with open(p, "rb") as f:
                    h.update(f.read())
    print(h.hexdigest())


def attack(kind, victim):
    out = tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.GNU_FORMAT)

    def add(name, type=tarfile.REGTYPE, link="", data=b"pwned\n", mode=0o777, device=(0, 0)):
        m = tarfile.TarInfo(name)
        m.type, m.linkname, m.mode = type, link, mode
        m.devmajor, m.devminor = device
        m.size = len(data) if type == tarfile.REGTYPE else 0
        out.addfile(m, io.BytesIO(data) if m.size else None)

    add("usr/bin", tarfile.DIRTYPE, mode=0o755)
    up = "../" * 20 + victim.strip("/")
    if kind == "dotdot":
        add(up + "/file")
        add("usr/" + up + "/new")
        add("./usr/../" + up + "/file")
    elif kind == "absolute":
        add(victim + "/file")
        add("//" + victim + "/new")
    elif kind == "symlink":
        add("way", tarfile.SYMTYPE, victim)
        add("way/file")
        add("way/new")
    elif kind == "relative-symlink":
        add("usr/way", tarfile.SYMTYPE, up)
        add("usr/way/file")
        add("usr/way/dir", tarfile.DIRTYPE)
    elif kind == "symlink-mode":  # a directory whose mode is set through a symlink
        add("way", tarfile.DIRTYPE)
        add("way", tarfile.SYMTYPE, victim)
        add("way/.", tarfile.DIRTYPE, mode=0o777)
    elif kind == "hardlink":
        add("usr/stolen", tarfile.LNKTYPE, victim + "/file")
        add("usr/stolen2", tarfile.LNKTYPE, up + "/file")
        add("usr/stolen")
        add("usr/stolen2")
    elif kind == "hardlink-symlink":
        add("way", tarfile.SYMTYPE, victim)
        add("usr/stolen", tarfile.LNKTYPE, "way/file")
        add("usr/stolen")
    elif kind == "account":  # the account is appended to it
        add("etc/passwd", tarfile.SYMTYPE, victim + "/file")
        add("etc/group", tarfile.SYMTYPE, up + "/file")
        add("home", tarfile.SYMTYPE, victim)
    elif kind == "node":
        add("dev/disk", tarfile.BLKTYPE, device=(254, 0))
        add("dev/mem", tarfile.CHRTYPE, device=(1, 1))
    elif kind == "long":
        add("/".join(["long" * 60] * 40))
    elif kind == "loop":
        add("a", tarfile.SYMTYPE, "b")
        add("b", tarfile.SYMTYPE, "a")
        add("a/file")
    elif kind == "bomb":
        for i in range(64):
            add(f"usr/{i}", data=bytes(1 << 20))
    else:
        sys.exit("unknown attack " + kind)
    out.close()


def naive(top):
    for m in tarfile.open(fileobj=sys.stdin.buffer, mode="r|*"):
        path = os.path.join(top, m.name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if m.isdir():
            os.makedirs(path, exist_ok=True)
            os.chmod(path, m.mode)
        elif m.issym():
            if os.path.isdir(path):
                os.rmdir(path)
            os.symlink(m.linkname, path)
        elif m.islnk():
            os.link(os.path.join(top, m.linkname), path)
        elif m.isreg():
            with open(path, "wb") as f:
                f.write(b"pwned\n")
    for name in ("etc/passwd", "etc/group"):
        if os.path.lexists(os.path.join(top, name)):
            with open(os.path.join(top, name), "a") as f:
                f.write("me:x:1:1\n")


if __name__ == "__main__":
    command, words = sys.argv[1], sys.argv[2:]
    if command == "members":
        members(words[0], int(words[1]))
    elif command == "compare":
        compare(words[0], words[1], int(words[2]), int(words[3]))
    elif command == "hash":
        hash_tree(*words)
    elif command == "attack":
        attack(*words)
    elif command == "naive":
        naive(*words)
