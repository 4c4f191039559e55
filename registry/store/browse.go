package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// Content as people look at it. Other than what registry.Reader does, none of
// this leases anything: what was only looked at can go.

// FindOptions say what is looked for. The zero value finds everything.
type FindOptions struct {
	// Query is words that must all occur in the name, whatever their case.
	Query string
	// Repository is the one to look in; empty: all.
	Repository string
	// ArtifactType is that of the manifests that are wanted, or how it begins when it
	// ends in an asterisk; empty: all. Names only.
	ArtifactType string
	// After is the last name of the page before; empty: from the start.
	After string
	// Limit is how many are wanted; 100 when 0.
	Limit int
	// May says which repositories may be told of; nil: all.
	May func(repository string) bool
}

// FoundName is a tag and the manifest that it points at.
type FoundName struct {
	Repository   string // its original name
	Tag          string
	Digest       digest.Digest
	MediaType    string
	ArtifactType string
	Size         int64 // bytes of the manifest itself
	Updated      time.Time
}

// String is the whole name.
func (n FoundName) String() string { return n.Repository + ":" + n.Tag }

// FoundRepository is a repository that holds something.
type FoundRepository struct {
	Name      string // the original
	Tags      int64
	Manifests int64     // also those without a tag
	Updated   time.Time // when a tag was set last
}

// Bounds of a query.
const (
	maxQuery = 1024 // bytes
	maxWords = 16
)

// lastPath is greater than all paths of repositories.
const lastPath = "~"

// finder collects what is looked for.
type finder struct {
	*Store
	FindOptions
	words []string
	list  []FoundName
}

func (s *Store) newFinder(opts FindOptions) (*finder, error) {
	f := &finder{Store: s, FindOptions: opts, list: []FoundName{}}
	f.Limit = cmp.Or(f.Limit, 100)
	f.words = strings.Fields(opts.Query)
	slices.SortStableFunc(f.words, func(a, b string) int { return len(b) - len(a) }) // the rarest first, most likely
	if len(f.words) > maxWords || len(opts.Query) > maxQuery || strings.ContainsRune(opts.Query, 0) {
		return nil, fmt.Errorf("%w: a query is text of at most %d words and %d bytes", registry.ErrInvalid, maxWords, maxQuery)
	}
	return f, nil
}

// like is a pattern for LIKE, which takes large and small letters for the same.
func like(before, text, after string) string {
	return before + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text) + after
}

// inRepository is the condition that all words occur in the name of a repository.
func (f *finder) inRepository() (where string, args []any) {
	for _, word := range f.words {
		where += ` AND name LIKE ? ESCAPE '\'`
		args = append(args, like("%", word, "%"))
	}
	return where, args
}

// inName is the condition that all words occur in the name of a tag, with that of a
// repository from one path to another. To join the two for every tag would take most
// of the time: each repository is looked at once instead.
func (f *finder) inName(first, last string) (where string, args []any) {
	within, bounds := "", []any(nil)
	if last != lastPath { // else all are looked at, in the order in which they lie
		within, bounds = `path >= ? AND path <= ? AND `, []any{first, last}
	}
	repository := func(pattern string) string {
		args = append(append(args, bounds...), pattern)
		return `r.id IN (SELECT id FROM repositories WHERE ` + within + `name LIKE ? ESCAPE '\')`
	}
	tag := func(pattern string) string {
		args = append(args, pattern)
		return `t.name LIKE ? ESCAPE '\'`
	}
	if prefix, open := strings.CutSuffix(f.ArtifactType, "*"); open {
		where, args = ` AND m.artifact_type LIKE ? ESCAPE '\'`, append(args, like("", prefix, "%"))
	} else if f.ArtifactType != "" {
		where, args = ` AND m.artifact_type = ?`, append(args, f.ArtifactType)
	}
	for _, word := range f.words {
		anywhere := like("%", word, "%")
		if i := strings.LastIndexByte(word, ':'); i < 0 {
			where += ` AND (` + tag(anywhere) + ` OR ` + repository(anywhere) + `)`
		} else { // it is between the two, or before the port of a registry
			where += ` AND (` + tag(like("", word[i+1:], "%")) + ` AND ` + repository(like("%", word[:i], "")) + ` OR ` + repository(anywhere) + `)`
		}
	}
	return where, args
}

// splitName splits a cursor into the path of its repository and its tag.
func splitName(name string) (path, tag string) {
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name, tag = name[:i], name[i+1:]
	}
	return registry.RepositoryPath(name), tag
}

