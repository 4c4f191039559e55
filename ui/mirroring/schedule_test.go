package mirroring

import (
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/sync/config"
)

// daily runs at two in the morning; the tool every hour.
const daily = `version: 1
registries: [{host: "UP", plainHTTP: true}]
mirrors:
- {name: app, source: "UP/registry.example/team/app", tags: {names: [v1]}, schedule: "0 2 * * *"}
- {name: tool, source: "UP/registry.example/team/tool", tags: {names: [v2]}, schedule: "@hourly"}
`

func (k *kit) next(mirror string) string {
	k.t.Helper()
	s := k.status(mirror)
	if s.Next == nil {
		return ""
	}
	return s.Next.Local().Format("2 15:04")
}

// A mirror runs when its schedule says so, once each time, whoever runs it by hand
// meanwhile.
func TestSchedule(t *testing.T) {
	t.Parallel()
	k := newKit(t, "1 01:10", daily)
	k.tick("1 01:11")
	if app, tool := k.next("app"), k.next("tool"); app != "1 02:00" || tool != "1 02:00" || len(k.ran()) != 0 {
		t.Errorf("app %s, tool %s, ran %q", app, tool, k.ran())
	}
	k.finish(k.begin("app").ID)
	k.tick("1 02:00")
	k.tick("1 02:01")
	k.tick("1 03:20")
	if app, tool := k.next("app"), k.next("tool"); app != "2 02:00" || tool != "1 04:00" {
		t.Errorf("app %s, tool %s", app, tool)
	}
	if got := k.ran(); !slices.Equal(got, []string{"1 manual done app", "2 schedule done app", "3 schedule done tool", "4 schedule done tool"}) {
		t.Errorf("%q", got)
	}
}

// A schedule waits for the run that its mirror is in.
func TestScheduleWaits(t *testing.T) {
	t.Parallel()
	k := newKit(t, "1 01:10", daily)
	release := k.up.hold()
	k.begin("app")
	<-k.up.came
	k.clock.set(t, "1 02:00")
	k.look(t.Context())
	k.look(t.Context())
	if got := k.ran(); !slices.Equal(got, []string{"1 manual running app", "2 schedule waiting tool"}) {
		t.Errorf("%q", got)
	}
	release()
	k.settle()
	k.tick("1 02:05")
	if got := k.ran(); !slices.Equal(got, []string{"1 manual done app", "2 schedule done tool", "3 schedule done app"}) {
		t.Errorf("%q", got)
	}
}

// What was missed while the appliance was off runs once, after the start; what
// was not missed, and what never ran, waits for its time.
func TestMissed(t *testing.T) {
	t.Parallel()
	k := newKit(t, "1 01:10", daily)
	k.tick("1 02:00")
	k.clock.set(t, "1 12:00")
	k.restart()
	k.tick("1 12:00")
	if app, tool := k.next("app"), k.next("tool"); app != "2 02:00" || tool != "1 13:00" {
		t.Errorf("app %s, tool %s", app, tool)
	}
	if got := k.ran(); len(got) != 3 || got[2] != "3 schedule done tool" {
		t.Errorf("%q", got)
	}
	k.clock.set(t, "4 12:00")
	k.write(daily + `- {name: new, source: "UP/a", schedule: "@hourly"}
`)
	k.restart()
	k.tick("4 12:00")
	k.tick("4 12:01")
	if got := k.ran(); len(got) != 5 || got[3] != "4 schedule done app" || got[4] != "5 schedule done tool" {
		t.Errorf("%q", got)
	}
}

// A run by schedule that goes on is not missed besides.
func TestMissedGoesOn(t *testing.T) {
	t.Parallel()
	k := newKit(t, "1 01:10", daily)
	release := k.up.hold()
	k.clock.set(t, "1 02:00")
	k.look(t.Context())
	<-k.up.came
	k.close()
	release()
	k.clock.set(t, "3 12:00")
	k.open()
	k.tick("3 12:00")
	k.tick("3 12:01")
	if got := k.ran(); !slices.Equal(got, []string{"1 schedule done app", "2 schedule done tool"}) {
		t.Errorf("%q", got)
	}
}

// windowed may be copied at night only.
const windowed = `version: 1
registries: [{host: "UP", plainHTTP: true, windows: "22:00-06:00"}]
mirrors:
- {name: app, source: "UP/registry.example/team/app", tags: {names: [v1]}, schedule: "0 12 * * *"}
- {name: tool, source: "UP/registry.example/team/tool", tags: {names: [v2]}}
`

// A mirror whose link is closed is tried again when it opens, whoever began it,
// also after a restart.
func TestDeferred(t *testing.T) {
	t.Parallel()
	k := newKit(t, "1 11:00", windowed)
	if run := k.finish(k.begin("tool").ID); run.State != Deferred || run.Err() == nil {
		t.Errorf("%+v", run.Outcome)
	}
	k.tick("1 12:00")
	k.tick("1 12:01")
	if s := k.status("tool"); s.State != Deferred || s.Until == nil || k.next("tool") != "1 22:00" || k.next("app") != "1 22:00" {
		t.Errorf("%+v", s)
	}
	k.restart()
	k.tick("1 21:59")
	if got := k.ran(); !slices.Equal(got, []string{"1 manual deferred tool", "2 schedule deferred app"}) {
		t.Errorf("%q", got)
	}
	k.tick("1 22:00")
	k.tick("1 22:01")
	if got := k.ran(); !slices.Equal(got[2:], []string{"3 window done app", "4 window done tool"}) {
		t.Errorf("%q", got)
	}
	k.restart()
	k.tick("1 22:02")
	if got := k.ran(); len(got) != 4 || k.next("app") != "2 12:00" || k.next("tool") != "" {
		t.Errorf("%q, %s", got, k.next("app"))
	}
}

// A changed file comes into force, and an invalid one does not: it is told of, and
// what was in force stays.
func TestReload(t *testing.T) {
	t.Parallel()
	k := newKit(t, "1 01:10", daily)
	var told []*config.File
	k.OnReload(func(f *config.File) { told = append(told, f) })
	k.tick("1 01:11")
	old := k.Config()
	k.write(daily + "- {name: Bad}\n")
	k.tick("1 02:00") // it runs what is in force
	l, err := k.List(t.Context())
	if err != nil || !strings.Contains(l.Problem, "line 6") || k.Config() != old || len(told) != 0 || len(l.Mirrors) != 2 || len(k.ran()) != 2 {
		t.Errorf("%+v, %v, ran %q", l, err, k.ran())
	}
	k.write(strings.Replace(daily, "0 2 * * *", "0 3 * * *", 1) + `- {name: more, source: "UP/a", tags: {names: [x]}}
`)
	k.tick("1 02:10")
	l, err = k.List(t.Context())
	if err != nil || l.Problem != "" || len(l.Mirrors) != 3 || len(told) != 1 || told[0] != k.Config() {
		t.Errorf("%+v, %v", l, err)
	}
	if app, tool := k.next("app"), k.next("tool"); app != "1 03:00" || tool != "1 03:00" {
		t.Errorf("app %s, tool %s", app, tool)
	}
	k.write(strings.Replace(daily, "version: 1", "version: 1\noffline: true", 1))
	k.tick("1 09:00")
	if got := k.ran(); len(got) != 2 || k.next("app") != "" {
		t.Errorf("offline, %q ran", got)
	}
	if _, err := k.Start(t.Context(), nil, ""); err == nil {
		t.Error("offline, a run began")
	}
}
