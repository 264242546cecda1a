package desktop

import (
	"golang.org/x/sys/unix"

	"chrun/session"
)

// fontconfigFiles returns a configuration file that adds the directories to every
// version of fontconfig, after those of the chroot. Caches are not shared, because
// a cache of another version crashes some programs. A writable chroot keeps its
// own /etc and gets no file, see session.File.
func fontconfigFiles(f *session.Facts, dirs []string) []session.File {
	const confDir session.Path = "/etc/fonts/conf.d"
	for _, p := range []session.Path{"/etc/fonts", confDir} {
		// If one is a symlink, the overlay of /etc would hide its target.
		if st, err := f.Root.Lstat(p); err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR || len(dirs) == 0 {
			return nil
		}
	}
	if f.Root.CanAccess("/etc", unix.W_OK) {
		return nil
	}
	text := "<?xml version=\"1.0\"?>\n<!DOCTYPE fontconfig SYSTEM \"urn:fontconfig:fonts.dtd\">\n<!-- Made by chrun for this launch. -->\n<fontconfig>\n"
	for _, dir := range dirs {
		text += "\t<dir>" + dir + "</dir>\n"
	}
	return []session.File{{Path: confDir.Join("99-chrun-host.conf"), Data: []byte(text + "</fontconfig>\n"), Why: "the host's fonts"}}
}
