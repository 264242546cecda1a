package display

import (
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"chrun/display/x11"
	"chrun/session"
)

// askTime is how long the X server may take to answer for all cookies.
const askTime = 200 * time.Millisecond

// mayAsk reports whether the server of d may be asked which cookie it accepts. That
// is not so where a compositor starts the server for its first client.
func (k *cookieFinder) mayAsk(d x11.Display) bool {
	return k.c.OpensDisplay != nil && d.Host == "" &&
		!(k.f.Allowed(Wayland.Name) && offersWayland(detectWayland(k.f)))
}

// choose returns the cookie that the server accepts, if there are others than best:
// a session that has ended leaves its file behind. If the server does not answer,
// that is the cookie in the newest file; if it accepts none, best.
func (k *cookieFinder) choose(d x11.Display, best cookie) cookie {
	all := k.listCandidates(d, best)
	if len(all) == 1 {
		return best
	}
	end := time.Now().Add(askTime)
	for i, c := range all {
		opens, err := k.c.OpensDisplay(d.String(), []byte(c.entries[0].Data), max(time.Until(end), time.Millisecond))
		switch {
		case err != nil:
			c = newest(all)
			c.notes = append(c.notes, fmt.Sprintf("the cookie is from the newest of %d files: %v", len(all), err))
			return c
		case opens && i > 0:
			c.notes = append(c.notes, fmt.Sprintf("the server does not accept the cookie in %s", best.file))
			return c
		case opens:
			return c
		}
	}
	return best
}

// listCandidates returns best and the different cookies of d in the files that are
// fast to find.
func (k *cookieFinder) listCandidates(d x11.Display, best cookie) []cookie {
	all := []cookie{best}
	add := func(file session.HostPath, flags int) {
		c, _, _ := k.read(d, file, k.c.UID, flags)
		same := func(o cookie) bool { return o.entries[0].Data == c.entries[0].Data }
		if len(c.entries) > 0 && !slices.ContainsFunc(all, same) {
			all = append(all, c)
		}
	}
	for file, flags := range k.listUsualFiles() {
		add(file, flags)
	}
	if d.Path == "" {
		s, _ := x11.FindServerByLock(k.c.Host.Join("tmp"), k.c.Host.Join("proc"), d.Number, k.c.UID)
		add(s.Auth, unix.O_NOFOLLOW)
	}
	return all
}

// newest returns the cookie in the file that was changed last.
func newest(all []cookie) cookie {
	return slices.MaxFunc(all, func(a, b cookie) int { return modTime(a.file).Compare(modTime(b.file)) })
}

func modTime(p session.HostPath) time.Time {
	st, err := os.Stat(string(p))
	if err != nil {
		return time.Time{}
	}
	return st.ModTime()
}
