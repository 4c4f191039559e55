// Package landing brings files with content into the appliance's store, as jobs:
// bundles, and archives of images as docker save and others write them. Where that is
// wanted, and always for signed ones, a bundle is attached first: hosts can pull from
// it at once, while its content is brought in behind. An archive is judged like a
// push. A landing does not end with who asked for it, nor with the appliance. When its
// medium is taken out it waits, and goes on when any copy of the same content is there.
//
// Nouns. A source is where a file is: on this machine, an upload, or on a drive. Cargo
// is what a file brings. Signatures of a bundle may be in files beside it.
package landing

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry/attach"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/registry/trust"
	"github.com/landfall-dev/landfall/ui/jobs"
	"github.com/landfall-dev/landfall/ui/upload"
)

// Kind is the kind of the jobs.
const Kind = "import"

// width is how many land at once.
const width = 2

// Source says where a file is; one of its ways.
type Source struct {
	Path   string `json:"path,omitempty" doc:"A file of the appliance's machine; by its own commands only"`
	Upload string `json:"upload,omitempty" doc:"The id of an upload that is whole; of a file that was cut, any part's"`
	Drive  string `json:"drive,omitempty" doc:"The id of a drive"`
	File   string `json:"file,omitempty" doc:"The file on the drive"`
	// Signatures are more files of the same place.
	Signatures []string `json:"signatures,omitempty" maxItems:"16" doc:"Signatures of the bundle in files of their own: paths, uploads or files on the drive, like the bundle; when none are named, those on a drive that are named like the bundle count"`
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

// Request says how a file lands.
type Request struct {
	Name     string   `json:"name,omitempty" doc:"What an image is called that has no name in its archive, like registry.example/team/app:1"`
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
	Bundle string `json:"bundle"` // id of the cargo
	// Of what was there at the start: the uploads, and the signatures beside a bundle.
	Uploads []string          `json:"uploads,omitempty"`
	Signed  []json.RawMessage `json:"signed,omitempty"`
	Request
}

// maxNames is how many names a job lists that it has made visible.
const maxNames = 1000

// Progress is how far a landing is.
type Progress struct {
	Attached bool           `json:"attached,omitempty"` // hosts can pull
	Bundle   string         `json:"bundle,omitempty"`   // id of the cargo
	Kind     upload.Kind    `json:"kind,omitempty"`     // of the file
	Source   string         `json:"source,omitempty"`   // where it was
	Total    int64          `json:"total"`              // bytes that the site misses
	Moved    int64          `json:"moved"`              // of these
	Present  int            `json:"present"`            // blobs and manifests that it has
	Verdict  *trust.Verdict `json:"verdict,omitempty"`  // at the end
	Names    []string       `json:"names,omitempty"`    // at the end: what became visible, at most 1000 of them
}

// PhaseAttached is the phase of a job while hosts can pull from its bundle.
const PhaseAttached = "attached"

// Opener opens a file on a drive. ErrNotFound when it is not there now; then the
// bundle of the id may be elsewhere.
type Opener func(ctx context.Context, s Source, id string) (bundle.Medium, error)

// Options of a Landing. The zero value is the default.
type Options struct {
	// Uploads are what can land; they are consumed by it. Nil: there are none.
	Uploads *upload.Uploads
	// Open opens files on drives; nil: there are none.
	Open Opener
	// Beside names the files of a drive that are named like signatures of one;
	// nil: there are none.
	Beside func(s Source) []string
	// Landed is told when all of a file is in the store, and may tell the job's log
	// what follows from it; nil: nobody is told.
	Landed func(ctx context.Context, tell func(level slog.Level, message string, data any))
	Log    *slog.Logger
}

// Landing lands files in one store.
type Landing struct {
	store *store.Store
	view  *attach.View
	pool  *jobs.Pool
	opts  Options

	mu     sync.Mutex        // protects copies
	copies map[string]Source // of what waits for its medium, by its cargo's id
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

func waitKey(bundle string) string { return "bundle " + bundle }

// Start lets a file land. What the site would not let in is refused at once, except
// for damage that only Verify would find. When the same content is being landed, that
// is the job; if it waits for its medium, it goes on from here.
func (l *Landing) Start(ctx context.Context, s Source, request Request, idempotencyKey string) (jobs.Job, error) {
	if j, there := l.replayed(ctx, s, request, idempotencyKey); there {
		return j, nil
	}
	opts, err := request.Options()
	if err != nil {
		return jobs.Job{}, err
	}
	c, err := l.open(ctx, s, request, "")
	if err != nil {
		return jobs.Job{}, err
	}
	defer c.Close()
	opts.Verify = false // is for the job
	if _, err := l.admit(ctx, c, opts); err != nil {
		return jobs.Job{}, err
	}
	j, err := l.pool.Start(ctx, Kind, args{s, c.id, c.uploads, c.signed, request}, jobs.StartOptions{
		IdempotencyKey: idempotencyKey, Exclusive: Kind + " " + c.key, Join: true, Subject: c.id})
	if err != nil {
		return jobs.Job{}, err
	}
	return j, l.started(ctx, s, c, j)
}

// started gives a job that is new, or waits, what it is to land.
func (l *Landing) started(ctx context.Context, s Source, c *cargo, j jobs.Job) error {
	if j.Joined && j.State != jobs.Waiting {
		return nil // it has a copy already
	}
	if err := l.bind(ctx, c.uploads, j.ID); err != nil {
		if !j.Joined {
			_, cancelErr := l.pool.Cancel(ctx, j.ID)
			err = errors.Join(err, cancelErr)
			l.release(ctx, c.uploads, j.ID)
		}
		return err
	}
	if j.State != jobs.Waiting {
		return nil
	}
	l.offer(c.id, s)
	return l.pool.Wake(ctx, waitKey(c.id))
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

// lookEvery is the time between two looks for files that come back.
const lookEvery = 3 * time.Second

// Keep looks for the files of this machine that landings wait for, and lets go of the
// uploads of those that have ended, until ctx ends.
func (l *Landing) Keep(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() { l.keepReleasing(ctx) })
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
		if c, err := l.reopen(ctx, a.Source, a); err == nil {
			c.Close()
			if err := l.Returned(ctx, a.Bundle, a.Source); err != nil {
				l.opts.Log.Error("a landing does not go on", "job", j.ID, "error", err)
			}
		}
	}
}
