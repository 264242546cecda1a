package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"chrun/internal/cli"
	"chrun/internal/trees"
	"chrun/session"
	"chrun/session/account"
	"chrun/session/config"
	"chrun/session/rootfs"
)

// createFlags are the flags of create.
type createFlags struct {
	from, user, keyring                 string
	packages                            []string
	verify, dryRun, isDefault, isPublic bool
	quiet                               bool
}

// newCreate makes the command that makes a chroot.
func (c *command) newCreate() *cobra.Command {
	cmd := &cobra.Command{
		Long: "Make a chroot from a root file system in a tar archive (such as a stage3 of Gentoo, Arch's bootstrap,\n" +
			"Alpine's minirootfs, docker export), or from the packages of Debian or Ubuntu, and give it a name.\n" +
			"Without root its files belong to your subordinate IDs.",
		Args: cobra.RangeArgs(1, 2),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return nil, cobra.ShellCompDirectiveFilterDirs
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
	}
	f := &createFlags{}
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "", "archive, - for standard input, debian:`SUITE` or ubuntu:SUITE")
	flags.StringSliceVar(&f.packages, "packages", nil, "more packages to install, separated by commas (debian: and ubuntu: only)")
	flags.StringVar(&f.user, "user", "", "name of your account inside (default: yours)")
	flags.StringVar(&f.keyring, "keyring", "", "file with the keys to trust")
	flags.BoolVar(&f.verify, "verify", false, "insist on a good signature")
	flags.BoolVar(&f.isDefault, "default", false, "make it the default chroot")
	flags.BoolVar(&f.isPublic, "public", false, "as root: let all users enter it, who can then run its setuid programs")
	flags.BoolVarP(&f.dryRun, "dry-run", "n", false, "only print what would be made")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "show no progress")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		source, err := trees.ParseSource(f.from)
		if f.from == "" {
			return &cli.UsageError{Command: cmd.CommandPath(), Err: errors.New("--from is missing: an archive, - for standard input, debian:SUITE or ubuntu:SUITE")}
		}
		if err != nil {
			return &cli.UsageError{Command: cmd.CommandPath(), Err: fmt.Errorf("--from %s: %w", f.from, err)}
		}
		if f.user != "" && c.caller.UID == 0 {
			return &cli.UsageError{Command: cmd.CommandPath(), Err: errors.New("--user is not for root, whose chroots get no account of the caller's")}
		}
		if f.isPublic && c.caller.UID != 0 {
			return &cli.UsageError{Command: cmd.CommandPath(), Err: errors.New("--public is for root: others can enter a tree of yours only if they can enter its directory")}
		}
		if len(f.packages) > 0 && source.Distribution == "" {
			return &cli.UsageError{Command: cmd.CommandPath(), Err: errors.New("--packages needs --from debian:SUITE or ubuntu:SUITE")}
		}
		dir := ""
		if len(args) > 1 {
			dir = args[1]
		}
		return c.create(args[0], dir, source, f)
	}
	return cmd
}

