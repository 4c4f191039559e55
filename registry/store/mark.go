package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/priority"
)

// marker finds what is live: the roots of every repository and all that they
// reach there. It reads each table once, in one snapshot, and keeps hashes
// only: some 40 bytes for each piece of content.
//
// Within its repository a live manifest keeps its blobs, its children and the
// manifests that refer to it; names are not asked for, so that a manifest that
// two repositories hold can live in one and die in the other.
type marker struct {
	guard *guard
	live  liveSet
	paths map[int64]string
	hash  map[int64]fingerprint         // of paths
	edges map[fingerprint][]fingerprint // manifest → children and referrers
	since map[string]int64              // repositories with an upload under way: since when
	todo  []node
}

// node is a manifest in a repository.
type node struct{ path, digest fingerprint }

func (s *Store) newMarker() *marker {
	return &marker{guard: s.guard, live: liveSet{}, paths: map[int64]string{}, hash: map[int64]fingerprint{}, edges: map[fingerprint][]fingerprint{}}
}

// mark fills the live set from a snapshot of the database.
func (m *marker) mark(ctx context.Context, tx *sql.Tx) error {
	for _, step := range []func(context.Context, *sql.Tx) error{m.readRepositories, m.readUploads, m.readEdges, m.readRoots} {
		if err := step(ctx, tx); err != nil {
			return err
		}
	}
	m.spread()
	return m.readBlobs(ctx, tx)
}

func (m *marker) readRepositories(ctx context.Context, tx *sql.Tx) error {
	var id int64
	var path string
	return each(ctx, tx, []any{&id, &path}, func() {
		m.paths[id], m.hash[id] = path, m.guard.hash(path)
	}, `SELECT id, path FROM repositories`)
}

func (m *marker) readUploads(ctx context.Context, tx *sql.Tx) error {
	m.since = map[string]int64{}
	var path string
	var at int64
	return each(ctx, tx, []any{&path, &at}, func() { m.since[path] = at }, `SELECT repository, MIN(created_at) FROM uploads GROUP BY repository`)
}

// readEdges reads what indexes and subjects connect; images need none of it.
func (m *marker) readEdges(ctx context.Context, tx *sql.Tx) error {
	var from, to digest.Digest
	add := func() {
		h := m.guard.hash(string(from))
		m.edges[h] = append(m.edges[h], m.guard.hash(string(to)))
	}
	err := each(ctx, tx, []any{&from, &to}, add, `SELECT manifest, digest FROM manifest_references WHERE kind = 'manifest'`)
	if err != nil {
		return err
	}
	return each(ctx, tx, []any{&from, &to}, add, `SELECT subject, digest FROM manifests WHERE subject IS NOT NULL`)
}

// readRoots marks tags, digests that are names, pins, leases and what is new.
func (m *marker) readRoots(ctx context.Context, tx *sql.Tx) error {
	var id, at int64
	var named bool
	var d digest.Digest
	root := func() { m.reach(node{m.hash[id], m.guard.hash(string(d))}) }
	err := each(ctx, tx, []any{&id, &d}, root, `SELECT repository_id, digest FROM tags UNION SELECT repository_id, digest FROM pins`)
	if err != nil {
		return err
	}
	return each(ctx, tx, []any{&id, &d, &at, &named}, func() {
		if named || m.fresh(id, at) || m.guard.isLeased(d) {
			root()
		}
	}, `SELECT repository_id, digest, linked_at, named FROM repository_manifests`)
}

// clockSkew is how far in the future a time may be and still be believed; one
// from before the clock was set back would protect for ever.
const clockSkew = 5 * time.Minute

// fresh reports whether a row is too new to be judged, as after a restart that
// has forgotten the leases, or belongs to an upload under way.
func (m *marker) fresh(repository, linkedAt int64) bool {
	at, now := time.UnixMilli(linkedAt), time.Now()
	if at.After(now.Add(clockSkew)) {
		return false
	}
	start, uploading := m.since[m.paths[repository]]
	return at.After(now.Add(-m.guard.lease)) || uploading && linkedAt >= start
}

