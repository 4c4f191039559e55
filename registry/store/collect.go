package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// CollectOptions of a collection. The zero value moves what no root reaches
// to the trash and erases what has been there for long enough.
type CollectOptions struct {
	DryRun bool       // change nothing, only report
	Now    bool       // erase the trash at once, with what this collection adds; there is no undo then
	Kept   func(Kept) // in a dry run, called for every manifest that stays
}

// Collected is what a collection did, or in a dry run would do.
type Collected struct {
	DryRun       bool                  `json:"dryRun"`
	Repositories []CollectedRepository `json:"repositories"` // those that hold something, by name
	Manifests    int64                 `json:"manifests"`    // taken out of a repository
	Blobs        int64                 `json:"blobs"`        // taken out of a repository
	Bytes        int64                 `json:"bytes"`        // of blobs that no repository has any more because of that
	Erased       Erased                `json:"erased"`       // what the disk got back
	Trash        Trash                 `json:"trash"`        // what waits to be erased
}

// CollectedRepository is one repository's part. A blob counts in each
// repository that has it.
type CollectedRepository struct {
	Repository     string `json:"repository"`
	KeptManifests  int64  `json:"keptManifests"`
	KeptBlobs      int64  `json:"keptBlobs"`
	KeptBytes      int64  `json:"keptBytes"`
	FreedManifests int64  `json:"freedManifests"`
	FreedBlobs     int64  `json:"freedBlobs"`
	FreedBytes     int64  `json:"freedBytes"`
}

// Collect takes out of every repository what no root reaches: neither a tag,
// a digest that is a name, a pin, a live subject, an upload or import under
// way, nor a lease. It runs beside everything else; ended early, it has done a
// part and the next one does the rest. ErrConflict while another one runs.
func (s *Store) Collect(ctx context.Context, opts CollectOptions) (*Collected, error) {
	if !s.upkeep.TryLock() {
		return nil, errUpkeep
	}
	defer s.upkeep.Unlock()
	s.collecting.start()
	defer s.collecting.finish()
	if !opts.DryRun {
		defer s.counts.outdate()
	}
	c := &collector{Store: s, opts: opts, report: Collected{DryRun: opts.DryRun, Repositories: []CollectedRepository{}}, totals: map[int64]*CollectedRepository{}}
	defer s.refillBallast()
	defer s.recharge()
	defer s.guard.end()
	if err := c.run(ctx); err != nil {
		return nil, fmt.Errorf("collect: %w", registry.DiskError(err))
	}
	return &c.report, nil
}

var errUpkeep = fmt.Errorf("%w: a collection, an undo or retention is under way; try again when it has ended", registry.ErrConflict)

// collector is one collection.
type collector struct {
	*Store
	opts   CollectOptions
	report Collected
	marks  *marker
	totals map[int64]*CollectedRepository
}

func (c *collector) run(ctx context.Context) error {
	if err := c.markAll(ctx); err != nil {
		return err
	}
	if c.opts.DryRun {
		return c.survey(ctx)
	}
	if err := c.cut(ctx); err != nil {
		return err
	}
	c.collecting.phase("sweep")
	if err := c.sweepManifests(ctx); err != nil {
		return err
	}
	if err := c.surveyBlobs(ctx, func(page []row) error { return c.sweepBlobPage(ctx, page) }); err != nil {
		return err
	}
	c.guard.end()
	c.collecting.phase("erase")
	return c.finish(ctx)
}

// markAll marks what is live, and begins to note what arrives: between two
// transactions, so that the marks see each one or it is noted.
func (c *collector) markAll(ctx context.Context) error {
	c.collecting.phase("mark")
	c.marks = c.newMarker()
	if !c.opts.DryRun {
		err := c.writeAnyway(ctx, c.db.WriteSoon, func(*sql.Tx) error {
			c.guard.startMarking()
			return nil
		})
		if err != nil {
			return err
		}
	}
	return c.snapshot(ctx, c.marks.mark)
}

