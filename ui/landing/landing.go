// Package landing brings bundles into the appliance's store, as jobs. Where that
// is wanted, and always for signed ones, a bundle is attached first: hosts can
// pull from it at once, while its content is brought in behind. A landing does not
// end with who asked for it, nor with the appliance. When its medium is taken out
// it waits, and goes on when any copy of the same bundle is there.
//
// Nouns. A source is where a bundle is: a file of this machine, an upload, or a
// file on a drive.
package landing

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/attach"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/registry/trust"
	"github.com/landfall-dev/landfall/ui/jobs"
)

// Kind is the kind of the jobs.
const Kind = "import"

// width is how many bundles land at once.
const width = 2

// Source says where a bundle is; one of its ways.
type Source struct {
	Path   string `json:"path,omitempty" doc:"A file of the appliance's machine; by its own commands only"`
	Upload string `json:"upload,omitempty" doc:"The id of an upload that is whole"`
	Drive  string `json:"drive,omitempty" doc:"The id of a drive"`
	File   string `json:"file,omitempty" doc:"The file on the drive"`
}

func (s Source) String() string {
	switch {
	case s.Upload != "":
		return "upload " + s.Upload
	case s.Drive != "":
		return s.File + " on drive " + s.Drive
	}
	return s.Path
}

// Request says how a bundle lands.
type Request struct {
	Keys     []string `json:"keys,omitempty" doc:"Public keys (PEM); when there are any, only their signatures count"`
	Override string   `json:"override,omitempty" doc:"Why to let in what is old or expired"`
	Verify   bool     `json:"verify,omitempty" doc:"Prove every byte before anything is brought in"`
	Attach   bool     `json:"attach,omitempty" doc:"Let hosts pull before all is in the store"`
}

// Options are those of bundle.Land.
func (r Request) Options() (o bundle.LandOptions, err error) {
	for _, text := range r.Keys {
		k, err := trust.ParseKey([]byte(text))
		if err != nil {
			return o, err
		}
		o.Keys = append(o.Keys, k)
	}
	o.Override, o.Verify = r.Override, r.Verify
	return o, nil
}

// args are what a job is asked for.
type args struct {
	Source Source `json:"source"`
	Bundle string `json:"bundle"` // id
	Request
}

// Progress is how far a landing is.
type Progress struct {
	Attached bool           `json:"attached,omitempty"` // hosts can pull
	Bundle   string         `json:"bundle,omitempty"`   // id
	Source   string         `json:"source,omitempty"`   // where it was
	Total    int64          `json:"total"`              // bytes that the site misses
	Moved    int64          `json:"moved"`              // of these
	Present  int            `json:"present"`            // blobs and manifests that it has
	Verdict  *trust.Verdict `json:"verdict,omitempty"`  // at the end
}

// PhaseAttached is the phase of a job while hosts can pull from its bundle.
const PhaseAttached = "attached"

// Opener opens what is not a file of this machine. ErrNotFound when it is not there
// now; then the bundle of the id may be elsewhere.
type Opener func(ctx context.Context, s Source, bundle string) (*bundle.Reader, error)

// Options of a Landing. The zero value is the default.
type Options struct {
	// Open opens uploads and files on drives; nil: there are none.
	Open Opener
	// Landed is told of each source whose bundle is in the store; nil: nobody is.
	Landed func(ctx context.Context, s Source)
	Log    *slog.Logger
}

// Landing lands bundles in one store.
type Landing struct {
	store *store.Store
	view  *attach.View
	pool  *jobs.Pool
	opts  Options

	mu     sync.Mutex        // protects copies
	copies map[string]Source // of what waits for its medium, by bundle
}

// New makes a Landing and adds its kind of jobs to a pool.
func New(s *store.Store, v *attach.View, p *jobs.Pool, opts Options) *Landing {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	l := &Landing{store: s, view: v, pool: p, opts: opts, copies: map[string]Source{}}
	p.Register(jobs.Kind{Name: Kind, Lane: Kind, Width: width, Run: l.land})
	p.Register(jobs.Kind{Name: KindVerify, Lane: KindVerify, Width: width, Run: l.verify})
	return l
}

// runKey tells landings apart: the same content can come twice, with another
// place in its channel.
func runKey(h *bundle.Header) string { return fmt.Sprintf("%s %s %d", h.ID, h.Channel, h.Sequence) }

func waitKey(bundle string) string { return "bundle " + bundle }

// Start lets a bundle land. What the site would not let in is refused at once,
// except for damage that only Verify would find. When the same bundle is being
// landed, that is the job; if it waits for its medium, it goes on from here.
func (l *Landing) Start(ctx context.Context, s Source, request Request, idempotencyKey string) (jobs.Job, error) {
	opts, err := request.Options()
	if err != nil {
		return jobs.Job{}, err
	}
	r, err := l.open(ctx, s, "")
	if err != nil {
		return jobs.Job{}, err
	}
	defer r.Close()
	opts.Verify = false // is for the job
	if _, err := bundle.Admit(ctx, l.store, r, opts); err != nil {
		return jobs.Job{}, err
	}
	h := r.Header()
	j, err := l.pool.Start(ctx, Kind, args{s, h.ID, request}, jobs.StartOptions{
		IdempotencyKey: idempotencyKey, Exclusive: Kind + " " + runKey(h), Join: true, Subject: h.ID})
	if err == nil && j.State == jobs.Waiting {
		l.offer(h.ID, s)
		err = l.pool.Wake(ctx, waitKey(h.ID))
	}
	return j, err
}

// Returned lets what waits for a bundle go on with a copy of it.
func (l *Landing) Returned(ctx context.Context, bundle string, s Source) error {
	l.offer(bundle, s)
	return l.pool.Wake(ctx, waitKey(bundle))
}

func (l *Landing) offer(bundle string, s Source) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.copies[bundle] = s
}

// open opens a bundle where a source says that it is. ErrNotFound when it is not
// there, or is another one than that of the id.
func (l *Landing) open(ctx context.Context, s Source, id string) (r *bundle.Reader, err error) {
	switch {
	case s.Path != "":
		r, err = bundle.Open(s.Path)
	case l.opts.Open != nil && (s.Upload != "" || s.Drive != ""):
		r, err = l.opts.Open(ctx, s, id)
	default:
		return nil, fmt.Errorf("%w: source: want an upload, or a drive and a file", registry.ErrInvalid)
	}
	if os.IsNotExist(err) {
		err = fmt.Errorf("%w: %w", registry.ErrNotFound, err)
	}
	if err == nil && id != "" && r.Header().ID != id {
		r.Close()
		return nil, fmt.Errorf("%s: %w: another bundle is there now", s, registry.ErrNotFound)
	}
	return r, err
}

// lookEvery is the time between two looks for files that come back.
const lookEvery = 3 * time.Second

// Keep looks for the files of this machine that landings wait for, until ctx ends.
func (l *Landing) Keep(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		l.look(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (l *Landing) look(ctx context.Context) {
	waiting, err := l.pool.List(ctx, jobs.Filter{Kind: Kind, State: jobs.Waiting})
	if err != nil {
		return
	}
	for _, j := range waiting {
		var a args
		if jobs.Decode(j.Args, &a) != nil || a.Source.Path == "" {
			continue
		}
		if r, err := l.open(ctx, a.Source, a.Bundle); err == nil {
			r.Close()
			if err := l.Returned(ctx, a.Bundle, a.Source); err != nil {
				l.opts.Log.Error("a landing does not go on", "job", j.ID, "error", err)
			}
		}
	}
}
