package store

import (
	"context"
	"time"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/registry"
)

// Stats is what a store holds and does, counted at one moment.
type Stats struct {
	Repositories, Tags, Manifests, Blobs int64
	BlobBytes                            int64
	Uploads                              int64
	DamagedBlobs                         int64 // in quarantine
	TrashBlobs, TrashBytes               int64
	FreeBytes                            int64
	Scrub                                ScrubProgress
	Collect                              CollectProgress
}

// ScrubProgress is how far the running or the last scrub came.
type ScrubProgress struct {
	Running           bool
	Started, Finished time.Time // of the last or running pass; zero: never
	Blobs, Bytes      int64     // read so far in this pass
	TotalBytes        int64
	Damaged           int64 // found in this pass
}

// CollectProgress is how far the running or the last collection came.
type CollectProgress struct {
	Running           bool
	Started, Finished time.Time // of the last or running pass; zero: never
	Phase             string
	Items, Bytes      int64 // unlinked so far
	FreedBytes        int64
}

// Stats counts.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	var st Stats
	err := s.db.Read.QueryRowContext(ctx, `SELECT
		(SELECT count(*) FROM repositories), (SELECT count(*) FROM tags),
		(SELECT count(*) FROM manifests), (SELECT count(*) FROM uploads),
		(SELECT count(*) FROM blobs), (SELECT coalesce(sum(size), 0) FROM blobs)`).
		Scan(&st.Repositories, &st.Tags, &st.Manifests, &st.Uploads, &st.Blobs, &st.BlobBytes)
	if err != nil {
		return st, registry.DiskError(err)
	}
	st.FreeBytes, err = durable.Free(s.dir)
	return st, err
}
