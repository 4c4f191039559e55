package store

import (
	"context"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/internal/durable"
)

// Stats are the figures of a store that operators watch.
type Stats struct {
	Repositories, Tags, Manifests int64
	Blobs, BlobBytes              int64 // that a repository has
	Uploads                       int64 // sessions under way
	DamagedBlobs                  int64 // in quarantine; manifests, too
	TrashBlobs, TrashBytes        int64 // to be erased
	FreeBytes                     int64 // of the file system
	Scrub                         ScrubProgress
	Collect                       CollectProgress
}

// ScrubProgress is how far the running, or else the last, scrub is.
type ScrubProgress struct {
	Running           bool      `json:"running"`
	Started, Finished time.Time // zero: never
	Blobs, Bytes      int64     // read so far
	TotalBytes        int64     // to be read in all
	Damaged           int64     // found
}

// CollectProgress is how far the running, or else the last, collection is.
type CollectProgress struct {
	Running           bool
	Started, Finished time.Time // zero: never in this process
	Phase             string    // mark, survey, sweep, erase
	Items, Bytes      int64     // taken out so far
	FreedBytes        int64     // erased so far
}

// statsAge is for how long counts over large tables are good enough.
const statsAge = 30 * time.Second

// counts are the parts of Stats that cost a walk over tables.
type counts struct {
	mu    sync.Mutex // protects the fields below
	at    time.Time
	stats Stats
}

// Stats tells the figures; those that cost a walk over tables may be half a
// minute old.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	s.counts.mu.Lock()
	defer s.counts.mu.Unlock()
	if time.Since(s.counts.at) > statsAge {
		if err := s.count(ctx, &s.counts.stats); err != nil {
			return Stats{}, err
		}
		s.counts.at = time.Now()
	}
	stats := s.counts.stats
	stats.DamagedBlobs = s.damaged.Load()
	stats.Scrub, stats.Collect = s.scrubbing.get(), s.collecting.get()
	stats.Scrub.TotalBytes = stats.BlobBytes + stats.TrashBytes
	var err error
	stats.FreeBytes, err = durable.Free(s.dir)
	return stats, err
}

func (s *Store) count(ctx context.Context, stats *Stats) error {
	return s.db.Read.QueryRowContext(ctx, `SELECT
		(SELECT count(DISTINCT repository_id) FROM repository_manifests), (SELECT count(*) FROM tags),
		(SELECT count(*) FROM manifests WHERE unlinked_at IS NULL), (SELECT count(*) FROM uploads),
		count(*) FILTER (WHERE unlinked_at IS NULL), coalesce(sum(size) FILTER (WHERE unlinked_at IS NULL), 0),
		count(*) FILTER (WHERE unlinked_at IS NOT NULL), coalesce(sum(size) FILTER (WHERE unlinked_at IS NOT NULL), 0) FROM blobs`).
		Scan(&stats.Repositories, &stats.Tags, &stats.Manifests, &stats.Uploads, &stats.Blobs, &stats.BlobBytes, &stats.TrashBlobs, &stats.TrashBytes)
}

// collectProgress is a CollectProgress while it changes.
type collectProgress struct {
	mu sync.Mutex // protects the rest
	p  CollectProgress
}

func (c *collectProgress) update(f func(*CollectProgress)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.p)
}

func (c *collectProgress) start() {
	c.update(func(p *CollectProgress) { *p = CollectProgress{Running: true, Started: time.Now()} })
}

func (c *collectProgress) finish() {
	c.update(func(p *CollectProgress) { p.Running, p.Finished = false, time.Now() })
}

func (c *collectProgress) phase(name string) { c.update(func(p *CollectProgress) { p.Phase = name }) }

func (c *collectProgress) advance(items, bytes int64) {
	c.update(func(p *CollectProgress) { p.Items, p.Bytes = p.Items+items, p.Bytes+bytes })
}

func (c *collectProgress) erased(bytes int64) {
	c.update(func(p *CollectProgress) { p.FreedBytes = bytes })
}

func (c *collectProgress) get() CollectProgress {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.p
}
