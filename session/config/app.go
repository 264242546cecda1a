package config

import (
	"maps"
	"path"
	"slices"
)

// ForCommand returns the chroot with the settings of the section [app.NAME], where NAME
// is the base name of command. Its user, home, personality, identity and map
// replace those of the chroot; its bind, env, allow and deny are added to them.
// A feature that the section allows is no longer denied by the chroot, and the
// other way round.
func (c *Chroot) ForCommand(command string) *Chroot {
	app, ok := c.Apps[path.Base(command)]
	if !ok {
		return c
	}
	out := *c
	out.commands = append(slices.Clone(c.commands), path.Base(command))
	s := &out.Settings
	override(&s.User, app.User)
	override(&s.Home, app.Home)
	override(&s.Personality, app.Personality)
	override(&s.Identity, app.Identity)
	override(&s.Map, app.Map)
	s.Bind = slices.Concat(s.Bind, app.Bind)
	s.Allow = slices.Concat(removeAll(s.Allow, app.Deny), app.Allow)
	s.Deny = slices.Concat(removeAll(s.Deny, app.Allow), app.Deny)
	if s.Env = maps.Clone(s.Env); s.Env == nil {
		s.Env = app.Env
	} else {
		maps.Copy(s.Env, app.Env)
	}
	return &out
}

func override(setting *string, value string) {
	if value != "" {
		*setting = value
	}
}

// removeAll returns list without the elements of remove.
func removeAll(list, remove []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(remove, s) })
}
