package jobs_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/ui/jobs"
)

func idsOf(list []jobs.Job) (ids []string) {
	for _, j := range list {
		ids = append(ids, j.ID)
	}
	return ids
}

// The newest job comes first, pages follow each other, and filters are what they
// say.
func TestList(t *testing.T) {
	t.Parallel()
	s := newSite(t, jobs.Options{})
	s.Register(jobs.Kind{Name: "other", Run: perform})
	list := func(f jobs.Filter) []string {
		t.Helper()
		found, err := s.List(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		return idsOf(found)
	}
	var ids []string
	for k := range 6 {
		j := s.must(s.Start(s.as([]string{"ann", "bob"}[k%2]), []string{"act", "other"}[k/3], act{""}, jobs.StartOptions{Subject: fmt.Sprint(k % 3)}))
		ids = append([]string{j.ID}, ids...)
	}
	if !slices.IsSortedFunc(ids, func(a, b string) int { return strings.Compare(b, a) }) {
		t.Errorf("ids do not ascend: %q", ids)
	}
	s.must(s.Cancel(t.Context(), ids[0]))
	for what, c := range map[string]struct {
		f    jobs.Filter
		want []string
	}{
		"all":     {jobs.Filter{}, ids},
		"first":   {jobs.Filter{Limit: 4}, ids[:4]},
		"second":  {jobs.Filter{Limit: 4, Before: ids[3]}, ids[4:]},
		"kind":    {jobs.Filter{Kind: "act"}, ids[3:]},
		"subject": {jobs.Filter{Subject: "1"}, []string{ids[1], ids[4]}},
		"owner":   {jobs.Filter{Owner: "bob", Kind: "other"}, []string{ids[0], ids[2]}},
		"state":   {jobs.Filter{State: jobs.Cancelled}, ids[:1]},
		"live":    {jobs.Filter{Live: true}, ids[1:]},
		"none":    {jobs.Filter{Kind: "'"}, nil},
	} {
		if got := list(c.f); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
	}
	s.keep()
	s.ended(ids[5])
	for results, want := range map[bool]string{true: `"all"`, false: ""} {
		found, err := s.List(t.Context(), jobs.Filter{Kind: "act", Subject: "0", Results: results})
		if err != nil || string(found[0].Result) != want || string(found[0].Args) != `{"do":""}` {
			t.Errorf("%+v, %v", found, err)
		}
	}
}

// The history has so many jobs of a kind, those of so long, and the last of each
// subject; what is live is not history.
func TestHistory(t *testing.T) {
	t.Parallel()
	s := newSite(t, jobs.Options{Keep: 3})
	s.Register(jobs.Kind{Name: "other", Run: perform})
	s.keep()
	live := s.reaches(s.do("block").ID, jobs.Running).ID
	other := s.ended(s.start("other", act{""}, jobs.StartOptions{}).ID).ID
	special := s.ended(s.start("act", act{""}, jobs.StartOptions{Subject: "special"}).ID).ID
	var ids []string
	for range 6 {
		j := s.ended(s.start("act", act{"fail"}, jobs.StartOptions{Subject: "usual", IdempotencyKey: fmt.Sprint(len(ids))}).ID)
		ids = append([]string{j.ID}, ids...)
	}
	check := func(want ...string) {
		t.Helper()
		found, err := s.List(t.Context(), jobs.Filter{})
		if got := idsOf(found); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
		for _, table := range []string{"job_lines", "job_steps", "job_keys"} {
			if n := query[int](s, `SELECT count(*) FROM `+table+` WHERE job NOT IN (SELECT id FROM jobs)`); n > 0 {
				t.Errorf("%d rows in %s are of no job", n, table)
			}
		}
	}
	check(ids[0], ids[1], ids[2], special, other, live)
	s.exec(`UPDATE jobs SET ended_at = ?`, time.Now().Add(-100*24*time.Hour).UnixMilli())
	j := s.ended(s.start("act", act{""}, jobs.StartOptions{Subject: "usual"}).ID)
	check(j.ID, special, other, live)
	s.SetHistory(time.Nanosecond)
	last := s.ended(s.start("act", act{""}, jobs.StartOptions{Subject: "usual"}).ID)
	check(last.ID, special, other, live)
}

// Where a backup is restored nothing begins by itself.
func TestBackup(t *testing.T) {
	t.Parallel()
	s := newSite(t, jobs.Options{})
	stop := s.keep()
	done := s.ended(s.do("fail").ID).ID
	s.reaches(s.do("wait").ID, jobs.Waiting)
	s.reaches(s.do("block").ID, jobs.Running)
	stop()
	s.crashed(s.do("").ID)
	s.do("")
	dir := t.TempDir()
	if err := s.db.Snapshot(t.Context(), filepath.Join(dir, "landfall.db"), s.db.prune...); err != nil {
		t.Fatal(err)
	}
	db, err := openDatabase(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	restored := (&site{t: t, db: db}).again(jobs.Options{})
	list, err := restored.List(t.Context(), jobs.Filter{})
	if err != nil || len(list) != 5 {
		t.Fatalf("%d jobs, %v", len(list), err)
	}
	for _, j := range list {
		if j.State != jobs.Failed || j.Ended.IsZero() || (j.Error.Kind == "interrupted") != (j.ID != done) {
			t.Errorf("%+v", j)
		}
	}
	restored.keep()
	if j := restored.must(restored.Retry(t.Context(), list[0].ID)); restored.ended(j.ID).State != jobs.Done {
		t.Errorf("%+v", j)
	}
	if complaints, err := db.Check(t.Context()); len(complaints) > 0 || err != nil {
		t.Errorf("%q, %v", complaints, err)
	}
}
