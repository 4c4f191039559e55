package store

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// A run is in the history from its beginning; its report is told of alone.
func TestRuns(t *testing.T) {
	t.Parallel()
	k := newKit(t, Options{})
	began := time.UnixMilli(1_700_000_000_000).UTC()
	id, err := k.BeginRun(t.Context(), []string{"a", "b"}, "manual", began)
	k.must(err)
	run, err := k.Run(t.Context(), id)
	if k.must(err); run.ID != 1 || run.State != RunRunning || !run.Started.Equal(began) || !run.Ended.IsZero() ||
		!slices.Equal(run.Mirrors, []string{"a", "b"}) || run.Trigger != "manual" || string(run.Report) != "null" {
		t.Errorf("%+v", run)
	}
	ended := MirrorRun{ID: id, State: "done", Ended: began.Add(time.Minute), Outcome: json.RawMessage(`{"copied":1}`), Report: json.RawMessage(`{"images":[]}`)}
	k.must(k.EndRun(t.Context(), ended))
	run, err = k.Run(t.Context(), id)
	if k.must(err); run.State != "done" || !run.Ended.Equal(ended.Ended) || string(run.Outcome) != `{"copied":1}` || string(run.Report) != `{"images":[]}` {
		t.Errorf("%+v", run)
	}
	list, err := k.Runs(t.Context(), 0, 0)
	if k.must(err); len(list) != 1 || list[0].Report != nil || string(list[0].Outcome) != `{"copied":1}` {
		t.Errorf("%+v", list)
	}
	for _, err := range []error{k.EndRun(t.Context(), MirrorRun{ID: 9}), k.ResumeRun(t.Context(), 9), k.ResumeRun(t.Context(), id)} {
		if !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%v, want ErrNotFound", err)
		}
	}
	if _, err := k.Run(t.Context(), 9); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("%v, want ErrNotFound", err)
	}
}

// The history is read from the newest on, page by page. It forgets the oldest
// runs, but for the last of the same mirrors and trigger.
func TestRunsKept(t *testing.T) {
	t.Parallel()
	k := newKit(t, Options{})
	for i := range keptRuns + 20 {
		trigger, mirrors := "manual", []string{"often"}
		if i < 3 {
			trigger, mirrors = "schedule", []string{"seldom"}
		}
		_, err := k.BeginRun(t.Context(), mirrors, trigger, time.Now())
		k.must(err)
	}
	all, err := k.Runs(t.Context(), 0, 0)
	if k.must(err); len(all) != keptRuns+1 || all[0].ID != keptRuns+20 || all[keptRuns-1].ID != 21 || all[keptRuns].ID != 3 {
		t.Errorf("%d runs, the last %+v", len(all), all[len(all)-1])
	}
	var paged []int64
	for before := int64(0); ; {
		page, err := k.Runs(t.Context(), before, 50)
		if k.must(err); len(page) == 0 {
			break
		}
		for _, r := range page {
			paged = append(paged, r.ID)
		}
		before = page[len(page)-1].ID
	}
	if len(paged) != len(all) || !slices.IsSortedFunc(paged, func(a, b int64) int { return int(b - a) }) {
		t.Errorf("%d runs by page: %v", len(paged), paged)
	}
}

// What a crash has left running is interrupted, and can go on; what was ended in
// order is left alone.
func TestRunsInterrupted(t *testing.T) {
	t.Parallel()
	k := newKit(t, Options{})
	k.must(k.InterruptRuns(t.Context()))
	var ids []int64
	for range 3 {
		id, err := k.BeginRun(t.Context(), []string{"a"}, "manual", time.Now())
		k.must(err)
		ids = append(ids, id)
	}
	k.must(k.EndRun(t.Context(), MirrorRun{ID: ids[0], State: "done"}))
	k.must(k.EndRun(t.Context(), MirrorRun{ID: ids[1], State: RunInterrupted}))
	k.must(k.InterruptRuns(t.Context()))
	for i, want := range []struct {
		state   string
		crashes int
	}{{"done", 0}, {RunInterrupted, 0}, {RunInterrupted, 1}} {
		if run, err := k.Run(t.Context(), ids[i]); err != nil || run.State != want.state || run.Crashes != want.crashes {
			t.Errorf("%+v, %v, want %+v", run, err, want)
		}
	}
	k.must(k.ResumeRun(t.Context(), ids[2]))
	k.must(k.InterruptRuns(t.Context()))
	if run, err := k.Run(t.Context(), ids[2]); err != nil || run.State != RunInterrupted || run.Crashes != 2 {
		t.Errorf("%+v, %v", run, err)
	}
}
