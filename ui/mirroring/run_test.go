package mirroring

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/sync/mirror"
)

// A run by hand brings all mirrors level, and says what it changed; what was there
// is counted only.
func TestStart(t *testing.T) {
	t.Parallel()
	k := newKit(t, "1 12:00", plain)
	run := k.finish(k.begin().ID)
	if run.State != Done || run.Err() != nil || run.Ended == nil || run.Trigger != Manual || !slices.Equal(run.Mirrors, []string{"app", "tool"}) {
		t.Fatalf("%+v, %+v", run, run.Outcome)
	}
	k.has(k.up.Names[0], k.up.Index)
	k.has(k.up.Names[1], k.up.Tool)
	if sum := run.Outcome.Total(); sum.Copied != 2 || len(run.Report.Images) != 2 || run.Outcome.Moved == 0 || run.Outcome.Moved != run.Outcome.Planned {
		t.Errorf("%+v, %+v", run.Outcome, run.Report)
	}
	run = k.finish(k.begin("tool", "tool").ID)
	if sum := run.Outcome.Total(); run.State != Done || sum.Present != 1 || sum.Copied != 0 || len(run.Report.Images) != 0 || run.Outcome.Moved != 0 {
		t.Errorf("%+v, %+v", run.Outcome, run.Report)
	}
	list, err := k.Runs(t.Context(), 2, 10)
	if err != nil || len(list) != 1 || list[0].ID != 1 || list[0].Report != nil || list[0].Outcome.Total().Copied != 2 {
		t.Errorf("%+v, %v", list, err)
	}
	app, tool := k.status("app"), k.status("tool")
	if app.State != Idle || app.Last.ID != 1 || tool.Last.ID != 2 || tool.Last.Outcome.Mirrors[0].Present != 1 || app.Next != nil ||
		!slices.Equal(app.Sources, []string{k.up.address + "/registry.example/team/app"}) {
		t.Errorf("%+v, %+v", app, tool)
	}
}

// What cannot be run is refused with its reason, and leaves no trace.
func TestStartRefused(t *testing.T) {
	t.Parallel()
	k := newKit(t, "1 12:00", plain+`- {name: dark, source: "UP/a", offline: true}
- {name: pulled, source: "UP/b", onDemand: true}
`)
	for name, reason := range map[string]string{"nosuch": "(app, dark, pulled, tool)", "dark": "offline", "pulled": "comes on demand"} {
		if _, err := k.Start(t.Context(), []string{"app", name}); !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := k.ran(); len(got) != 0 {
		t.Errorf("%q", got)
	}
	if run := k.begin(); !slices.Equal(run.Mirrors, []string{"app", "tool"}) {
		t.Errorf("all are %q", run.Mirrors)
	}
	if s := k.status("pulled"); !s.OnDemand || s.Offline {
		t.Errorf("%+v", s)
	}
	if s := k.status("dark"); !s.Offline {
		t.Errorf("%+v", s)
	}
}

// While a run goes it tells how far it is; another of the same mirror is refused,
// one of another mirror waits.
func TestBusy(t *testing.T) {
	t.Parallel()
	k := newKit(t, "1 12:00", plain)
	release := k.up.hold()
	first := k.begin("app")
	<-k.up.came
	if _, err := k.Start(t.Context(), nil); !errors.Is(err, registry.ErrConflict) || !strings.Contains(err.Error(), "app is in run 1") {
		t.Errorf("%v, want ErrConflict", err)
	}
	second := k.begin("tool")
	if _, err := k.Start(t.Context(), []string{"tool"}); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("%v, want ErrConflict", err)
	}
	run, err := k.Run(t.Context(), first.ID)
	if err != nil || run.State != Running || run.Progress.Images != 1 || run.Progress.Planned == 0 || run.Progress.Copied != 0 || run.Outcome != nil {
		t.Errorf("%+v, %+v, %v", run, run.Progress, err)
	}
	if got := k.ran(); !slices.Equal(got, []string{"1 manual running app", "2 manual waiting tool"}) {
		t.Errorf("%q", got)
	}
	if s := k.status("tool"); s.State != Waiting || s.Run != second.ID {
		t.Errorf("%+v", s)
	}
	release()
	k.finish(second.ID)
	if got := k.ran(); !slices.Equal(got, []string{"1 manual done app", "2 manual done tool"}) {
		t.Errorf("%q", got)
	}
}

