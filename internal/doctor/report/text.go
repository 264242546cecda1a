package report

const textTopic = "Letters, language and time"

var textFaults = []Fault{
	{ID: "no-fonts", Topic: textTopic, Sees: "Windows show boxes in the place of letters, or no text at all.",
		Why: "Neither the chroot nor the host has a font that the chroot's programs find.", Command: "{install:fonts}"},
	{ID: "no-fonts-conf", Topic: textTopic, Sees: "\"Fontconfig error: Cannot load default config file\".",
		Why: "The chroot's /etc/fonts/fonts.conf is missing or damaged. Its package brings it.", Command: "{install:fontconfig}"},
	{ID: "ugly-fonts", Topic: textTopic, Sees: "Fonts, icons or the mouse pointer look different from the host.",
		Why: "chrun shares the host's themes and fonts, but a toolkit of the chroot may lack the engine of the theme. This says what was shared.", Command: "{chrun} --verbose true"},
	{ID: "no-locale", Topic: textTopic, Sees: "A program speaks English, or warns \"cannot change locale\".",
		Why: "The chroot does not have your locale. This makes it.", Command: "{root} localedef -i {source} -f UTF-8 {name}"},
	{ID: "no-locale-source", Topic: textTopic, Sees: "A program speaks English, and localedef finds no definition of your locale.",
		Why: "The chroot has neither your locale nor its source.", Command: "{install:locales}"},
	{ID: "no-zone", Topic: textTopic, Sees: "Programs show the time of another time zone.",
		Why: "/etc/localtime of the chroot is damaged, or leads to a time zone that the chroot lacks.", Command: "{install:tzdata}"},
	{ID: "wrong-zone", Topic: textTopic, Sees: "Programs show the time in Greenwich (UTC).",
		Why: "TZ names a time zone that neither the chroot nor the host has. Without TZ, the host's is used.", Command: "unset TZ"},
	{ID: "no-terminfo", Topic: textTopic, Sees: "\"unknown terminal type\", or top and vim do not start.",
		Why: "Neither the chroot nor the host has a description of your terminal. Most terminals are like xterm; the package ncurses-term in the chroot has more.", Command: "export TERM={term}"},
	{ID: "no-pty", Topic: textTopic, Sees: "A terminal program opens no shell: \"Failed to open PTY\".",
		Why: "You may not make new terminals on the host.", Command: "sudo chmod 666 /dev/ptmx"},

	{ID: "no-input-module", Topic: textTopic, Sees: "Chinese, Japanese or Korean cannot be typed in a program of the chroot.",
		Why: "Your input method runs, but the chroot lacks its module for the toolkit of the program.", Command: "{install-all}"},
	{ID: "ibus-not-running", Topic: textTopic, Sees: "Chinese, Japanese or Korean cannot be typed in any program.",
		Why: "Your variables name IBus, but it does not run.", Command: "ibus-daemon -drx"},
	{ID: "fcitx-not-running", Topic: textTopic, Sees: "The window of Fcitx does not appear.",
		Why: "Your variables name Fcitx, but it does not run.", Command: "fcitx5 -d"},
	{ID: "ibus-not-set", Topic: textTopic, Sees: "IBus runs, but programs do not use it.",
		Why: "Your variables name another input method.", Command: "export GTK_IM_MODULE=ibus QT_IM_MODULE=ibus XMODIFIERS=@im=ibus"},
	{ID: "fcitx-not-set", Topic: textTopic, Sees: "Fcitx runs, but programs do not use it.",
		Why: "Your variables name another input method.", Command: "export GTK_IM_MODULE=fcitx QT_IM_MODULE=fcitx XMODIFIERS=@im=fcitx"},
}