// snapshot runs f over one unchanging state of the database.
func (s *Store) snapshot(ctx context.Context, f func(context.Context, *sql.Tx) error) error {
	tx, err := s.db.Read.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	return f(ctx, tx)
}

// cut makes the marks decide, at a moment when nobody writes.
func (c *collector) cut(ctx context.Context) error {
	return c.writeAnyway(ctx, c.db.WriteSoon, func(tx *sql.Tx) error {
		for {
			arrived, done := c.guard.takeArrived(c.marks.live)
			if done {
				return nil
			}
			if err := c.marks.markArrived(ctx, tx, arrived); err != nil {
				return err
			}
		}
	})
}

// row is content in a repository.
type row struct {
	repository int64
	digest     digest.Digest
	size       int64 // of a blob
}

// keeps decides about a manifest. In a dry run nothing was cut, and the marks
// are asked alone.
func (c *collector) keeps(r row) bool {
	if !c.opts.DryRun {
		return c.guard.keeps(c.marks.paths[r.repository], r.digest)
	}
	return c.marks.live.has(pair(c.marks.hash[r.repository], c.guard.hash(string(r.digest))))
}

// keepsBlob decides about a blob.
func (c *collector) keepsBlob(r row) bool { return c.keeps(r) || c.guard.isLeased(r.digest) }

// total is the report's line of a repository.
func (c *collector) total(repository int64) *CollectedRepository {
	t := c.totals[repository]
	if t == nil {
		t = &CollectedRepository{Repository: registry.RepositoryName(c.marks.paths[repository])}
		c.totals[repository] = t
	}
	return t
}

// survey counts what would be done.
func (c *collector) survey(ctx context.Context) error {
	c.collecting.phase("survey")
	if _, err := c.surveyManifests(ctx); err != nil {
		return err
	}
	if err := c.surveyBlobs(ctx, func([]row) error { return nil }); err != nil {
		return err
	}
	if err := c.reportKept(ctx); err != nil {
		return err
	}
	c.sumUp()
	return c.readTrash(ctx)
}

// surveyManifests returns the manifests that go; a dry run only counts them.
func (c *collector) surveyManifests(ctx context.Context) (gone []row, err error) {
	var r row
	err = each(ctx, c.db.Read, []any{&r.repository, &r.digest}, func() {
		if t := c.total(r.repository); c.keeps(r) {
			t.KeptManifests++
		} else {
			t.FreedManifests++
			if !c.opts.DryRun {
				gone = append(gone, r)
			}
		}
	}, `SELECT repository_id, digest FROM repository_manifests`)
	return gone, err
}

// surveyBlobs hands the blobs that go to take, a few at a time. Between the
// groups no query is open, so that the database's log can be folded in.
func (c *collector) surveyBlobs(ctx context.Context, take func([]row) error) error {
	for last, more := int64(0), true; more; {
		rows, err := c.blobRows(ctx, &last)
		if err == nil {
			err = take(c.judge(rows))
		}
		if err = cmp.Or(err, context.Cause(ctx)); err != nil {
			return err
		}
		more = len(rows) > 0
	}
	return nil
}

// blobRows returns the occurrences of the next blobs after last; those of one
// blob follow each other. A blob without any has repository 0.
func (c *collector) blobRows(ctx context.Context, last *int64) (rows []row, err error) {
	var r row
	err = each(ctx, c.db.Read, []any{last, &r.repository, &r.digest, &r.size}, func() { rows = append(rows, r) },
		`SELECT b.rowid, coalesce(rb.repository_id, 0), b.digest, b.size
		FROM (SELECT rowid, digest, size FROM blobs WHERE rowid > ? ORDER BY rowid LIMIT ?) b
		LEFT JOIN repository_blobs rb ON rb.digest = b.digest ORDER BY b.rowid`, *last, sweepPage)
	return rows, err
}