// create makes the chroot called name.
func (c *command) create(name, dir string, source trees.Source, f *createFlags) error {
	conf, err := config.Load(c.src)
	if err != nil {
		return err
	}
	if err := c.checkName(conf, name); err != nil {
		return fmt.Errorf("cannot create %s: %w", name, err)
	}
	job, err := c.newCreation(name, dir, source, f)
	if err != nil {
		return fmt.Errorf("cannot create %s: %w", name, err)
	}
	if err := c.checkCreation(job, dir == ""); err != nil {
		return fmt.Errorf("cannot create %s: %w", name, err)
	}
	if err := job.CheckSource(); err != nil {
		return fmt.Errorf("cannot create %s from %s: %w", name, session.Printable(source.String()), err)
	}
	if f.dryRun {
		fmt.Fprintf(c.out, "would make %s in %s, from %s\n", name, job.Path, session.Printable(source.String()))
		return nil
	}
	if err := makeParent(job.Path, dir == "", f.isPublic); err != nil {
		return fmt.Errorf("cannot create %s: %w", name, err)
	}
	if parent, err := rootfs.ResolveHost(rootfs.HostPath(path.Dir(job.Path))); err == nil {
		job.Path = path.Join(string(parent), path.Base(job.Path))
	}
	if _, err := trees.Sweep(job.Map, job.Records); err != nil {
		c.warn(err.Error())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal ends it at once, whatever it waits for
	done := c.showProgress(job, f.quiet)
	created, err := job.Create(ctx)
	done()
	switch {
	case err == context.Canceled:
		return fmt.Errorf("cannot create %s: interrupted; nothing is left", name)
	case err != nil:
		return fmt.Errorf("cannot create %s from %s: %w", name, session.Printable(source.String()), err)
	}
	return c.register(conf, name, job, created, f)
}

// checkName refuses a name that is used. To forget a chroot that create has made would
// leave its files without a name.
func (c *command) checkName(conf *config.Config, name string) error {
	err := conf.CheckNew(name)
	var exists *config.ExistsError
	if !errors.As(err, &exists) || exists.Existing.Name != name {
		return err
	}
	tree := string(exists.Existing.Path)
	hint := "choose another name, or first: chrunctl "
	if id, failed := trees.Identify(tree); failed != nil || trees.FindMark(c.createdDir(), tree, id) == "" {
		return cli.WithHint(fmt.Errorf("the name is used by %s in %s", session.Printable(tree), exists.Existing.File), hint+"forget "+name)
	}
	return cli.WithHint(fmt.Errorf("it exists already, in %s", session.Printable(tree)), hint+"remove "+name)
}

// Directories of root's trees.
const (
	publicTrees  = "/var/lib/chrun"
	privateTrees = "/var/lib/chrun/private" // which only root can enter
)

// treeDirs lists the directories in which create makes trees.
func (c *command) treeDirs() []string {
	return []string{path.Join(cli.DataDir(c.caller), "trees"), publicTrees, privateTrees}
}

// subIDs returns the caller's subordinate IDs.
func (c *command) subIDs() (uids, gids []account.Range) {
	return account.ReadHostSubIDs(c.caller.Host, "/etc/subuid", c.caller.Account),
		account.ReadHostSubIDs(c.caller.Host, "/etc/subgid", c.caller.Account)
}

// newCreation fills in what the command line leaves open.
func (c *command) newCreation(name, dir string, source trees.Source, f *createFlags) (*trees.Creation, error) {
	uids, gids := c.subIDs()
	m, err := trees.NewMap(c.caller, uids, gids)
	if err != nil {
		return nil, err
	}
	job := &trees.Creation{Source: source, Map: m, Packages: f.packages, Keyring: f.keyring, Verify: f.verify,
		Records: c.growingDir(), Stdin: os.Stdin, Env: os.Environ()}
	switch {
	case dir != "":
		job.Path = string(cli.HostPath(c.caller, dir))
		if !path.IsAbs(job.Path) {
			job.Path = path.Join(string(c.caller.Cwd), job.Path)
		}
	case c.caller.UID == 0 && f.isPublic:
		job.Path = path.Join(publicTrees, name)
	case c.caller.UID == 0:
		job.Path = path.Join(privateTrees, name)
	default:
		job.Path = path.Join(cli.DataDir(c.caller), "trees", name)
	}
	if c.caller.UID != 0 {
		job.Account = &trees.Account{Name: c.caller.Account.Name, UID: c.caller.UID, GID: c.caller.GID}
		if f.user != "" {
			job.Account.Name = f.user
		}
	}
	return job, nil
}

// checkCreation refuses what would fail later.
func (c *command) checkCreation(job *trees.Creation, ours bool) error {
	if job.Account != nil && !isAccountName(job.Account.Name) {
		return cli.WithHint(fmt.Errorf("%q cannot be the name of an account", job.Account.Name), "choose one of letters, digits, _ and -: --user NAME")
	}
	if _, err := os.Stat(path.Dir(job.Path)); ours && errors.Is(err, os.ErrNotExist) {
		return nil // it will be made
	}
	return trees.CheckPlace(job.Map, job.Path)
}

// isAccountName is the rule of useradd(8), with dots.
func isAccountName(name string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
	return name != "" && len(name) <= 32 && strings.Trim(name, letters+"0123456789-.") == "" && strings.ContainsRune(letters, rune(name[0]))
}

// makeParent makes the directory for chrunctl's own trees, which only its owner can
// enter: setuid programs of an old tree would be everybody's to run.
func makeParent(p string, ours, isPublic bool) error {
	if !ours {
		return nil
	}
	mode := os.FileMode(0o700)
	if isPublic {
		mode = 0o711
	}
	if err := os.MkdirAll(path.Dir(path.Dir(p)), 0o755); err != nil {
		return err
	}
	err := os.Mkdir(path.Dir(p), mode)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	return err
}

// register names the new chroot and prints what comes next.
func (c *command) register(conf *config.Config, name string, job *trees.Creation, created trees.Created, f *createFlags) error {
	dir := ""
	if c.caller.UID == 0 {
		dir = c.src.System
	} else {
		dir = c.src.User
	}
	if err := trees.MarkCreated(c.createdDir(), job.Path); err != nil {
		return err
	}
	if err := conf.Add(dir, name, rootfs.HostPath(job.Path)); err != nil {
		return cli.WithHint(fmt.Errorf("cannot name %s, which was made: %v", session.Printable(job.Path), err), "chrunctl add NAME "+session.Quote(job.Path))
	}
	if job.Map.UIDs != nil {
		// A home in the tree would be removed with it.
		edits := []config.Edit{{Key: []string{"identity"}, Value: string(session.Subid)}, {Key: []string{"map"}, Value: fmt.Sprint(c.caller.UID)},
			{Key: []string{"home"}, Value: string(session.HomePrivate)}}
		if err := c.change(name, edits); err != nil {
			return err
		}
	}
	fmt.Fprintf(c.out, "%s is ready: %s\n", name, job.Path)
	for _, note := range created.Notes {
		fmt.Fprintln(c.out, note)
	}
	switch created.Trust {
	case trees.Intact:
		fmt.Fprintln(c.out, "its archive is intact: a checksum beside it matches")
	case trees.Genuine:
		if job.Source.Distribution == "" {
			fmt.Fprintln(c.out, "its archive is genuine: the signature is good")
		}
	default:
		fmt.Fprintln(c.out, "its archive was not checked: there is no checksum or signature beside it")
	}
	for _, l := range created.Left {
		fmt.Fprintf(c.out, "left out: %s (%d, first %s)\n", l.What, l.Count, l.First)
	}
	if f.isDefault {
		conf, err := config.Load(c.src)
		if err == nil {
			err = conf.SetDefault(dir, name)
		}
		if err != nil {
			return err
		}
	}
	fmt.Fprintf(c.out, "to install programs: chrun -c %s -u root\nto put them into the menu: chrunctl export %[1]s --all\n", name)
	return nil
}

// showProgress draws a bar on a terminal until done is called.
func (c *command) showProgress(job *trees.Creation, quiet bool) (done func()) {
	_, err := unix.IoctlGetWinsize(2, unix.TIOCGWINSZ)
	if quiet || err != nil {
		return func() {}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		begun := time.Now()
		for {
			select {
			case <-stop:
				io.WriteString(c.err.Out, "\r\x1b[K") // ECMA-48: erase the line
				return
			case <-time.After(200 * time.Millisecond):
			}
			read, size := job.Progress()
			line := describeProgress(read, size, time.Since(begun))
			if read == 0 && job.Log() != "" {
				line = session.Printable(job.Log())
				line = string([]rune(line)[:min(len([]rune(line)), 79)])
			}
			fmt.Fprintf(c.err.Out, "\r%s\x1b[K", line)
		}
	}()
	return func() { close(stop); <-stopped }
}

// describeProgress is one line of at most 79 columns.
func describeProgress(read, size int64, elapsed time.Duration) string {
	const width, mega = 30, 1 << 20
	rate := float64(read) / max(elapsed.Seconds(), 0.001)
	if size <= 0 || read > size {
		return fmt.Sprintf("%d MiB, %.1f MiB/s", read/mega, rate/mega)
	}
	done := int(int64(width) * read / size)
	line := fmt.Sprintf("[%s%s] %3d %%  %.1f MiB/s", strings.Repeat("#", done), strings.Repeat(" ", width-done), 100*read/size, rate/mega)
	if rate > 0 && elapsed > time.Second {
		line += fmt.Sprintf("  %s left", time.Duration(float64(size-read)/rate*float64(time.Second)).Round(time.Second))
	}
	return line
}