// A run that is canceled ends, whether it goes or waits, and the next one finds
// what it brought.
func TestCancel(t *testing.T) {
	t.Parallel()
	k := newKit(t, "1 12:00", plain)
	release := k.up.hold()
	first := k.begin("app")
	second := k.begin("tool")
	<-k.up.came
	for _, id := range []int64{second.ID, first.ID} {
		run, err := k.Cancel(t.Context(), id)
		if err != nil || run.State != Canceled || run.Err() == nil || run.Err().Error() != "it was canceled" {
			t.Errorf("%+v, %v", run, err)
		}
		if _, err := k.Cancel(t.Context(), id); !errors.Is(err, registry.ErrConflict) {
			t.Errorf("%v, want ErrConflict", err)
		}
	}
	if _, err := k.Cancel(t.Context(), 9); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("%v, want ErrNotFound", err)
	}
	release()
	k.restart() // what was canceled does not go on
	k.tick("1 12:01")
	if run := k.finish(k.begin().ID); run.ID != 3 || run.State != Done {
		t.Errorf("%+v", run)
	}
}

// What the end of the appliance interrupts goes on at the next start under its
// own number, and so does what waited.
func TestGoesOn(t *testing.T) {
	t.Parallel()
	k := newKit(t, "1 12:00", plain)
	release := k.up.hold()
	k.begin("app")
	k.begin("tool")
	<-k.up.came
	k.restart()
	if got := k.ran(); !slices.Equal(got, []string{"1 manual waiting app", "2 manual waiting tool"}) {
		t.Errorf("%q", got)
	}
	if stored, err := k.store.Runs(t.Context(), 0, 0); err != nil || stored[0].State != "interrupted" || stored[0].Crashes != 0 {
		t.Errorf("%+v, %v", stored, err)
	}
	if _, err := k.Start(t.Context(), []string{"app"}); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("%v, want ErrConflict", err)
	}
	release()
	k.tick("1 12:01")
	if got := k.ran(); !slices.Equal(got, []string{"1 manual done app", "2 manual done tool"}) {
		t.Errorf("%q", got)
	}
	k.has(k.up.Names[0], k.up.Index)
}

// A run goes on after a crash, too, but not for ever.
func TestCrashes(t *testing.T) {
	t.Parallel()
	k := newKit(t, "1 12:00", plain)
	id, err := k.store.BeginRun(t.Context(), []string{"app"}, "manual", k.clock.now())
	k.must(err)
	for range maxCrashes {
		k.restart()
		if run, err := k.Run(t.Context(), id); err != nil || run.State != Waiting {
			t.Fatalf("%+v, %v", run, err)
		}
		k.queue = nil // a crash does not write how it ends
		k.must(k.store.ResumeRun(t.Context(), id))
	}
	k.restart()
	run, err := k.Run(t.Context(), id)
	if err != nil || run.State != Failed || !strings.Contains(run.Err().Error(), "crashed 4 times") {
		t.Errorf("%+v, %v", run, err)
	}
	if s := k.status("app"); s.State != Idle || !strings.Contains(s.Problem, "crashed 4 times") {
		t.Errorf("%+v", s)
	}
}

// What cannot be had makes a run partial, and is named.
func TestPartial(t *testing.T) {
	t.Parallel()
	k := newKit(t, "1 12:00", plain+`- {name: gone, source: "UP/registry.example/team/app", tags: {names: [v9]}, destination: gone}
`)
	run := k.finish(k.begin().ID)
	if run.State != Partial || !errors.Is(run.Err(), mirror.ErrPartial) || run.Outcome.Total().Copied != 2 || run.Outcome.Total().Failed != 1 {
		t.Errorf("%+v, %v", run.Outcome, run.Err())
	}
}

// An error keeps its kind in the history.
func TestKinds(t *testing.T) {
	t.Parallel()
	k := newKit(t, "1 12:00", plain)
	for _, c := range kinds {
		id, err := k.store.BeginRun(t.Context(), []string{"app"}, "manual", k.clock.now())
		k.must(err)
		j := newJob(t.Context(), Run{ID: id, Mirrors: []string{"app"}, Trigger: Manual})
		k.end(j, nil, fmt.Errorf("why: %w", c.err))
		run, err := k.Run(t.Context(), id)
		if err != nil || run.State != Failed || !errors.Is(run.Err(), c.err) || run.Err().Error() != "why: "+c.err.Error() {
			t.Errorf("%v: %+v, %v", c.err, run.Outcome, err)
		}
	}
}
