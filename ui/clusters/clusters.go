// Package clusters is what a site knows of its Kubernetes clusters: what each is to be,
// which definitions it runs, ran and is about to run, and what was done to it. It makes
// plans with lifecycle/cluster/plan and has jobs carry them out; what these definitions
// reach is pinned in the store for as long as the cluster needs it.
//
// Nouns. A cluster, its definitions and runs are as package lifecycle/cluster has them.
// A run is open until it is done or abandoned; a cluster has one open run at most. The
// phase of a cluster is what people are told it is at.
package clusters

import (
	"cmp"
	"context"
	"embed"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/internal/sqldb"
	"github.com/landfall-dev/landfall/lifecycle/cluster/kube"
	"github.com/landfall-dev/landfall/lifecycle/cluster/run"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/lifecycle/render"
	"github.com/landfall-dev/landfall/lifecycle/sitevalues"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/definitions"
	"github.com/landfall-dev/landfall/ui/events"
	"github.com/landfall-dev/landfall/ui/jobs"
)

//go:embed migrations/*.sql
var migrations embed.FS

// EventChanged is the type of the event that tells of a cluster that is at something
// else than before. Its data is a Cluster, without its steps.
const EventChanged = "cluster.changed"

// Hosts are those of the site.
type Hosts interface {
	List(ctx context.Context) ([]host.Host, error)
	Do(ctx context.Context, name string, op host.Op, progress func(host.Result)) (host.Result, error)
	// SetCluster says to which cluster a host belongs; "" for none. ErrConflict when it
	// belongs to another one.
	SetCluster(ctx context.Context, name, cluster string) error
	// Expect lets a host send or get bytes under a name until release.
	Expect(as string, t host.Transfer) (release func())
}

// Kube is a cluster as it is spoken to: a kube.Client.
type Kube interface {
	run.Kube
	Blockers(ctx context.Context, nodes []string) ([]kube.Blocker, error)
	Drift(ctx context.Context, want kube.Wanted) (*kube.Drift, error)
	Close()
}

var _ Kube = (*kube.Client)(nil)

// Options of Clusters. What is not said otherwise is required.
type Options struct {
	Definitions *definitions.Definitions
	Values      *sitevalues.Values
	Hosts       Hosts
	Jobs        *jobs.Pool
	Folder      string // for states of clusters that are restored, encrypted; it is made
	// Registry is how hosts reach the site's own registry.
	Registry func(ctx context.Context) (host.Source, error)
	Renderer *render.Renderer // nil: one with the default limits
	// Dial speaks to a cluster with a kubeconfig; nil: as kube.New does.
	Dial   func(kubeconfig []byte) (Kube, error)
	Audit  *audit.Log   // nil: nothing is audited
	Events *events.Bus  // nil: nobody is told
	Log    *slog.Logger // nil for silence
}

// Clusters are those of one site.
type Clusters struct {
	store *store.Store
	db    *sqldb.DB
	opts  Options

	mu       sync.Mutex                 // protects the rest
	clients  map[string]*dialed         // by cluster
	outlines map[string]*outline        // by cluster
	notes    map[string]map[string]note // what steps are at, by run and step
}

// dialed is how a cluster is spoken to, for as long as its certificate is good.
type dialed struct {
	client   Kube
	endpoint string
	until    time.Time
}

// note is what a step is at.
type note struct {
	text string
	at   time.Time
}

// Open opens what a store's database knows of clusters, and registers what jobs do to
// them.
func Open(ctx context.Context, s *store.Store, opts Options) (*Clusters, error) {
	content, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if err := durable.MkdirAll(opts.Folder, 0o700); err != nil {
		return nil, registry.DiskError(err)
	}
	db, err := s.Tables(ctx, "clusters", content)
	if err != nil {
		return nil, registry.DiskError(err)
	}
	opts.Log = cmp.Or(opts.Log, slog.New(slog.DiscardHandler))
	if opts.Dial == nil {
		opts.Dial = func(kubeconfig []byte) (Kube, error) { return kube.New(kubeconfig, kube.Options{Log: opts.Log}) }
	}
	opts.Renderer = cmp.Or(opts.Renderer, &render.Renderer{})
	c := &Clusters{store: s, db: db, opts: opts, clients: map[string]*dialed{}, outlines: map[string]*outline{}, notes: map[string]map[string]note{}}
	opts.Jobs.Register(jobs.Kind{Name: JobKind, Lane: JobKind, Width: atOnce, Run: c.work})
	return c, nil
}
