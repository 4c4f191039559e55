package jobs

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/landfall-dev/landfall/internal/sqldb"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/events"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Kind is what jobs do.
type Kind struct {
	Name string
	// Lane is where its jobs wait for each other, and for those of other kinds in
	// the same lane; empty: a lane of its own.
	Lane string
	// Width is how many jobs of the lane run at once; 1 when 0. Kinds in one lane
	// have the same.
	Width int
	// Run does it. What it returns is kept as JSON, also beside an error. It ends
	// soon after its context does, and does again nothing that it must not: what
	// was not journaled by a Step may have happened before. Its context has the
	// actor that started the job.
	Run func(ctx context.Context, r *Run) (result any, err error)
}

// Options of a Pool. The zero value is the default.
type Options struct {
	Log    *slog.Logger // nil for silence
	Audit  *audit.Log   // nil: nothing is audited
	Events *events.Bus  // nil: nobody is told
	// Describe is how an error is kept; nil: as failed, with its text.
	Describe func(error) Failure
	// History is for how long jobs that have ended are kept; 90 days when 0. Of
	// each kind and subject the last one stays.
	History time.Duration
	// Keep is how many jobs of a kind that have ended are kept; 1000 when 0.
	Keep int
	// Queue is how many jobs of a kind may be queued; 1000 when 0.
	Queue int
	// Crashes is how often in a row the appliance may end without a farewell while
	// a job gets no further, before it is not begun again by itself; 3 when 0.
	Crashes int
}

// Pool keeps jobs in a database, and runs them. Its methods are not for use within
// a transaction of that database: they make their own.
type Pool struct {
	db      *sqldb.DB
	opts    Options
	epoch   string // of this process, as owner of leases
	history atomic.Int64
	stuck   atomic.Pointer[stuck] // why nothing can be written since the last time
	kinds   map[string]*Kind
	lanes   []*lane
	due     chan struct{} // something is queued, or a place in a lane is free
	ids     ids

	telling  sync.Mutex // one change of state at a time, so that events are in their order
	watchers watchers

	mu     sync.Mutex // protects active
	active map[string]*Run
}

// lane is where jobs of some kinds wait for each other.
type lane struct {
	name  string
	width int
	kinds []string
	busy  int // protected by the pool's mu
}

// New makes a pool on a database. Register tells it what it can do; Keep does it.
func New(ctx context.Context, db sqldb.Home, opts Options) (*Pool, error) {
	content, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	tables, err := db.Tables(ctx, "jobs", content, forBackups...)
	if err != nil {
		return nil, err
	}
	p := &Pool{db: tables, opts: opts.withDefaults(), epoch: newEpoch(), due: make(chan struct{}, 1),
		kinds: map[string]*Kind{}, active: map[string]*Run{}}
	p.SetHistory(p.opts.History)
	p.watchers.of = map[string]*watcher{}
	if err := p.ids.goOn(ctx, p.db); err != nil {
		return nil, err
	}
	return p, nil
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Describe == nil {
		o.Describe = func(err error) Failure { return Failure{Kind: "failed", Message: err.Error()} }
	}
	o.History = cmp.Or(o.History, 90*24*time.Hour)
	o.Keep = cmp.Or(o.Keep, 1000)
	o.Queue = cmp.Or(o.Queue, 1000)
	o.Crashes = cmp.Or(o.Crashes, 3)
	return o
}

// SetHistory changes for how long jobs that have ended are kept.
func (p *Pool) SetHistory(d time.Duration) { p.history.Store(int64(d)) }

// Register adds a kind. All are there before the first Start, and before Keep.
func (p *Pool) Register(k Kind) {
	k.Lane, k.Width = cmp.Or(k.Lane, k.Name), cmp.Or(k.Width, 1)
	if p.kinds[k.Name] != nil {
		panic("jobs: kind " + k.Name + " is there twice")
	}
	p.kinds[k.Name] = &k
	for _, l := range p.lanes {
		if l.name != k.Lane {
			continue
		}
		if l.width != k.Width {
			panic(fmt.Sprintf("jobs: lane %s is %d and %d wide", l.name, l.width, k.Width))
		}
		l.kinds = append(l.kinds, k.Name)
		return
	}
	p.lanes = append(p.lanes, &lane{name: k.Lane, width: k.Width, kinds: []string{k.Name}})
}

// retryAfter is the time after which the database is asked again when it could
// not be written.
const retryAfter = 2 * time.Second

// Keep runs jobs until ctx ends; it is called once. What ran when the last process
// ended goes on first. When ctx ends the jobs that run are told so, and Keep
// returns when they have: they go on at the next start.
func (p *Pool) Keep(ctx context.Context) {
	base, end := context.WithCancelCause(context.WithoutCancel(ctx))
	defer end(nil)
	stop := context.AfterFunc(ctx, func() { end(ErrShutdown) })
	defer stop()
	var running sync.WaitGroup
	defer running.Wait()
	resumed := false
	for ctx.Err() == nil {
		var err error
		if !resumed {
			err = p.resume(ctx)
			resumed = err == nil
		}
		if err == nil {
			err = p.fill(base, &running)
		}
		var again <-chan time.Time
		if err != nil && ctx.Err() == nil {
			p.opts.Log.Error("jobs are not begun", "error", err)
			p.hold(err)
			again = time.After(retryAfter)
		}
		select {
		case <-p.due:
		case <-again:
		case <-ctx.Done():
		}
	}
}

// look lets Keep look for what is due.
func (p *Pool) look() {
	select {
	case p.due <- struct{}{}:
	default:
	}
}

// change runs a transaction that changes the state of jobs. When it is durable
// then is called, and everybody is told of the jobs as they are.
func (p *Pool) change(ctx context.Context, fn func(*sql.Tx) ([]Job, error), then ...func()) error {
	p.telling.Lock()
	defer p.telling.Unlock()
	var changed []Job
	err := p.db.Write(ctx, func(tx *sql.Tx) (err error) {
		changed, err = fn(tx)
		return err
	})
	if err != nil {
		return registry.DiskError(err)
	}
	p.stuck.Store(nil)
	for _, do := range then {
		do()
	}
	for _, j := range changed {
		p.publish(j)
		p.watchers.tell(j.ID)
	}
	p.look()
	return nil
}

// stuck is why jobs can neither begin nor end.
type stuck struct {
	err     error
	failure Failure
}

// hold tells those who wait for a job that none can begin or end now.
func (p *Pool) hold(err error) {
	p.stuck.Store(&stuck{err, p.opts.Describe(err)})
	p.watchers.tellAll()
}

// publish tells clients of a job, without what may be large; telling is held.
func (p *Pool) publish(j Job) {
	j.Args, j.Result, j.Steps = nil, nil, nil
	p.opts.Events.Publish("job", j)
}

// note audits what is done to a job.
func (p *Pool) note(ctx context.Context, tx *sql.Tx, e audit.Entry) error {
	if p.opts.Audit == nil {
		return nil
	}
	return p.opts.Audit.Append(ctx, tx, e)
}

// running is a job's Run in this process; nil when it does not run.
func (p *Pool) running(id string) *Run {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.active[id]
}
