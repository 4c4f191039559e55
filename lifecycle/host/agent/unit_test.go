package agent

import (
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/host"
)

// systemctlStandIn knows units that run, are enabled, are missing and fail, by their names.
const systemctlStandIn = `case "$1 $2 $3" in
"is-active ran.service "|"is-active runs.service ") echo active;;
"is-enabled ran.service ") echo enabled;;
"is-active "*|"is-enabled "*) echo inactive; exit 3;;
"show -p LoadState") case "$4" in missing*) echo LoadState=not-found;; *) echo LoadState=loaded;; esac;;
*" missing.service"*) echo "Unit missing.service not loaded." >&2; exit 5;;
*" missing2.service"*) exit 1;;
*" broken.service"*) echo "Job for broken.service failed." >&2; exit 1;;
esac`

// Units are asked for as they are named; what a unit was before is what it is again when
// the host is cleaned.
func TestUnits(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.program("systemctl", systemctlStandIn)
	k.program("journalctl", `echo "it says why"`)
	unit := func(id, name string, act host.Act) host.Op {
		return host.Op{ID: id, Unit: &host.Unit{Name: name, Act: act}}
	}
	for i, u := range []host.Unit{
		{Act: host.Reload}, {Name: "a.service", Act: host.Start}, {Name: "a.service", Act: host.Restart}, {Name: "b.service", Act: host.Enable},
		{Name: "b.service", Act: host.Disable}, {Name: "ran.service", Act: host.Enable}, {Name: "ran.service", Act: host.Restart}, {Name: "runs.service", Act: host.Enable}, {Name: "late.service", Act: host.Start}, {Name: "late.service", Act: host.Enable},
		{Name: "missing.service", Act: host.Stop}, {Name: "missing2.service", Act: host.Disable},
	} {
		k.done(unit("u"+string(rune('a'+i)), u.Name, u.Act))
	}
	changes := slices.DeleteFunc(k.calls("systemctl"), func(c string) bool { return strings.HasPrefix(c, "is-") || strings.HasPrefix(c, "show") })
	want := []string{"daemon-reload", "start a.service", "restart a.service", "enable --now b.service", "disable --now b.service", "enable --now ran.service", "restart ran.service", "enable --now runs.service", "start late.service", "enable --now late.service", "stop missing.service", "disable --now missing2.service"}
	if !slices.Equal(changes, want) {
		t.Errorf("systemd was asked for %q, want %q", changes, want)
	}
	if f := k.fails(unit("f1", "broken.service", host.Start)); !strings.Contains(f.Message, "it says why") || !strings.Contains(f.Message, "Job for broken.service failed") {
		t.Errorf("%+v", f)
	}
	for id, u := range map[string]host.Unit{"f2": {Name: "missing.service", Act: host.Start}, "f3": {Name: "--root=/x", Act: host.Start}, "f4": {Name: "a.service", Act: "mask"}} {
		if f := k.fails(unit(id, u.Name, u.Act)); id != "f2" && f.Kind != "invalid" {
			t.Errorf("%+v: %+v", u, f)
		}
	}
	before := len(k.calls("systemctl"))
	k.program("systemctl", "") // all of it works
	k.done(host.Op{ID: "c1", Clean: &host.Clean{}})
	after := strings.Join(k.calls("systemctl")[before:], "\n")
	for call, is := range map[string]bool{"stop a.service": true, "disable --now b.service": true, "disable --now late.service": true, "disable runs.service": true, "stop runs.service": false, "stop ran.service": false, "disable --now ran.service": false, "try-restart ran.service": true} {
		if strings.Contains(after, call) != is {
			t.Errorf("%q when the host is cleaned: %v, want %v; all: %s", call, !is, is, after)
		}
	}
}
