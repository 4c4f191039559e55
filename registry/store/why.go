package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// Explanation says why content is kept, or that nothing keeps it.
type Explanation struct {
	Digest digest.Digest `json:"digest"`
	Kind   string        `json:"kind"` // blob, manifest
	Size   int64         `json:"size"`
	Roots  []Root        `json:"roots"`
	More   bool          `json:"more,omitempty"`   // there are more roots than rootsTold
	Leased bool          `json:"leased,omitempty"` // somebody was told lately that it is here
	Trash  []string      `json:"trash,omitempty"`  // repositories that a collection took it from
	Cause  string        `json:"damaged,omitempty"`
}

// Root is one reason why content stays.
type Root struct {
	Kind       string `json:"kind"` // tag, name, pin, lease, recent, upload
	Repository string `json:"repository"`
	Name       string `json:"name"`   // the whole name
	Reason     string `json:"reason"` // in words
	// Path leads from the root's manifest to the content, both included.
	Path []digest.Digest `json:"path"`
}

// rootsTold bounds an explanation.
const rootsTold = 200

// Why walks from content up to the roots that keep it. ErrNotFound when the
// site has no such content.
func (s *Store) Why(ctx context.Context, d digest.Digest) (*Explanation, error) {
	e := &Explanation{Digest: d, Roots: []Root{}, Leased: s.guard.isLeased(d)}
	err := s.snapshot(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := describeContent(ctx, tx, e); err != nil {
			return err
		}
		ids, err := holders(ctx, tx, d)
		if err != nil {
			return err
		}
		m := s.newMarker()
		for _, read := range []func(context.Context, *sql.Tx) error{m.readRepositories, m.readUploads} {
			if err := read(ctx, tx); err != nil {
				return err
			}
		}
		for _, id := range ids {
			w := &climb{guard: s.guard, q: tx, repository: id}
			err := w.up(ctx, d, func(path []digest.Digest) (bool, error) {
				roots, err := m.roots(ctx, tx, id, path)
				e.Roots = append(e.Roots, roots...)
				return len(e.Roots) < rootsTold, err
			})
			if err != nil {
				return err
			}
		}
		e.More = len(e.Roots) >= rootsTold
		return nil
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

func describeContent(ctx context.Context, tx *sql.Tx, e *Explanation) error {
	err := tx.QueryRowContext(ctx, `SELECT 'blob', size FROM blobs WHERE digest = ?1
		UNION ALL SELECT 'manifest', length(content) FROM manifests WHERE digest = ?1`, e.Digest.String()).Scan(&e.Kind, &e.Size)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%s: %w: neither a blob nor a manifest of the site", e.Digest, registry.ErrNotFound)
	}
	if err != nil {
		return err
	}
	err = tx.QueryRowContext(ctx, `SELECT cause FROM damaged WHERE digest = ?`, e.Digest.String()).Scan(&e.Cause)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	rows, err := tx.QueryContext(ctx, `SELECT r.name FROM trash t JOIN repositories r ON r.id = t.repository_id
		WHERE t.digest = ? AND t.kind <> 'tag' ORDER BY r.name`, e.Digest.String())
	e.Trash, err = readNames(rows, err)
	return err
}

// holders are the repositories that have content.
func holders(ctx context.Context, q querier, d digest.Digest) (ids []int64, err error) {
	var id int64
	err = each(ctx, q, []any{&id}, func() { ids = append(ids, id) }, `SELECT repository_id FROM repository_blobs WHERE digest = ?1
		UNION SELECT repository_id FROM repository_manifests WHERE digest = ?1`, d.String())
	return ids, err
}

// climb walks up within a repository.
type climb struct {
	guard      *guard
	q          querier
	repository int64
}

// up calls visit with the content itself and then each manifest above it,
// nearest first: the path from that one down to the content. visit says
// whether to go on.
func (c *climb) up(ctx context.Context, d digest.Digest, visit func(path []digest.Digest) (bool, error)) error {
	seen := map[digest.Digest]bool{d: true}
	for todo := [][]digest.Digest{{d}}; len(todo) > 0; todo = todo[1:] {
		path := todo[0]
		if more, err := visit(path); err != nil || !more {
			return err
		}
		var above digest.Digest
		err := each(ctx, c.q, []any{&above}, func() {
			if !seen[above] {
				seen[above] = true
				todo = append(todo, append([]digest.Digest{above}, path...))
			}
		}, `SELECT rm.digest FROM manifest_references mr CROSS JOIN repository_manifests rm
			WHERE mr.digest = ?2 AND rm.digest = mr.manifest AND rm.repository_id = ?1
			UNION ALL SELECT rm.digest FROM manifests m CROSS JOIN repository_manifests rm
			WHERE m.digest = ?2 AND rm.digest = m.subject AND rm.repository_id = ?1`, // from the few to the many
			c.repository, path[0].String())
		if err != nil {
			return err
		}
	}
	return nil
}

// roots are what makes the first manifest of a path stay.
func (m *marker) roots(ctx context.Context, q querier, repository int64, path []digest.Digest) (list []Root, err error) {
	name := registry.RepositoryName(m.paths[repository])
	add := func(kind, full, reason string) {
		list = append(list, Root{Kind: kind, Repository: name, Name: full, Reason: reason, Path: path})
	}
	d := path[0]
	var tag, owner, reason string
	err = each(ctx, q, []any{&tag}, func() { add("tag", name+":"+tag, "the tag points at it") },
		`SELECT name FROM tags WHERE +repository_id = ? AND digest = ? ORDER BY name`, repository, d.String())
	if err != nil {
		return list, err
	}
	err = each(ctx, q, []any{&owner, &reason}, func() { add("pin", name+"@"+d.String(), owner+": "+reason) },
		`SELECT owner, reason FROM pins WHERE repository_id = ? AND digest = ? ORDER BY owner`, repository, d.String())
	if err != nil {
		return list, err
	}
	var isNamed bool
	var at int64
	err = each(ctx, q, []any{&isNamed, &at}, func() {
		if isNamed {
			add("name", name+"@"+d.String(), "it was brought here by digest")
		}
		if m.fresh(repository, at) {
			add("recent", name+"@"+d.String(), "it came at "+time.UnixMilli(at).UTC().Format(time.RFC3339))
		}
	}, `SELECT named, linked_at FROM repository_manifests WHERE repository_id = ?1 AND digest = ?2
		UNION ALL SELECT 0, linked_at FROM repository_blobs WHERE repository_id = ?1 AND digest = ?2`, repository, d.String())
	if err == nil && m.guard.isLeased(d) {
		add("lease", name+"@"+d.String(), "somebody was told that it is here less than "+m.guard.lease.String()+" ago")
	}
	return list, err
}

// namesOver are names that need content, the first of them, and whether there
// are more.
func (s *Store) namesOver(ctx context.Context, d digest.Digest) (names []string, more bool, err error) {
	names = []string{}
	ids, err := holders(ctx, s.db.Read, d)
	if err != nil {
		return nil, false, err
	}
	for _, id := range ids {
		w := &climb{guard: s.guard, q: s.db.Read, repository: id}
		err := w.up(ctx, d, func(path []digest.Digest) (bool, error) {
			found, err := namesAt(ctx, s.db.Read, id, path[0])
			names = append(names, found...)
			return len(names) <= namesTold, err
		})
		if err != nil {
			return nil, false, err
		}
	}
	if more = len(names) > namesTold; more {
		names = names[:namesTold]
	}
	return names, more, nil
}

// namesAt are the names of one manifest in a repository.
func namesAt(ctx context.Context, q querier, repository int64, d digest.Digest) ([]string, error) {
	rows, err := q.QueryContext(ctx, `SELECT r.name || ':' || t.name FROM tags t JOIN repositories r ON r.id = t.repository_id
			WHERE t.repository_id = ?1 AND t.digest = ?2
		UNION ALL SELECT r.name || '@' || rm.digest FROM repository_manifests rm JOIN repositories r ON r.id = rm.repository_id
			WHERE rm.repository_id = ?1 AND rm.digest = ?2 AND rm.named = 1 ORDER BY 1`, repository, d.String())
	return readNames(rows, err)
}

// Kept is a manifest that a dry run keeps, and why.
type Kept struct {
	Repository string        `json:"repository"`
	Digest     digest.Digest `json:"digest"`
	Reason     string        `json:"reason"`
}

// reportKept tells of each manifest that stays why it does.
func (c *collector) reportKept(ctx context.Context) error {
	if c.opts.Kept == nil {
		return nil
	}
	var r row
	var at int64
	var isNamed bool
	var tags, pin, parent, subject string
	return each(ctx, c.db.Read, []any{&r.repository, &r.digest, &at, &isNamed, &tags, &pin, &parent, &subject}, func() {
		if !c.keeps(r) {
			return
		}
		var reasons []string
		for _, reason := range []struct {
			text string
			is   bool
		}{
			{"tags " + tags, tags != ""},
			{"pin of " + pin, pin != ""},
			{"brought here by digest", isNamed},
			{"part of " + parent, parent != ""},
			{"refers to " + subject, subject != ""},
			{"came lately", c.marks.fresh(r.repository, at)},
			{"leased", c.guard.isLeased(r.digest)},
		} {
			if reason.is {
				reasons = append(reasons, reason.text)
			}
		}
		c.opts.Kept(Kept{registry.RepositoryName(c.marks.paths[r.repository]), r.digest, strings.Join(reasons, "; ")})
	}, `SELECT rm.repository_id, rm.digest, rm.linked_at, rm.named,
		coalesce((SELECT group_concat(t.name, ' ') FROM tags t WHERE t.repository_id = rm.repository_id AND t.digest = rm.digest), ''),
		coalesce((SELECT p.owner || ': ' || p.reason FROM pins p WHERE p.repository_id = rm.repository_id AND p.digest = rm.digest LIMIT 1), ''),
		coalesce((SELECT mr.manifest FROM manifest_references mr JOIN repository_manifests pm ON pm.digest = mr.manifest AND pm.repository_id = rm.repository_id
			WHERE mr.digest = rm.digest AND mr.kind = 'manifest' LIMIT 1), ''),
		coalesce((SELECT m.subject FROM manifests m JOIN repository_manifests sm ON sm.digest = m.subject AND sm.repository_id = rm.repository_id
			WHERE m.digest = rm.digest), '')
		FROM repository_manifests rm JOIN repositories r ON r.id = rm.repository_id ORDER BY r.path, rm.digest`)
}
