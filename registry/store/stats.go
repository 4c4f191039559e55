package store

import (
	"context"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/internal/durable"
)

// Stats are the figures of a store that operators watch.
type Stats struct {
	Repositories int64           `json:"repositories"`
	Tags         int64           `json:"tags"`
	Manifests    int64           `json:"manifests"`
	Blobs        int64           `json:"blobs"`     // that a repository has
	BlobBytes    int64           `json:"blobBytes"` // of these
	Uploads      int64           `json:"uploads"`   // sessions under way
	DamagedBlobs int64           `json:"damaged"`   // in quarantine; manifests, too
	TrashBlobs   int64           `json:"trashBlobs"`
	TrashBytes   int64           `json:"trashBytes"` // to be erased
	FreeBytes    int64           `json:"freeBytes"`  // of the file system
	Scrub        ScrubProgress   `json:"scrub"`
	Collect      CollectProgress `json:"collect"`
}

// ScrubProgress is how far the running, or else the last, scrub is.
type ScrubProgress struct {
	Running    bool      `json:"running"`
	Started    time.Time `json:"started,omitzero"` // zero: never
	Finished   time.Time `json:"finished,omitzero"`
	Blobs      int64     `json:"blobs"`      // read so far
	Bytes      int64     `json:"bytes"`      // read so far
	TotalBytes int64     `json:"totalBytes"` // to be read in all
	Damaged    int64     `json:"damaged"`    // found
}

// CollectProgress is how far the running, or else the last, collection is.
type CollectProgress struct {
	Running    bool      `json:"running"`
	Started    time.Time `json:"started,omitzero"` // zero: never in this process
	Finished   time.Time `json:"finished,omitzero"`
	Phase      string    `json:"phase,omitempty"` // mark, survey, sweep, erase
	Items      int64     `json:"items"`           // taken out so far
	Bytes      int64     `json:"bytes"`           // taken out so far
	FreedBytes int64     `json:"freedBytes"`      // erased so far
}

// Counts over large tables are good enough for so many times as long as they took, and
// half a minute at most.
const (
	statsTimes = 100
	statsAge   = 30 * time.Second
)

// counts are the parts of Stats that cost a walk over tables.
type counts struct {
	mu    sync.Mutex // protects the fields below
	until time.Time
	stats Stats
}

// Stats tells the figures; those that cost a walk over large tables may be half a
// minute old.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	s.counts.mu.Lock()
	defer s.counts.mu.Unlock()
	if began := time.Now(); began.After(s.counts.until) {
		if err := s.count(ctx, &s.counts.stats); err != nil {
			return Stats{}, err
		}
		s.counts.until = time.Now().Add(min(statsTimes*time.Since(began), statsAge))
	}
	stats := s.counts.stats
	stats.DamagedBlobs = s.damaged.Load()
	stats.Scrub, stats.Collect = s.scrubbing.get(), s.collecting.get()
	if stats.Scrub.Started.IsZero() { // not since the start
		var p pass
		if _, err := s.document(ctx, scrubDocument, &p); err != nil {
			return stats, err
		}
		s.scrubbing.resume(p)
		stats.Scrub = s.scrubbing.get()
	}
	stats.Scrub.TotalBytes = stats.BlobBytes + stats.TrashBytes
	var err error
	stats.FreeBytes, err = durable.Free(string(s.folder))
	return stats, err
}

// outdate makes the next Stats count anew: who has just freed room, or brought
// something back, looks whether it worked.
func (c *counts) outdate() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = time.Time{}
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
