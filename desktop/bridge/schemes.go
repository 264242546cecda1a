package bridge

// refusedSchemes returns the schemes of links that are not handed to the host, with the
// reason, which follows "SCHEME links". "file" is not among them: a file must be
// reachable for the program that wants it opened.
func refusedSchemes() map[string]string {
	reasons := map[string]string{}
	for _, r := range []struct {
		reason  string
		schemes []string
	}{
		{"make another program run what they contain", []string{"javascript", "vbscript", "vnd.sun.star.script", "macro",
			"vnd.libreoffice.command", "ms-msdt", "search-ms", "exec", "shell"}},
		{"mean something only to the program that shows them", []string{"data", "blob", "about", "chrome", "resource", "view-source", "jar",
			"filesystem", "moz-extension", "chrome-extension"}},
		// gvfs
		{"open files of the host as root", []string{"admin"}},
		// The first four: KDE's and Xfce's file managers, PCManFM (libfm).
		{"start programs of the host", []string{"applications", "programs", "menu", "desktop"}},
		{"open settings of the host", []string{"settings", "systemsettings", "preferences", "control", "kcm"}},
		// gvfs, KDE
		{"name files that were opened on the host", []string{"recent", "recentlyused", "recentdocuments"}},
		// gvfs, KDE: the path of an archive on the host is in the link
		{"name a file of the host by its path", []string{"archive", "tar", "zip", "sevenz", "krarc", "iso", "ar", "gzip", "bzip2", "xz", "zstd", "filenamesearch", "baloosearch"}},
	} {
		for _, s := range r.schemes {
			reasons[s] = r.reason
		}
	}
	return reasons
}

// hostSchemes need a host after the scheme. Links with other schemes may consist of
// the scheme only, which opens a program (steam:) or a place (trash:).
var hostSchemes = []string{"http", "https", "ftp", "ftps", "sftp", "ssh", "ws", "wss"}