// FindNames returns the names that are looked for in the order of the paths of
// their repositories, then of their tags.
func (s *Store) FindNames(ctx context.Context, opts FindOptions) ([]FoundName, error) {
	f, err := s.newFinder(opts)
	if err != nil {
		return nil, err
	}
	path, tag := splitName(f.After)
	if f.Repository != "" {
		only := registry.RepositoryPath(f.Repository)
		if path != only {
			tag = ""
		}
		if path <= only {
			err = f.tags(ctx, only, tag)
		}
		return f.list, err
	}
	if path != "" {
		err = f.tags(ctx, path, tag)
	}
	if err == nil && f.May == nil {
		err = f.between(ctx, path+" ", lastPath)
	} else if err == nil {
		err = f.amongAllowed(ctx, path)
	}
	return f.list, err
}

// tags finds in one repository.
func (f *finder) tags(ctx context.Context, path, after string) error {
	if f.May != nil {
		r, err := f.repositoriesAfter(ctx, ` AND path = ?`, "", path)
		if err != nil || len(r) == 0 || !f.May(r[0].name) {
			return err
		}
	}
	return f.find(ctx, path, path, after)
}

// between finds in all repositories from one path to another.
func (f *finder) between(ctx context.Context, first, last string) error {
	return f.find(ctx, first, last, "")
}

// find fills the list with the tags after one, of repositories from one path to
// another. The tables are read in the order in which they are named,
// here and where else it says CROSS JOIN: the rows come sorted, and a page ends early.
func (f *finder) find(ctx context.Context, first, last, after string) error {
	if len(f.list) >= f.Limit {
		return nil
	}
	var n FoundName
	var at int64
	where, args := f.inName(first, last)
	args = append(append([]any{first, last, after}, args...), f.Limit-len(f.list))
	return each(ctx, f.db.Read, []any{&n.Repository, &n.Tag, &n.Digest, &n.MediaType, &n.ArtifactType, &n.Size, &at}, func() {
		n.Updated = time.UnixMilli(at).UTC()
		f.list = append(f.list, n)
	}, `SELECT r.name, t.name, t.digest, m.media_type, m.artifact_type, length(m.content), t.updated_at
		FROM repositories r CROSS JOIN tags t CROSS JOIN manifests m
		WHERE t.repository_id = r.id AND m.digest = t.digest AND r.path >= ? AND r.path <= ? AND t.name > ?`+where+`
		ORDER BY r.path, t.name LIMIT ?`, args...)
}

// repositoryRow is a repository by its row.
type repositoryRow struct {
	id         int64
	path, name string
}

// repositoriesAfter is a page of repositories.
func (f *finder) repositoriesAfter(ctx context.Context, where, after string, args ...any) (list []repositoryRow, err error) {
	var r repositoryRow
	err = each(ctx, f.db.Read, []any{&r.id, &r.path, &r.name}, func() { list = append(list, r) },
		`SELECT id, path, name FROM repositories r WHERE path > ?`+where+` ORDER BY path LIMIT ?`,
		append(append([]any{after}, args...), page)...)
	return list, err
}

// amongAllowed finds in the repositories after a path that may be told of. Those
// lie together as a rule, since rights are given for prefixes.
func (f *finder) amongAllowed(ctx context.Context, after string) error {
	for more := true; more && len(f.list) < f.Limit; {
		rows, err := f.repositoriesAfter(ctx, "", after)
		if err != nil {
			return err
		}
		if more = len(rows) == page; more {
			after = rows[page-1].path
		}
		for start := 0; start < len(rows); {
			end := start
			for end < len(rows) && f.May(rows[end].name) {
				end++
			}
			if end > start {
				if err := f.between(ctx, rows[start].path, rows[end-1].path); err != nil {
					return err
				}
			}
			start = end + 1
		}
	}
	return nil
}

// FindRepositories returns the repositories that are looked for, by path.
func (s *Store) FindRepositories(ctx context.Context, opts FindOptions) ([]FoundRepository, error) {
	f, err := s.newFinder(opts)
	if err != nil {
		return nil, err
	}
	where, args := f.inRepository()
	where += ` AND EXISTS (SELECT 1 FROM repository_manifests rm WHERE rm.repository_id = r.id)`
	if f.Repository != "" {
		where, args = where+` AND path = ?`, append(args, registry.RepositoryPath(f.Repository))
	}
	var rows []repositoryRow
	for after, more := registry.RepositoryPath(f.After), true; more && len(rows) < f.Limit; {
		next, err := f.repositoriesAfter(ctx, where, after, args...)
		if err != nil {
			return nil, err
		}
		if more = len(next) == page; more {
			after = next[page-1].path
		}
		if f.May != nil {
			next = slices.DeleteFunc(next, func(r repositoryRow) bool { return !f.May(r.name) })
		}
		rows = append(rows, next...)
	}
	rows = rows[:min(len(rows), f.Limit)]
	return s.countIn(ctx, rows)
}