func (m *marker) reach(n node) {
	if key := pair(n.path, n.digest); !m.live.has(key) {
		m.live[key] = struct{}{}
		m.todo = append(m.todo, n)
	}
}

// spread follows the edges until nothing new is reached.
func (m *marker) spread() {
	for len(m.todo) > 0 {
		n := m.todo[len(m.todo)-1]
		m.todo = m.todo[:len(m.todo)-1]
		for _, to := range m.edges[n.digest] {
			m.reach(node{n.path, to})
		}
	}
}

// readBlobs marks the blobs of live manifests.
func (m *marker) readBlobs(ctx context.Context, tx *sql.Tx) error {
	var id int64
	var from, to digest.Digest
	return each(ctx, tx, []any{&id, &from, &to}, func() {
		if path := m.hash[id]; m.live.has(pair(path, m.guard.hash(string(from)))) {
			m.live[pair(path, m.guard.hash(string(to)))] = struct{}{}
		}
	}, `SELECT rm.repository_id, mr.manifest, mr.digest FROM manifest_references mr
		JOIN repository_manifests rm ON rm.digest = mr.manifest WHERE mr.kind = 'blob'`)
}

// markArrived marks what came or was leased after the snapshot, with all that
// it reaches now. What is marked already has its reach marked, too: whatever
// was added to that since has arrived itself.
func (m *marker) markArrived(ctx context.Context, tx *sql.Tx, arrived []occurrence) error {
	for todo := arrived; len(todo) > 0; {
		o := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if o.path == "" {
			everywhere, err := occurrences(ctx, tx, o.digest)
			if err != nil {
				return err
			}
			todo = append(todo, everywhere...)
			continue
		}
		key := pair(m.guard.hash(o.path), m.guard.hash(string(o.digest)))
		if m.live.has(key) {
			continue
		}
		m.live[key] = struct{}{}
		next, err := reached(ctx, tx, o)
		if err != nil {
			return err
		}
		todo = append(todo, next...)
	}
	return nil
}

// keepReached makes all that a manifest reaches in its repository stay with it
// when it arrives after the cut. Blobs go last: what is still there is whole.
func (s *Store) keepReached(ctx context.Context, tx *sql.Tx, from occurrence) error {
	if !s.guard.hasCut() {
		return nil
	}
	for todo := []occurrence{from}; len(todo) > 0; {
		next, err := reached(ctx, tx, todo[len(todo)-1])
		if err != nil {
			return err
		}
		todo = todo[:len(todo)-1]
		for _, o := range next {
			if !s.guard.keeps(o.path, o.digest) {
				s.guard.arrive(o.path, o.digest)
				todo = append(todo, o)
			}
		}
	}
	return nil
}

// occurrences are the repositories that have a manifest.
func occurrences(ctx context.Context, tx *sql.Tx, d digest.Digest) (list []occurrence, err error) {
	o := occurrence{digest: d}
	err = each(ctx, tx, []any{&o.path}, func() { list = append(list, o) }, `SELECT r.path FROM repository_manifests rm
		JOIN repositories r ON r.id = rm.repository_id WHERE rm.digest = ?`, d.String())
	return list, err
}

// reached is what a manifest in a repository keeps there.
func reached(ctx context.Context, tx *sql.Tx, from occurrence) (list []occurrence, err error) {
	o := occurrence{path: from.path}
	err = each(ctx, tx, []any{&o.digest}, func() { list = append(list, o) }, `SELECT digest FROM manifest_references WHERE manifest = ?
		UNION SELECT digest FROM manifests WHERE subject = ?`, from.digest.String(), from.digest.String())
	return list, err
}

// querier is a transaction or the readers' connections.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// rowsAtOnce is how many rows are read before others get the processor.
const rowsAtOnce = 32

// each runs f for each row, after the row was scanned into dest.
func each(ctx context.Context, q querier, dest []any, f func(), query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for n := 1; rows.Next(); n++ {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		if f(); n%rowsAtOnce == 0 {
			priority.GiveWay()
		}
	}
	return rows.Err()
}
