package desktop

import (
	"reflect"
	"testing"
)

func TestParseAddresses(t *testing.T) {
	for _, test := range []struct {
		list string
		want string // the result of joinAddresses
	}{
		{"", ""},
		{"unix:path=/run/user/1000/bus,guid=00ff", "unix:path=/run/user/1000/bus"},
		{"unix:abstract=/x%20y;unix:path=/b", "unix:abstract=/x%20y;unix:path=/b"},
		{"unix:path=/a%2Fb%7e", "unix:path=/a/b%7e"},
		{"unix:path=/a b", "unix:path=/a%20b"},
		{"autolaunch:", "autolaunch:"},
		{"tcp:host=h,port=1", "tcp:host=h,port=1"},
		{"junk;:path=/x;unix:path;unix:=x;unix:path=%g0;unix:path=%a;unix:path=/a,path=/b;unix:path=/ok", "unix:path=/ok"},
	} {
		if got := joinAddresses(parseAddresses(test.list)); got != test.want {
			t.Errorf("parseAddresses(%q) = %q, want %q", test.list, got, test.want)
		}
	}
	if got := parseAddresses("unix:path=/a%20%5c")[0].get("path"); got != `/a \` {
		t.Errorf("unescaped %q", got)
	}
}

// Formatted addresses parse to the same: they become a variable inside.
func FuzzBusAddress(f *testing.F) {
	f.Add("unix:path=/run/user/1000/bus,guid=1;unix:abstract=/x%20y;tcp:host=h,port=5")
	f.Fuzz(func(t *testing.T, list string) {
		once := parseAddresses(list)
		if twice := parseAddresses(joinAddresses(once)); !reflect.DeepEqual(once, twice) {
			t.Errorf("%q, again %q", once, twice)
		}
	})
}