// countIn counts what is in repositories.
func (s *Store) countIn(ctx context.Context, rows []repositoryRow) ([]FoundRepository, error) {
	list := make([]FoundRepository, len(rows))
	for i, r := range rows {
		list[i].Name = r.name
		var at int64
		err := s.db.Read.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM tags WHERE repository_id = ?1),
			(SELECT count(*) FROM repository_manifests WHERE repository_id = ?1),
			coalesce((SELECT max(updated_at) FROM tags WHERE repository_id = ?1), (SELECT max(linked_at) FROM repository_manifests WHERE repository_id = ?1), 0)`,
			r.id).Scan(&list[i].Tags, &list[i].Manifests, &at)
		if err != nil {
			return nil, err
		}
		list[i].Updated = time.UnixMilli(at).UTC()
	}
	return list, nil
}

// Record is a manifest of a repository as the store has it.
type Record struct {
	registry.Descriptor        // with artifact type and annotations
	Repository          string // its original name
	Content             []byte // nil when it is damaged
	Damaged             string // what is wrong with it; it counts as absent
	Tags                []Tag  // of the repository that point at it, by name
	Arrived             time.Time
}

// Tag is a tag of a repository.
type Tag struct {
	Name    string
	Updated time.Time
}

// Look is Manifest that also knows what is damaged.
func (s *Store) Look(ctx context.Context, ref registry.Ref) (*Record, error) {
	var r *Record
	err := s.snapshot(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
		r, err = look(ctx, tx, ref)
		return err
	})
	if err != nil {
		return nil, named(ref.String(), err)
	}
	if r.Damaged == "" && r.Digest.Algorithm().FromBytes(r.Content) != r.Digest {
		r.Damaged = errManifestBytes.Error()
		err = s.noteDamage(ctx, r.Digest, "manifest", errManifestBytes)
	}
	if r.Damaged != "" {
		r.Content = nil
	}
	return r, err
}

func look(ctx context.Context, tx *sql.Tx, ref registry.Ref) (*Record, error) {
	id, d, err := findIn(ctx, tx, ref)
	if err != nil {
		return nil, err
	}
	r := &Record{Tags: []Tag{}}
	var at int64
	var annotations []byte
	err = tx.QueryRowContext(ctx, `SELECT r.name, m.digest, m.media_type, m.artifact_type, m.annotations, m.content, length(m.content),
			CASE WHEN rm.linked_at > 0 THEN rm.linked_at ELSE m.created_at END, coalesce((SELECT cause FROM damaged WHERE digest = m.digest), '')
		FROM repositories r JOIN repository_manifests rm ON rm.repository_id = r.id JOIN manifests m ON m.digest = rm.digest
		WHERE r.id = ? AND rm.digest = ?`, id, d.String()).
		Scan(&r.Repository, &r.Digest, &r.MediaType, &r.ArtifactType, &annotations, &r.Content, &r.Size, &at, &r.Damaged)
	if err != nil {
		return nil, err
	}
	if json.Unmarshal(annotations, &r.Annotations) != nil {
		r.Annotations = nil // the content has them, too
	}
	r.Arrived = time.UnixMilli(at).UTC()
	var t Tag
	return r, each(ctx, tx, []any{&t.Name, &at}, func() {
		t.Updated = time.UnixMilli(at).UTC()
		r.Tags = append(r.Tags, t)
	}, `SELECT name, updated_at FROM tags WHERE +repository_id = ? AND digest = ? ORDER BY name`, id, d.String()) // by the index of digests
}

// findIn is the row of a repository and the manifest there that ref means.
func findIn(ctx context.Context, tx *sql.Tx, ref registry.Ref) (id int64, d digest.Digest, err error) {
	id, err = knownRepository(ctx, tx, registry.RepositoryPath(ref.Repository))
	if err != nil {
		return 0, "", err
	}
	err = tx.QueryRowContext(ctx, `SELECT digest FROM repository_manifests WHERE repository_id = ?1 AND digest =
		CASE WHEN ?2 <> '' THEN ?2 ELSE (SELECT digest FROM tags WHERE repository_id = ?1 AND name = ?3) END`,
		id, ref.Digest.String(), ref.Tag).Scan(&d)
	if errors.Is(err, sql.ErrNoRows) {
		err = registry.ErrNotFound
	}
	return id, d, err
}

// Share says how far a blob is shared.
type Share struct {
	Size         int64
	Manifests    int    // that name it, of all repositories; at most SharesTold
	Repositories int    // that have it; at most SharesTold
	Held         bool   // the repository that was asked about has it
	Damaged      string // what is wrong with it; it counts as absent
}

// SharesTold bounds the numbers of a Share.
const SharesTold = 100

// Sharing tells of the blobs of a repository who else has them. Blobs that the
// site does not have are left out.
func (s *Store) Sharing(ctx context.Context, repository string, blobs []digest.Digest) (map[digest.Digest]Share, error) {
	shares := map[digest.Digest]Share{}
	return shares, s.snapshot(ctx, func(ctx context.Context, tx *sql.Tx) error {
		query, err := tx.PrepareContext(ctx, `SELECT b.size,
			(SELECT count(*) FROM (SELECT 1 FROM manifest_references mr WHERE mr.digest = b.digest
				AND EXISTS (SELECT 1 FROM repository_manifests rm WHERE rm.digest = mr.manifest) LIMIT ?3) AS n),
			(SELECT count(*) FROM (SELECT 1 FROM repository_blobs rb WHERE rb.digest = b.digest LIMIT ?3) AS n),
			EXISTS (SELECT 1 FROM repositories r JOIN repository_blobs rb ON rb.repository_id = r.id WHERE r.path = ?2 AND rb.digest = b.digest),
			coalesce((SELECT cause FROM damaged WHERE digest = b.digest), '') FROM blobs b WHERE b.digest = ?1`)
		if err != nil {
			return err
		}
		defer query.Close()
		for _, d := range blobs {
			var one Share
			err := query.QueryRowContext(ctx, d.String(), registry.RepositoryPath(repository), SharesTold).
				Scan(&one.Size, &one.Manifests, &one.Repositories, &one.Held, &one.Damaged)
			if err == nil {
				shares[d] = one
			} else if !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
		return nil
	})
}

// Extent is what a manifest reaches in its repository, itself included: the
// children that are there and their blobs, each once.
type Extent struct {
	Manifests int
	Blobs     int
	Bytes     int64 // of all
	BlobBytes int64 // of the blobs
	Unique    int64 // of the blobs that no other manifest of the site names
}

// SizeOf measures what a manifest reaches.
func (s *Store) SizeOf(ctx context.Context, repository string, d digest.Digest) (e Extent, err error) {
	err = s.snapshot(ctx, func(ctx context.Context, tx *sql.Tx) error {
		ref := registry.Ref{Repository: repository, Digest: d}
		id, _, err := findIn(ctx, tx, ref)
		if err != nil {
			return named(ref.String(), err)
		}
		var own int64
		err = tx.QueryRowContext(ctx, `WITH RECURSIVE reach (digest) AS (
				SELECT digest FROM manifests WHERE digest = ?2
				UNION SELECT rm.digest FROM reach CROSS JOIN manifest_references mr CROSS JOIN repository_manifests rm
					WHERE mr.manifest = reach.digest AND mr.kind = 'manifest' AND rm.repository_id = ?1 AND rm.digest = mr.digest),
			part (digest, size) AS (
				SELECT DISTINCT b.digest, b.size FROM reach CROSS JOIN manifest_references mr CROSS JOIN blobs b
					WHERE mr.manifest = reach.digest AND mr.kind = 'blob' AND b.digest = mr.digest)
			SELECT (SELECT count(*) FROM reach), (SELECT sum(length(m.content)) FROM reach CROSS JOIN manifests m WHERE m.digest = reach.digest),
				count(*), coalesce(sum(size), 0), coalesce(sum(size) FILTER (WHERE NOT EXISTS (
					SELECT 1 FROM manifest_references mr CROSS JOIN repository_manifests rm
					WHERE mr.digest = part.digest AND mr.manifest NOT IN (SELECT digest FROM reach) AND rm.digest = mr.manifest)), 0)
			FROM part`, id, d.String()).Scan(&e.Manifests, &own, &e.Blobs, &e.BlobBytes, &e.Unique)
		e.Bytes = own + e.BlobBytes
		return err
	})
	return e, err
}
