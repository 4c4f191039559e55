package jobs_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/landfall-dev/landfall/ui/jobs"
)

// The environment of a helper: its folder, and where it kills itself.
const (
	helperFolder = "LANDFALL_JOBS_HELPER"
	helperKill   = "LANDFALL_JOBS_KILL"
)

const helperSteps = 5

// help runs the job of a folder in a process of its own, until it has ended or
// kill -9 ends the process.
func help(dir string) {
	if err := helped(context.Background(), dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func helped(ctx context.Context, dir string) error {
	db, err := openDatabase(ctx, dir)
	if err != nil {
		return err
	}
	defer db.Close()
	p, err := jobs.New(ctx, db, jobs.Options{Crashes: 10})
	if err != nil {
		return err
	}
	p.Register(jobs.Kind{Name: "steps", Run: func(ctx context.Context, r *jobs.Run) (any, error) {
		for n := range helperSteps {
			dieAt(n, "before")
			err := r.Step(ctx, fmt.Sprint(n), func(context.Context) error { return effect(dir, n) })
			if err != nil {
				return nil, err
			}
			dieAt(n, "noted")
		}
		return nil, nil
	}})
	j, err := p.Start(ctx, "steps", nil, jobs.StartOptions{IdempotencyKey: "the one"})
	if err != nil {
		return err
	}
	keeping, cancel := context.WithCancel(ctx)
	kept := make(chan struct{})
	go func() { p.Keep(keeping); close(kept) }()
	j, err = p.Await(ctx, j.ID)
	cancel()
	<-kept
	if err == nil && j.State != jobs.Done {
		err = fmt.Errorf("%+v", j)
	}
	return err
}

// effect is what a step does.
func effect(dir string, n int) error {
	f, err := os.OpenFile(filepath.Join(dir, "effects"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := fmt.Fprintln(f, n); err != nil {
		return err
	}
	dieAt(n, "done")
	return nil
}

func dieAt(n int, where string) {
	if os.Getenv(helperKill) == fmt.Sprint(n, where) {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

// A job survives kill -9 at each place of each step: what was noted as done is not
// done again, what was not is, and in the end all is done.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start := func(kill string) error {
		c := exec.CommandContext(t.Context(), os.Args[0])
		c.Env = append(os.Environ(), helperFolder+"="+dir, helperKill+"="+kill)
		out, err := c.CombinedOutput()
		if err != nil && kill == "" {
			t.Fatalf("%v: %s", err, out)
		}
		return err
	}
	var want []string
	kills := 0
	for n := range helperSteps {
		for _, where := range []string{"before", "done", "before", "done", "noted"} {
			if err := start(fmt.Sprint(n, where)); err == nil || !strings.Contains(err.Error(), "killed") {
				t.Fatalf("%v, want it killed", err)
			}
			kills++
			if where != "before" {
				want = append(want, fmt.Sprint(n))
			}
		}
	}
	start("")
	effects, err := os.ReadFile(filepath.Join(dir, "effects"))
	if got := strings.Fields(string(effects)); err != nil || strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("effects %q, %v; want %q", got, err, want)
	}
	db, err := openDatabase(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	p, err := jobs.New(t.Context(), db, jobs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	list, err := p.List(t.Context(), jobs.Filter{})
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v; want one job", list, err)
	}
	j, err := p.Get(t.Context(), list[0].ID)
	if err != nil || j.State != jobs.Done || j.Attempt != kills+1 || len(j.Steps) != helperSteps {
		t.Errorf("%+v, %v; want it done in attempt %d", j, err, kills+1)
	}
	lines, err := p.Lines(t.Context(), j.ID, 0, 0)
	if err != nil || len(lines) != kills || lines[0].Message != "resumed after the appliance ended" {
		t.Errorf("%d lines, %v; want one for each of %d kills", len(lines), err, kills)
	}
}