// judge counts rows and returns those that go.
func (c *collector) judge(rows []row) (gone []row) {
	for i := 0; i < len(rows); {
		kept, first := false, rows[i]
		for ; i < len(rows) && rows[i].digest == first.digest; i++ {
			r := rows[i]
			if r.repository == 0 {
				kept = true // unlinked before: nobody's any more
				continue
			}
			t := c.total(r.repository)
			if c.keepsBlob(r) {
				t.KeptBlobs++
				t.KeptBytes += r.size
				kept = true
				continue
			}
			t.FreedBlobs++
			t.FreedBytes += r.size
			gone = append(gone, r)
		}
		if !kept {
			c.report.Bytes += first.size
		}
	}
	return gone
}

// sumUp completes the report from its lines.
func (c *collector) sumUp() {
	for _, t := range c.totals {
		c.report.Repositories = append(c.report.Repositories, *t)
		c.report.Manifests += t.FreedManifests
		c.report.Blobs += t.FreedBlobs
	}
	slices.SortFunc(c.report.Repositories, func(a, b CollectedRepository) int { return cmp.Compare(a.Repository, b.Repository) })
}

func (c *collector) readTrash(ctx context.Context) (err error) {
	c.report.Trash, err = c.Trash(ctx)
	return err
}

// sweepPage is how many rows one transaction takes out, so that others wait
// for some milliseconds only.
const sweepPage = 256

// sweepManifests takes out parents before children and subjects before what
// refers to them: ended at any point, nothing that is left misses anything.
func (c *collector) sweepManifests(ctx context.Context) error {
	gone, err := c.surveyManifests(ctx)
	for err == nil && len(gone) > 0 {
		var later []row
		for page := range slices.Chunk(gone, sweepPage) {
			waiting, pageErr := c.sweepManifestPage(ctx, page, false)
			if err = cmp.Or(pageErr, context.Cause(ctx)); err != nil {
				return err
			}
			later = append(later, waiting...)
		}
		if len(later) == len(gone) { // an index that refers to its own child: they need each other
			_, err = c.sweepManifestPage(ctx, later, true)
			return err
		}
		gone = later
	}
	return err
}

// sweepManifestPage returns those that have to wait for others, unless all go
// together.
func (c *collector) sweepManifestPage(ctx context.Context, page []row, together bool) (waiting []row, err error) {
	var keys []cacheKey
	err = c.writeAnyway(ctx, c.db.WriteSoon, func(tx *sql.Tx) error {
		waiting, keys = nil, nil
		for _, r := range page {
			if c.keeps(r) {
				continue
			}
			needed, err := neededBy(ctx, tx, r.repository, r.digest)
			if err != nil {
				return err
			}
			if needed != "" && !together {
				waiting = append(waiting, r)
				continue
			}
			if err := trashManifest(ctx, tx, r.repository, r.digest); err != nil {
				return err
			}
			keys = append(keys, manifestKey(c.marks.paths[r.repository], r.digest.String()))
		}
		return nil
	})
	c.cache.forget(keys...)
	c.collecting.advance(int64(len(keys)), 0)
	return waiting, err
}

// sweepBlobPage takes out blobs that no manifest is left for.
func (c *collector) sweepBlobPage(ctx context.Context, page []row) error {
	if len(page) == 0 {
		return nil
	}
	var keys []cacheKey
	var bytes int64
	err := c.writeAnyway(ctx, c.db.WriteSoon, func(tx *sql.Tx) error {
		keys, bytes = nil, 0
		gone := slices.DeleteFunc(slices.Clone(page), c.keepsBlob)
		for _, r := range gone {
			keys = append(keys, blobKey(c.marks.paths[r.repository], r.digest))
			bytes += r.size
		}
		return trashBlobs(ctx, tx, gone)
	})
	c.cache.forget(keys...)
	c.collecting.advance(int64(len(keys)), bytes)
	return err
}

// finish erases what is due and completes the report.
func (c *collector) finish(ctx context.Context) (err error) {
	c.sumUp()
	age := c.options.TrashAge
	if c.opts.Now {
		age = 0
	}
	if c.report.Erased, err = c.erase(ctx, age); err != nil {
		return err
	}
	return c.readTrash(ctx)
}
