// Package hosts is the appliance's side of hosts: which machines are linked, what their
// agents tell of them, and what they are asked to do. It answers agents on a listener of
// its own, as package lifecycle/host says. What operations do, agents know; which ones are
// wanted, whoever calls Do.
//
// Nouns. A host, its agent and operations are as package lifecycle/host has them. A token
// lets one machine link, once and soon. A host is gone when it was unlinked: its agent is
// told so, and then its certificate is good for nothing. A task is an operation that
// somebody waits for, or that an agent has begun.
//
// What is kept where. Hosts and tokens are in the store's database; that a host was heard
// of is written for all hosts together, twice a minute at most. Operations are in memory
// only, since they may have secrets: after a restart of the appliance whoever wants one
// asks again with the same id, and agents answer from their journals.
//
// A backup has the hosts and no tokens. Brought back, it knows the hosts that were linked
// when it was made, and their certificates are still good; one that was linked since has
// to be linked again, and one that was unlinked since has to be unlinked again.
package hosts

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/internal/sqldb"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/certs"
	"github.com/landfall-dev/landfall/ui/events"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Events. The data of each is a host.Host without its inventory.
const (
	EventLinked   = "host.linked"
	EventUnlinked = "host.unlinked"
	EventOnline   = "host.online"
	EventOffline  = "host.offline"
	EventChanged  = "host.changed" // its name, cluster or inventory
)

// Options of Hosts. What is not said otherwise may be left out.
type Options struct {
	// Certs is the site's authority. Required.
	Certs *certs.Certs
	// Refuse answers a request with a problem. Required where agents are served.
	Refuse func(w http.ResponseWriter, err error)
	// Registry is the address of the site's registry, for a host that reaches the
	// appliance as the name or address given; empty when it cannot reach it.
	Registry func(reached string) string
	// Names are the names or addresses of the appliance that people are told when nobody
	// knows better, the best first.
	Names func() []string
	// PlatformsChanged is told when Platforms says something else than before. It must
	// not wait.
	PlatformsChanged func()
	// Patience is how long a host may be silent before who waits for it is told so: 10
	// minutes when 0, for ever when negative.
	Patience time.Duration
	Audit    *audit.Log   // nil: nothing is audited
	Events   *events.Bus  // nil: nobody is told
	Log      *slog.Logger // nil for silence
	// Now is the clock. Nil for the machine's.
	Now func() time.Time
}

const defaultPatience = 10 * time.Minute

// Hosts are those of one site.
type Hosts struct {
	store *store.Store
	db    *sqldb.DB
	opts  Options
	site  string // its id

	changing sync.Mutex  // held while tokens or the set of hosts change: they take turns
	attempts []time.Time // the last failures to link; protected by changing

	mu        sync.Mutex               // protects the rest, and all entries
	byID      map[string]*entry        // those that are gone, too
	byName    map[string]*entry        // those that are not
	at        string                   // HOST:PORT where agents are answered; empty: nowhere
	platforms []string                 // of the last Platforms that was told
	transfers map[string]host.Transfer // by the names that they are expected as
}

// entry is a host in memory. hosts.mu protects it.
type entry struct {
	host.Host
	key     []byte
	goneAt  time.Time // zero: it is linked
	toldAt  time.Time
	heard   time.Time // with the monotonic clock; zero: not since the start
	polls   int       // requests for work that are waiting
	online  bool      // as clients were told
	unsaved bool      // when it was seen is not in the database
	changed bool      // its inventory is not in the database
	tasks   []*task   // in the order in which they were asked for
	given   []string  // operations of the last answer
	wake    chan struct{}
}

func newEntry(h host.Host, key []byte) *entry {
	return &entry{Host: h, key: key, wake: make(chan struct{})}
}

// rouse answers requests for work that are waiting.
func (e *entry) rouse() {
	e.given = nil
	close(e.wake)
	e.wake = make(chan struct{})
}

// Open opens what a store's database knows of hosts.
func Open(ctx context.Context, s *store.Store, opts Options) (*Hosts, error) {
	content, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	db, err := s.Tables(ctx, "hosts", content, `DELETE FROM host_tokens`)
	if err != nil {
		return nil, registry.DiskError(err)
	}
	opts.Log = cmp.Or(opts.Log, slog.New(slog.DiscardHandler))
	opts.Patience = cmp.Or(opts.Patience, defaultPatience)
	if opts.Now == nil {
		opts.Now = time.Now
	}
	h := &Hosts{store: s, db: db, opts: opts, byID: map[string]*entry{}, byName: map[string]*entry{}, transfers: map[string]host.Transfer{}}
	if h.site, err = s.SiteID(ctx); err != nil {
		return nil, err
	}
	return h, h.load(ctx)
}

