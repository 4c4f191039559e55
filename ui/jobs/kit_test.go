package jobs_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/internal/sqldb"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/events"
	"github.com/landfall-dev/landfall/ui/jobs"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperFolder); dir != "" {
		help(dir) // a process of its own, to be killed
		return
	}
	leaktest.Main(m)
}

// database is a database without a store.
type database struct {
	*sqldb.DB
	prune []string
}

func openDatabase(ctx context.Context, dir string) (*database, error) {
	db, err := sqldb.Open(ctx, filepath.Join(dir, "landfall.db"), fstest.MapFS{"0001_t.sql": {Data: []byte("-- +goose Up\nCREATE TABLE t (n BIGINT);\n")}})
	return &database{DB: db}, err
}

func (d *database) Tables(ctx context.Context, owner string, migrations fs.FS, prune ...string) (*sqldb.DB, error) {
	d.prune = append(d.prune, prune...)
	return d.DB.Tables(ctx, owner, migrations)
}

// site is a pool under test with all that belongs to it.
type site struct {
	*jobs.Pool
	t     testing.TB
	db    *database
	audit *audit.Log
	bus   *events.Bus
	heard *events.Subscription
}

// act is what a job of kind act does.
type act struct {
	Do string `json:"do"`
}

// newSite opens a site in a folder of its own.
func newSite(t testing.TB, opts jobs.Options) *site {
	t.Helper()
	db, err := openDatabase(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return (&site{t: t, db: db}).again(opts)
}

// again is the site at its next start.
func (s *site) again(opts jobs.Options) *site {
	s.t.Helper()
	next := &site{t: s.t, db: s.db, bus: events.NewBus(0)}
	next.heard = next.bus.Subscribe("")
	var err error
	if next.audit, err = audit.Open(s.t.Context(), s.db); err != nil {
		s.t.Fatal(err)
	}
	opts.Audit, opts.Events = next.audit, next.bus
	if next.Pool, err = jobs.New(s.t.Context(), s.db, opts); err != nil {
		s.t.Fatal(err)
	}
	next.Register(jobs.Kind{Name: "act", Width: 8, Run: perform})
	return next
}

var errBroken = errors.New("it is broken")

// perform does what a test wants: block ends with its context.
func perform(ctx context.Context, r *jobs.Run) (any, error) {
	var a act
	if err := r.Args(&a); err != nil {
		return nil, err
	}
	switch a.Do {
	case "fail":
		return "half", errBroken
	case "wait":
		return nil, &jobs.Wait{For: "a drive", Err: errBroken}
	case "panic":
		panic("at the disco")
	case "block":
		<-ctx.Done()
		return nil, context.Cause(ctx)
	case "finish":
		<-ctx.Done()
	}
	return "all", nil
}

// keep runs the site's jobs until stop is called, or the test ends.
func (s *site) keep() (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	var kept sync.WaitGroup
	kept.Go(func() { s.Keep(ctx) })
	stop = func() {
		cancel()
		kept.Wait()
	}
	s.t.Cleanup(stop)
	return stop
}

// as is the test's context with an actor.
func (s *site) as(name string) context.Context {
	return audit.WithActor(s.t.Context(), audit.Actor{Name: name, Kind: "user", Via: "session"})
}

func (s *site) start(kind string, args any, opts jobs.StartOptions) jobs.Job {
	s.t.Helper()
	return s.must(s.Start(s.as("ann"), kind, args, opts))
}

func (s *site) do(what string) jobs.Job {
	s.t.Helper()
	return s.start("act", act{what}, jobs.StartOptions{})
}

func (s *site) must(j jobs.Job, err error) jobs.Job {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	return j
}

// ended waits until a job has ended.
func (s *site) ended(id string) jobs.Job {
	s.t.Helper()
	return s.must(s.Await(s.t.Context(), id))
}

// reaches waits until a job is in a state.
func (s *site) reaches(id string, want jobs.State) jobs.Job {
	s.t.Helper()
	for {
		sub := s.bus.Subscribe("")
		j := s.must(s.Get(s.t.Context(), id))
		if j.State == want {
			return j
		}
		if _, err := sub.Next(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
	}
}

// exec changes the database as nothing else here would.
func (s *site) exec(query string, args ...any) {
	s.t.Helper()
	err := s.db.Write(s.t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(query, args...)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// query reads one value.
func query[T any](s *site, q string, args ...any) (v T) {
	s.t.Helper()
	if err := s.db.Read.QueryRow(q, args...).Scan(&v); err != nil {
		s.t.Fatal(err)
	}
	return v
}

// states are those of a job that clients were told of so far, each once.
func (s *site) states(id string) (list []jobs.State) {
	s.t.Helper()
	s.bus.Close()
	for {
		e, err := s.heard.Next(s.t.Context())
		if errors.Is(err, events.ErrClosed) {
			return list
		}
		var j jobs.Job
		if err := json.Unmarshal(e.Data, &j); err != nil || e.Type != "job" {
			s.t.Fatalf("%+v, %v", e, err)
		}
		if j.ID == id && (len(list) == 0 || list[len(list)-1] != j.State) {
			list = append(list, j.State)
		}
	}
}

// audited are the actions that the audit log has about a job, the oldest first.
func (s *site) audited(id string) (list []string) {
	s.t.Helper()
	records, err := s.audit.List(s.t.Context(), audit.Filter{Target: id})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range records {
		list = append([]string{r.Actor.Name + " " + r.Actor.Via + " " + r.Action + " " + r.Outcome}, list...)
	}
	return list
}

// messages are what a job has told.
func (s *site) messages(id string) (list []string) {
	s.t.Helper()
	lines, err := s.Lines(s.t.Context(), id, 0, 100_000)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, l := range lines {
		list = append(list, l.Message)
	}
	return list
}
