package suggest

import (
	"os"
	"strings"
	"testing"
)

// Each rule, with the exact text.
func TestSuggestion(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/usr", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		flags, words, want string
	}{
		{"-v", dir + "|firefox|-P", "for the chroot in that directory: chrun -v -c " + dir + " firefox -P"},
		{"", "gentoo|firefox", "for the chroot of that name: chrun -c gentoo firefox"},
		{"", "forget|debian", "chrunctl forget debian"},
		{"-q", "MOZ=a b|firefox", "set it before chrun: MOZ='a b' chrun -q firefox"},
		{"", "ls >x;wc", "to let a shell read it: chrun sh -c 'ls >x;wc'"},
		{"", "echo $HOME|x", "to let a shell read it: chrun sh -c 'echo $HOME x'"},
		{"", "firefox|a b", "the chroot has firefox-bin, firefox-esr: chrun firefox-bin 'a b'"},
		{"", "chromuim", "the chroot has chromium: chrun chromium"},
		{"", "gimp|x.png", "the chroot \"debian\" has it: chrun -c debian gimp x.png\nto install it in the chroot: sudo chrun -u root apt-get install gimp"},
		{"", "mutt|-f", "the host has it: mutt -f"},
		{"", "gnome-calculator", ""},
		{"", "quux", ""},
		{"", "enter|gentoo", "chrun -c NAME"},
		{"", "lr", ""},
		{"", "muttt", ""},
		{"", "ihromium", ""},
		{"", "hcromium", "the chroot has chromium: chrun chromium"},
		{"-v", "cd|my src", "that is a command of the shell, not a program: chrun -v sh -c 'cd '\\''my src'\\'' && COMMAND'"},
		{"", "export|A=b", "that is a command of the shell, not a program: chrun sh -c 'export A=b && COMMAND'"},
		{"", "export|gentoo|gimp", "chrunctl export gentoo gimp"},
		{"", "source|env/bin/activate", "that is a command of the shell, not a program: chrun bash -c 'source env/bin/activate && COMMAND'"},
		{"", "type|ls", "that is a command of the shell, not a program: chrun sh -c 'type ls'"},
		{"-q", "history", "that is a command of the shell, not a program: for a shell in the chroot: chrun -q"},
		{"", "ll|/etc", "that may be an alias of your shell: chrun ls -l /etc"},
		// less is not a mistyped zless, nor is what the host has.
		{"", "less|x", "to install it in the chroot: sudo chrun -u root apt-get install less"},
		{"", "lsot", "the host has it: lsot"},
		{"", "rg", "the host has it: rg\nto install it in the chroot: sudo chrun -u root apt-get install ripgrep"},
	} {
		words := strings.Split(c.words, "|")
		w := &word{text: words[0], rest: words[1:], flags: strings.Fields(c.flags), otherFlags: strings.Fields(c.flags), chroots: []string{"debian", "gentoo"}, rootChrun: []string{"sudo", "chrun"},
			inside: func() []string {
				return []string{"firefox-esr", "firefox-bin", "chromium", "firefox-bin", "lsof", "X11", "[", "aconnect", "zless", "apt-get", "mutt-setup"}
			},
			elsewhere: func(word string) string {
				return map[string]string{"gimp": "debian"}[word]
			},
			onHost: func(word string) bool { return word == "mutt" || word == "lsot" || word == "rg" },
			has:    func(string) bool { return false },
		}
		if got := strings.Join(w.suggestions(), "\n"); got != c.want {
			t.Errorf("%s: %q, want %q", c.words, got, c.want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"firefox", "firefxo", 1}, {"gimp", "gimps", 1}, {"kitten", "sitting", 3}, {"a", "abcd", 4}, {"gnome-calculator", "[", 16}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("%s, %s: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
