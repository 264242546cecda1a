package desktop

import (
	"golang.org/x/sys/unix"

	"chrun/session"
)

// fontconfigFiles tells every version of fontconfigFiles of the directories, behind the
// chroot's own. Caches are not shared: those of another version crash some
// programs. A chroot that may be written keeps its own /etc, see session.File.
func fontconfigFiles(f *session.Facts, dirs []string) []session.File {
	const conf session.Path = "/etc/fonts/conf.d"
	for _, p := range []session.Path{"/etc/fonts", conf} {
		// Were one a link, ours would cover it and not join it.
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
	return []session.File{{Path: conf.Join("99-chrun-host.conf"), Data: []byte(text + "</fontconfig>\n"), Why: "the host's fonts"}}
}
