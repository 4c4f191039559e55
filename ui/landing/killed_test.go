package landing_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry/attach"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/events"
	"github.com/landfall-dev/landfall/ui/jobs"
	"github.com/landfall-dev/landfall/ui/landing"
	"github.com/landfall-dev/landfall/ui/upload"
)

// The environment of a helper: the folder of its appliance, what lands there, and
// where it kills itself.
const (
	helperFolder = "LANDFALL_LANDING_HELPER"
	helperUpload = "LANDFALL_LANDING_UPLOAD"
	helperKill   = "LANDFALL_LANDING_KILL"
)

func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// help lands an upload, or the file of a drive, in a process of its own, until the
// job has ended or kill -9 ends the process.
func help(dir string) {
	if err := helped(context.Background(), dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func helped(ctx context.Context, dir string) error {
	s, err := store.Open(ctx, dir, store.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	s.OnChange(func(context.Context, *sql.Tx, []store.Change) error {
		if os.Getenv(helperKill) == "names" { // just before they are visible
			die()
		}
		return nil
	})
	bus := events.NewBus(0)
	defer bus.Close()
	p, err := jobs.New(ctx, s, jobs.Options{Crashes: 100})
	if err != nil {
		return err
	}
	u, err := upload.New(ctx, s, filepath.Join(dir, "inbox"), upload.Options{Events: bus})
	if err != nil {
		return err
	}
	defer u.Close()
	var kept sync.WaitGroup
	defer kept.Wait()
	keeping, stop := context.WithCancel(ctx)
	defer stop()
	told := bus.Subscribe("", "upload")
	kept.Go(func() {
		for {
			e, err := told.Next(keeping)
			if err != nil {
				return
			}
			if os.Getenv(helperKill) == "consumed" && strings.Contains(string(e.Data), string(upload.Consumed)) {
				die()
			}
		}
	})
	l := landing.New(s, attach.NewView(s), p, landing.Options{Uploads: u, Open: openMortal})
	kept.Go(func() { p.Keep(keeping) })
	kept.Go(func() { l.Keep(keeping) })
	return awaitLanding(ctx, l, p)
}

// awaitLanding waits for the job, which the first of several processes starts.
func awaitLanding(ctx context.Context, l *landing.Landing, p *jobs.Pool) error {
	list, err := p.List(ctx, jobs.Filter{Kind: landing.Kind})
	if err != nil {
		return err
	}
	if len(list) == 0 {
		source := landing.Source{Upload: os.Getenv(helperUpload)}
		if source.Upload == "" {
			source = landing.Source{Drive: "d", File: "x.tar"}
		}
		j, err := l.Start(ctx, source, landing.Request{}, "")
		if err != nil {
			return err
		}
		list = []jobs.Job{j}
	}
	j, err := p.Await(ctx, list[0].ID)
	if err == nil && j.State != jobs.Done {
		err = fmt.Errorf("%+v", j)
	}
	return err
}

// mortal is a file that kills who reads so many pieces of its content.
type mortal struct {
	driveFile
	left *atomic.Int64
}

var reads atomic.Int64 // of layers, by this process

func (m mortal) ReadAt(p []byte, offset int64) (int, error) {
	if len(p) > 4096 && os.Getenv(helperKill) == fmt.Sprintf("read %d", m.left.Add(1)) {
		die()
	}
	return m.File.ReadAt(p, offset)
}

func openMortal(_ context.Context, s landing.Source, _ string) (bundle.Medium, error) {
	f, err := os.Open(filepath.Join(os.Getenv(helperFolder), "drive", s.File))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	return mortal{driveFile{f, info.Size()}, &reads}, err
}

// killAt runs a helper that ends at a place; it runs to its end without one.
func killAt(t *testing.T, dir, id, place string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), helperFolder+"="+dir, helperUpload+"="+id, helperKill+"="+place)
	out, err := c.CombinedOutput()
	exit := (*exec.ExitError)(nil)
	if place == "" && err != nil || place != "" && err != nil && (!errors.As(err, &exit) || exit.String() != "signal: killed") {
		t.Fatalf("%q: %v\n%s", place, err, out)
	}
	if err == nil && strings.HasPrefix(place, "read") {
		t.Errorf("it was not killed at %q", place)
	}
}

// An archive lands whole, whatever is done to the appliance meanwhile: killed while
// it reads, before the names are visible, and after the upload was consumed.
func TestArchiveSurvivesKills(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := newAppliance(t, dir)
	id := a.send(t, "x.tar", dockerArchive(t, 5, 300_000, "app:1"))
	a.stop()
	for _, place := range []string{"names", "names", "consumed", ""} {
		killAt(t, dir, id, place)
	}
	a = newAppliance(t, dir)
	a.has(t, "app:1")
	a.consumed(t, id)
	list, err := a.pool.List(t.Context(), jobs.Filter{Kind: landing.Kind, Results: true})
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	if done := a.done(t, list[0].ID); len(done.Names) != 1 {
		t.Errorf("%+v", done)
	}
}

// nothingVisible looks into the store of an appliance that has ended.
func nothingVisible(t *testing.T, dir string) {
	t.Helper()
	s, err := store.Open(t.Context(), dir, store.Options{})
	must(t, err)
	defer s.Close()
	for name, err := range s.Repositories(t.Context(), "") {
		t.Errorf("%s is visible, %v", name, err)
	}
}

// From a drive it is the same; no name is visible before all is there.
func TestArchiveSurvivesKillsWhileReading(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := newAppliance(t, dir)
	a.plug(t, "x.tar", dockerArchive(t, 5, 300_000, "app:1"))
	a.stop()
	for n := range 4 {
		killAt(t, dir, "", fmt.Sprintf("read %d", n+1))
		nothingVisible(t, dir)
	}
	killAt(t, dir, "", "")
	a = newAppliance(t, dir)
	a.has(t, "app:1")
}
