// Package ondemand brings content into a site's store when it is first pulled: the
// mirrors of a mirror.yaml that say so. What comes is given to clients while it
// comes, once from the upstream for all who want it, and from the store afterwards,
// also when the upstream is gone. It is what the registry's engine asks, see
// engine.Upstream.
//
// It is no open proxy: a name that no such mirror chooses is nobody's business here,
// and nobody is dialled for it. It lists no tags, takes no pushes, and throws nothing
// away: collection and retention are the store's.
//
// Nouns. A place is a repository that comes on demand, with the mirrors that choose
// it. What is known is manifests in memory, of what clients asked for lately; see
// memory.go. A name waits until what was asked for of it is whole in the store; only
// then it becomes visible there, and until then it is answered from memory. The root
// is the manifest that a name stands for; for an index, only the children that
// clients asked for are brought. A landing brings a root with these children, and
// then what is attached to them: signatures, attestations, SBOMs.
package ondemand

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/attach"
	"github.com/landfall-dev/landfall/registry/remote"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/sync/config"
)

// What a zero Options means.
const (
	defaultMemory = 64 << 20
	// defaultPatience is well below the 30 s after which kubelet and others take a
	// registry for dead, and enough for a link with a round trip of a second to
	// log in and to answer.
	defaultPatience = 5 * time.Second
)

// Options of an Upstream. The zero value is the default.
type Options struct {
	// View is the store with what is attached to it; nil: the store alone.
	View *attach.View
	// Jobs is how many blobs of an image are brought at once, where the host's
	// settings do not say; registry.DefaultJobs when 0. What clients ask for comes
	// at once besides.
	Jobs int
	// Memory bounds the manifests that are kept in memory, in bytes; 64 MiB when 0.
	Memory int64
	// Patience is how long a client waits for an upstream when the site has an
	// answer, too; 5 s when 0.
	Patience time.Duration
	// Log gets what clients are not told. Nil for silence.
	Log *slog.Logger
}

// Upstream is an engine.Upstream over the registries of a mirror.yaml. It is safe
// for concurrent use.
type Upstream struct {
	store    *store.Store
	view     *attach.View
	opts     Options
	log      *slog.Logger
	settings atomic.Pointer[settings]
	now      func() time.Time
	memory   *memory
	links    links

	ctx     context.Context //nolint:containedctx // of what goes on after its client has left
	stop    context.CancelCauseFunc
	running sync.WaitGroup
	naming  sync.Mutex // held while names become visible, so that a tag does not go back

	mu       sync.Mutex // protects the fields below
	closed   bool
	flights  map[key]*flight
	landings map[string]bool // under way, by root and children
}

// settings are a mirror.yaml and the registries' client with its hosts.
type settings struct {
	file   *config.File
	remote *remote.Registry
}

// New makes an Upstream over the mirrors of cfg that are on demand; r has to know
// the hosts' settings, cfg.Hosts(). It dials nobody yet. The store and r stay the
// caller's to close, after Close.
func New(cfg *config.File, s *store.Store, r *remote.Registry, opts Options) *Upstream {
	opts.Jobs = cmp.Or(opts.Jobs, registry.DefaultJobs)
	opts.Memory = cmp.Or(opts.Memory, defaultMemory)
	opts.Patience = cmp.Or(opts.Patience, defaultPatience)
	u := &Upstream{store: s, view: opts.View, opts: opts, log: opts.Log, now: time.Now,
		memory: newMemory(opts.Memory), flights: map[key]*flight{}, landings: map[string]bool{}}
	if u.view == nil {
		u.view = attach.NewView(s)
	}
	if u.log == nil {
		u.log = slog.New(slog.DiscardHandler)
	}
	u.ctx, u.stop = context.WithCancelCause(context.Background())
	u.SetConfig(cfg, r)
	return u
}

// SetConfig puts another mirror.yaml in force, with the client that knows its hosts.
// What is under way goes on as it began.
func (u *Upstream) SetConfig(cfg *config.File, r *remote.Registry) {
	u.settings.Store(&settings{cfg, r})
}

// errEnding is told to who asks while the site goes down.
var errEnding = fmt.Errorf("%w: the site is going down", registry.ErrUnreachable)

// Close ends what is under way, and waits for it. What came is kept: the next pull
// goes on from there.
func (u *Upstream) Close() {
	u.mu.Lock()
	u.closed = true
	u.mu.Unlock()
	u.stop(errEnding)
	u.running.Wait()
}

// goes runs f until Close; false after it. The caller holds mu.
func (u *Upstream) goes(f func(ctx context.Context)) bool {
	if u.closed {
		return false
	}
	u.running.Go(func() { f(u.ctx) })
	return true
}
