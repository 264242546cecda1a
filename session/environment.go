package session

import (
	"maps"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Environment is how the caller's variables are treated.
type Environment struct {
	// Keep reports whether a variable passes, and if not, why.
	Keep func(name, value string) (ok bool, why string)
	// Finish corrects variables when all features have set theirs. It may be nil.
	Finish func(values map[string]string)
	// Login are the variables that a login to the tree sets, such as PATH.
	Login []Var
}

// setEnvironment makes the environment inside: the caller's variables that pass,
// what a login sets, what the features set, and what the person requested, in
// this order. A feature's variable that the feature does not set is unset.
func (b *builder) setEnvironment(offers []Offer, rules Environment) {
	values := b.passCallerVariables(rules, offers)
	for _, v := range rules.Login {
		values[v.Name] = v.Value
	}
	a := b.f.Account
	for _, v := range []Var{{"HOME", string(b.f.Home)}, {"USER", a.Name}, {"LOGNAME", a.Name}, {"SHELL", a.Shell},
		{"PWD", string(b.plan.Cwd)}, {"XDG_RUNTIME_DIR", string(b.f.Caller.RuntimeDirInside())},
		{"CHRUN_CHROOT", b.f.Name}, {"debian_chroot", promptName(b.f.Name)}} {
		values[v.Name] = v.Value
	}
	if b.req.NoDesktop {
		delete(values, "XDG_RUNTIME_DIR")
	}
	for _, o := range offers {
		b.setFeatureVariables(values, o)
	}
	for _, v := range b.instead {
		values[v.Name] = v.Value
	}
	if rules.Finish != nil {
		rules.Finish(values)
	}
	for _, v := range b.req.Env {
		values[v.Name] = v.Value
	}
	for _, name := range b.req.UnsetEnv {
		delete(values, name)
	}
	for name, value := range values {
		b.plan.Env = append(b.plan.Env, name+"="+value)
	}
	slices.Sort(b.plan.Env)
}

// mayBeMissing are variables that name directories that programs or chrun make.
var mayBeMissing = []string{"HOME", "PWD", "OLDPWD", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"}

// namesMissingDir reports whether the value of a variable is a directory of the
// host that does not exist inside. Most programs fail then (GNUPGHOME), while they
// have a default if the variable is unset. A value with colons is a list.
func (b *builder) namesMissingDir(name, value string, offers []Offer) bool {
	if !path.IsAbs(value) || strings.Contains(value, ":") || slices.Contains(mayBeMissing, name) ||
		slices.ContainsFunc(offers, func(o Offer) bool { return slices.Contains(o.Feature.Variables, name) }) {
		return false
	}
	var st unix.Statx_t // AT_STATX_DONT_SYNC: a dead file system must not hang the launch
	err := unix.Statx(unix.AT_FDCWD, value, unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, unix.STATX_TYPE, &st)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR && !b.isDirInside(Path(value))
}

// passCallerVariables returns the caller's variables that pass, and notes which
// do not.
func (b *builder) passCallerVariables(rules Environment, offers []Offer) map[string]string {
	values, removed := map[string]string{}, map[string]string{}
	search := rules.search(b.req.Env)
	for _, kv := range b.f.Caller.Env {
		name, value, ok := strings.Cut(kv, "=")
		if _, repeated := values[name]; !ok || repeated {
			continue // getenv(3) sees the first
		}
		keep, why := rules.Keep(name, value)
		if keep && b.namesMissingDir(name, value, offers) {
			keep, why = false, value+" does not exist inside"
		}
		if program := b.namesMissingProgram(name, value, search); program != "" {
			keep, why = false, "the chroot has no "+program
		}
		if keep {
			values[name] = value
		} else if why != "" {
			removed[name] = why
		}
	}
	for _, name := range slices.Sorted(maps.Keys(removed)) {
		b.note("environment: %s is removed: %s", name, removed[name])
	}
	return values
}

func (b *builder) setFeatureVariables(values map[string]string, o Offer) {
	for _, name := range o.Feature.Variables {
		delete(values, name)
	}
	for _, v := range o.Share.Env {
		values[v.Name] = v.Value
	}
	for _, v := range o.Share.DirEnv {
		if slices.ContainsFunc(v.Dirs, b.isDirInside) {
			values[v.Name] = v.Value
		} else {
			b.note("%s: %s", o.Feature.Name, v.Missing)
		}
	}
	for _, l := range o.Share.Lists {
		list := values[l.Name]
		if list == "" {
			list = l.Default
		}
		values[l.Name] = strings.Trim(l.Prepend+":"+list+":"+l.Append, ":")
	}
}

// setVariable sets a variable of the plan.
func (b *builder) setVariable(name, value string) {
	env := slices.DeleteFunc(b.plan.Env, func(kv string) bool { return strings.HasPrefix(kv, name+"=") })
	b.plan.Env = append(env, name+"="+value)
	slices.Sort(b.plan.Env)
}