// now is the time as it is kept.
func (h *Hosts) now() time.Time { return time.UnixMilli(h.opts.Now().UnixMilli()).UTC() }

// onlineFor is for how long a host counts as online after it was heard of.
const onlineFor = time.Minute

// isOnline reports whether an agent waits for work, or was heard of lately.
func (e *entry) isOnline() bool {
	return e.goneAt.IsZero() && (e.polls > 0 || !e.heard.IsZero() && time.Since(e.heard) < onlineFor)
}

// show is the host as people are told of it.
func (e *entry) show() host.Host {
	shown := e.Host
	shown.Online = e.isOnline()
	return shown
}

// brief is the host for an event.
func (e *entry) brief() host.Host {
	shown := e.show()
	shown.Inventory = host.Inventory{Platform: shown.Inventory.Platform}
	return shown
}

// List tells of all linked hosts, by name.
func (h *Hosts) List(context.Context) ([]host.Host, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]host.Host, 0, len(h.byName))
	for _, e := range h.byName {
		list = append(list, e.show())
	}
	slices.SortFunc(list, func(a, b host.Host) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// Get tells of a linked host, by its name or id. ErrNotFound without it.
func (h *Hosts) Get(_ context.Context, name string) (host.Host, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e, err := h.find(name)
	if err != nil {
		return host.Host{}, err
	}
	return e.show(), nil
}

// find finds a linked host by its name or id; mu is held.
func (h *Hosts) find(name string) (*entry, error) {
	if e := h.byName[name]; e != nil {
		return e, nil
	}
	if e := h.byID[name]; e != nil && e.goneAt.IsZero() {
		return e, nil
	}
	return nil, fmt.Errorf("host %s: %w: 'landfall host ls' lists those that are linked", name, registry.ErrNotFound)
}

// Platforms are those of the linked hosts, each once, as far as they are known.
func (h *Hosts) Platforms(context.Context) ([]registry.Platform, error) {
	h.mu.Lock()
	names := h.platformNames()
	h.mu.Unlock()
	return registry.ParsePlatforms(names)
}

// platformNames are the linked hosts' platforms; mu is held.
func (h *Hosts) platformNames() (names []string) {
	for _, e := range h.byName {
		if _, err := registry.ParsePlatform(e.Inventory.Platform); err == nil {
			names = append(names, e.Inventory.Platform)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// tellPlatforms tells whoever wants to know when hosts have other platforms.
func (h *Hosts) tellPlatforms() {
	h.mu.Lock()
	names := h.platformNames()
	same := slices.Equal(names, h.platforms)
	h.platforms = names
	h.mu.Unlock()
	if !same && h.opts.PlatformsChanged != nil {
		h.opts.PlatformsChanged()
	}
}

// SetCluster says to which cluster a host belongs; "" for none. ErrConflict when it
// belongs to another one. That a host which is not there belongs to none is done.
func (h *Hosts) SetCluster(ctx context.Context, name, cluster string) error {
	h.changing.Lock()
	defer h.changing.Unlock()
	e, err := h.lookup(name)
	switch {
	case errors.Is(err, registry.ErrNotFound) && cluster == "":
		return nil
	case err != nil:
		return err
	case e.Cluster == cluster:
		return nil
	case e.Cluster != "" && cluster != "":
		return fmt.Errorf("host %s: %w: it belongs to cluster %s", e.Name, registry.ErrConflict, e.Cluster)
	}
	if err := h.update(ctx, e.ID, `cluster = ?`, cluster); err != nil {
		return err
	}
	h.alter(e.ID, EventChanged, func(e *entry) { e.Cluster = cluster })
	return nil
}

// lookup is the state of a linked host; changing is held, so that its name and cluster
// stay.
func (h *Hosts) lookup(name string) (host.Host, error) { return h.Get(context.Background(), name) }

// alter changes a host in memory and tells clients.
func (h *Hosts) alter(id, event string, change func(*entry)) {
	h.mu.Lock()
	e := h.byID[id]
	if e == nil {
		h.mu.Unlock()
		return
	}
	change(e)
	told := e.brief()
	h.mu.Unlock()
	h.opts.Events.Publish(event, told)
}
