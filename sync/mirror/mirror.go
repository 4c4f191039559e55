// Package mirror keeps one place level with others: it finds out what the mirrors
// of a mirror.yaml choose, plans what has to be copied and deleted for it, and
// carries the plan out. The place may be the local store, a remote registry or a
// bundle; the plan and the run are the same.
//
// It decides nothing by itself: what is chosen is in the configuration, whose
// signatures count in its keys and the site's trust policy. When it runs, and who
// may start it, is elsewhere.
//
// Nouns. A plan is a list of images, what becomes of each and why, and of tags
// that go. An image is one tag of a source with all that it reaches. A transfer is
// one blob, which moves once however many images name it. A lock is the digests
// that tags stood for once, to be had again.
package mirror

import (
	"cmp"
	"context"
	"iter"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/chartrepo"
	"github.com/landfall-dev/landfall/registry/trust"
	"github.com/landfall-dev/landfall/sync/config"
)

// Upstream is the registries that are mirrored from, by the hosts in names.
type Upstream interface {
	registry.Reader
	registry.Ranger
	chartrepo.Fetcher
	Tags(ctx context.Context, repository, after string) iter.Seq2[string, error]
	Catalog(ctx context.Context, host, after string) iter.Seq2[string, error]
}

// Destination is what is kept level. What else it can do is used where it can:
// registry.Lister and Deleter, Checker, Mounter, Resumer, Batcher.
type Destination interface {
	registry.Writer
	// Resolve is that of registry.Reader.
	Resolve(ctx context.Context, ref registry.Ref) (registry.Descriptor, error)
}

// Options say how a plan is made and carried out. The zero value is the default.
type Options struct {
	// Mirrors are the names of those that are meant; empty: all.
	Mirrors []string
	// Lock has the digests that tags stand for; nil: what they stand for now.
	Lock *Lock
	// Locking makes a plan whose Locked is whole: it walks what has not changed, too.
	Locking bool
	// Recheck looks below root digests that have not changed, for all mirrors.
	Recheck bool
	// Trust is the destination's own policy about images; nil for none.
	Trust *trust.Policy
	// Jobs is how many blobs move at once; DefaultJobs when 0.
	Jobs int
	// Spool is a folder for what is on its way to a destination that keeps no half
	// blobs; empty: an interrupted blob begins anew there.
	Spool string
	// Progress is told what happens to content; nil for silence.
	Progress func(registry.Event)
	// Now is the time; nil for the clock.
	Now func() time.Time
}

// DefaultJobs is how many blobs move at once.
const DefaultJobs = 6

// requests is how many small requests are under way at once to find out what is
// where: over a long way they cost nothing but the time of the way.
const requests = 32

func (o Options) withDefaults() Options {
	o.Jobs = cmp.Or(o.Jobs, DefaultJobs)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Progress == nil {
		o.Progress = func(registry.Event) {}
	}
	return o
}

// means reports whether a mirror is one of those that are meant.
func (o Options) means(m *config.Mirror) bool {
	for _, name := range o.Mirrors {
		if name == m.Name {
			return true
		}
	}
	return len(o.Mirrors) == 0
}
