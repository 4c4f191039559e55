package mirroring

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/sync/mirror"
	"github.com/landfall-dev/landfall/ui/jobs"
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
	first := run.ID
	run = k.finish(k.begin("tool", "tool").ID)
	if sum := run.Outcome.Total(); run.State != Done || sum.Present != 1 || sum.Copied != 0 || len(run.Report.Images) != 0 || run.Outcome.Moved != 0 {
		t.Errorf("%+v, %+v", run.Outcome, run.Report)
	}
	list, err := k.Runs(t.Context(), run.ID, 10)
	if err != nil || len(list) != 1 || list[0].ID != first || list[0].Report != nil || list[0].Outcome.Total().Copied != 2 {
		t.Errorf("%+v, %v", list, err)
	}
	app, tool := k.status("app"), k.status("tool")
	if app.State != Idle || app.Last.ID != first || tool.Last.ID != run.ID || tool.Last.Outcome.Mirrors[0].Present != 1 || app.Next != nil ||
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
		if _, err := k.Start(t.Context(), []string{"app", name}, ""); !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), reason) {
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
	if _, err := k.Start(t.Context(), nil, ""); !errors.Is(err, registry.ErrConflict) || !strings.Contains(err.Error(), "app is in run "+first.ID) {
		t.Errorf("%v, want ErrConflict", err)
	}
	second := k.begin("tool")
	if _, err := k.Start(t.Context(), []string{"tool"}, ""); !errors.Is(err, registry.ErrConflict) {
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
	for _, id := range []string{second.ID, first.ID} {
		run, err := k.Cancel(t.Context(), id)
		if err != nil || run.State != Canceled || run.Err() == nil || run.Err().Error() != jobs.ErrCancelled.Error() {
			t.Errorf("%+v, %v", run, err)
		}
		if _, err := k.Cancel(t.Context(), id); !errors.Is(err, registry.ErrConflict) {
			t.Errorf("%v, want ErrConflict", err)
		}
	}
	if _, err := k.Cancel(t.Context(), "9"); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("%v, want ErrNotFound", err)
	}
	release()
	k.restart() // what was canceled does not go on
	k.tick("1 12:01")
	if run := k.finish(k.begin().ID); run.State != Done {
		t.Errorf("%+v", run)
	}
	if got := k.ran(); !slices.Equal(got, []string{"1 manual canceled app", "2 manual canceled tool", "3 manual done app,tool"}) {
		t.Errorf("%q", got)
	}
}

// What the end of the appliance interrupts goes on at the next start as the same
// run, and so does what waited.
func TestGoesOn(t *testing.T) {
	t.Parallel()
	k := newKit(t, "1 12:00", plain)
	release := k.up.hold()
	first := k.begin("app")
	k.begin("tool")
	<-k.up.came
	k.restart()
	k.goes(first.ID)
	if got := k.ran(); !slices.Equal(got, []string{"1 manual running app", "2 manual waiting tool"}) {
		t.Errorf("%q", got)
	}
	if _, err := k.Start(t.Context(), []string{"app"}, ""); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("%v, want ErrConflict", err)
	}
	release()
	k.tick("1 12:01")
	if got := k.ran(); !slices.Equal(got, []string{"1 manual done app", "2 manual done tool"}) {
		t.Errorf("%q", got)
	}
	k.has(k.up.Names[0], k.up.Index)
}

// The same key starts one run, however often it is sent.
func TestKeyed(t *testing.T) {
	t.Parallel()
	k := newKit(t, "1 12:00", plain)
	release := k.up.hold()
	run, err := k.Start(t.Context(), []string{"app"}, "once")
	k.must(err)
	<-k.up.came
	again, err := k.Start(t.Context(), []string{"app"}, "once")
	if err != nil || again.ID != run.ID {
		t.Errorf("%+v, %v, want run %s", again, err, run.ID)
	}
	if _, err := k.Start(t.Context(), []string{"tool"}, "once"); !errors.Is(err, registry.ErrConflict) {
		t.Errorf("%v, want ErrConflict", err)
	}
	release()
	k.settle()
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
	for _, c := range kinds {
		err := fmt.Errorf("why: %w", c.err)
		did := result{State: Failed, Outcome: &Outcome{Mirrors: []Tally{}, Error: oneLine(err), Kind: kindOf(err)}}
		content, marshalErr := json.Marshal(did)
		if marshalErr != nil {
			t.Fatal(marshalErr)
		}
		run, err := runOf(jobs.Job{State: jobs.Failed, Args: []byte(`{"mirrors":["app"]}`), Result: content})
		if err != nil || run.State != Failed || !errors.Is(run.Err(), c.err) || run.Err().Error() != "why: "+c.err.Error() {
			t.Errorf("%v: %+v, %v", c.err, run.Outcome, err)
		}
	}
}
