package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/retention"
)

// policyDocument is where the policy is remembered, as it was written.
const policyDocument = "policy"

// policy is the retention policy in force, with what its quotas have used.
type policy struct {
	*retention.Policy
	used map[string]int64 // by a quota's prefix; absent: not counted yet
}

// ImmutableError is an ErrConflict: a rule forbids to change a tag.
type ImmutableError struct {
	Ref     registry.Ref
	Pattern string // of the rule
	Has     digest.Digest
}

func (e *ImmutableError) Error() string {
	return fmt.Sprintf("%s is immutable by rule %q and stays at %s; use another tag", e.Ref, e.Pattern, e.Has)
}

// Is makes the error an ErrConflict.
func (e *ImmutableError) Is(target error) bool { return target == registry.ErrConflict }

// QuotaError is an ErrNoSpace: a quota is used up.
type QuotaError struct {
	Prefix           string // of repositories; "" is the whole site
	Size, Used, More int64  // bytes
}

func (e *QuotaError) Error() string {
	what := "the site"
	if e.Prefix != "" {
		what = e.Prefix
	}
	return fmt.Sprintf("the quota of %s is %s: %s are used, %s more are asked for; remove something there and collect, or raise the quota",
		what, units.Bytes(e.Size), units.Bytes(e.Used), units.Bytes(e.More))
}

// Is makes the error an ErrNoSpace.
func (e *QuotaError) Is(target error) bool { return target == registry.ErrNoSpace }

// Policy is the retention policy as it was set, empty when none was.
func (s *Store) Policy(ctx context.Context) ([]byte, error) {
	var content string
	_, err := s.document(ctx, policyDocument, &content)
	return []byte(content), err
}

// SetPolicy puts a policy in force: immutable tags and quotas at once, what is
// kept at the next Retain. An empty one ends the last. Usage above a quota
// stays, and refuses more. Durable when it returns.
func (s *Store) SetPolicy(ctx context.Context, content []byte) error {
	if _, err := parsePolicy(content); err != nil {
		return err
	}
	err := s.setRules(ctx, policyDocument, PolicySet, string(content))
	s.policyMu.Lock()
	defer s.policyMu.Unlock()
	s.policy = nil
	return err
}

func parsePolicy(content []byte) (*retention.Policy, error) {
	if len(content) == 0 {
		return &retention.Policy{}, nil
	}
	return retention.Parse("policy", content)
}

// rules is the policy in force; the caller holds policyMu.
func (s *Store) rules(ctx context.Context) (*policy, error) {
	if s.policy == nil {
		content, err := s.Policy(ctx)
		if err != nil {
			return nil, err
		}
		parsed, err := parsePolicy(content)
		if err != nil {
			return nil, err
		}
		s.policy = &policy{parsed, map[string]int64{}}
	}
	return s.policy, nil
}

// immutable is the pattern that fixes a tag of a repository.
func (s *Store) immutable(ctx context.Context, q querier, repository int64, tag string) (pattern string, fixed bool, err error) {
	s.policyMu.Lock()
	defer s.policyMu.Unlock()
	p, err := s.rules(ctx)
	if err != nil || p.Empty() {
		return "", false, err
	}
	var name string
	if err := q.QueryRowContext(ctx, `SELECT name FROM repositories WHERE id = ?`, repository).Scan(&name); err != nil {
		return "", false, err
	}
	pattern, fixed = p.Rule(name).Immutable(tag)
	return pattern, fixed, nil
}

// mayMove refuses to point an immutable tag somewhere else.
func (s *Store) mayMove(ctx context.Context, tx *sql.Tx, repository int64, ref registry.Ref, d digest.Digest) error {
	err := s.mayLose(ctx, tx, repository, ref)
	if fixed := (*ImmutableError)(nil); errors.As(err, &fixed) && fixed.Has == d {
		return nil
	}
	return err
}

// mayLose refuses to delete an immutable tag that is set.
func (s *Store) mayLose(ctx context.Context, tx *sql.Tx, repository int64, ref registry.Ref) error {
	pattern, fixed, err := s.immutable(ctx, tx, repository, ref.Tag)
	if err != nil || !fixed {
		return err
	}
	e := &ImmutableError{Ref: registry.Ref{Repository: ref.Repository, Tag: ref.Tag}, Pattern: pattern}
	err = tx.QueryRowContext(ctx, `SELECT digest FROM tags WHERE repository_id = ? AND name = ?`, repository, ref.Tag).Scan(&e.Has)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return e
}

// charge takes the bytes of links from the quotas of their repositories, all
// or nothing. A blob counts once under each prefix.
func (s *Store) charge(ctx context.Context, links ...link) error {
	s.policyMu.Lock()
	defer s.policyMu.Unlock()
	p, err := s.rules(ctx)
	if err != nil || p.Empty() {
		return err
	}
	more := map[retention.Quota]int64{}
	counted := map[string]bool{}
	for _, l := range links {
		for _, q := range p.Quotas(registry.RepositoryName(registry.RepositoryPath(l.repository))) {
			key := q.Prefix + "@" + l.digest.String()
			known, err := s.knownUnder(ctx, q.Prefix, l.digest)
			if err != nil {
				return err
			}
			if !known && !counted[key] {
				counted[key] = true
				more[q] += l.size
			}
		}
	}
	for q, bytes := range more {
		used, err := s.usedUnder(ctx, p, q.Prefix)
		if err != nil {
			return err
		}
		if used+bytes > q.Size { // counted anew: what comes twice at the same time was charged twice
			delete(p.used, q.Prefix)
			if used, err = s.usedUnder(ctx, p, q.Prefix); err != nil {
				return err
			}
		}
		if used+bytes > q.Size {
			return &QuotaError{q.Prefix, q.Size, used, bytes}
		}
	}
	for q, bytes := range more {
		p.used[q.Prefix] += bytes
	}
	return nil
}

// recharge makes quotas be counted anew: something was taken out, or what was
// charged did not come.
func (s *Store) recharge() {
	s.policyMu.Lock()
	defer s.policyMu.Unlock()
	if s.policy != nil {
		clear(s.policy.used)
	}
}

// under is the SQL condition that a repository r is below a prefix.
func under(prefix string) (condition string, args []any) {
	if prefix == "" {
		return "1", nil
	}
	return "(r.name = ? OR substr(r.name, 1, ?) = ?)", []any{prefix, len(prefix) + 1, prefix + "/"}
}

func (s *Store) knownUnder(ctx context.Context, prefix string, d digest.Digest) (bool, error) {
	condition, args := under(prefix)
	var known bool
	err := s.db.Read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM repository_blobs rb JOIN repositories r ON r.id = rb.repository_id
		WHERE rb.digest = ? AND `+condition+`)`, append([]any{d.String()}, args...)...).Scan(&known)
	return known, err
}

func (s *Store) usedUnder(ctx context.Context, p *policy, prefix string) (int64, error) {
	if used, ok := p.used[prefix]; ok {
		return used, nil
	}
	condition, args := under(prefix)
	var used int64
	err := s.db.Read.QueryRowContext(ctx, `SELECT coalesce(sum(size), 0) FROM blobs WHERE digest IN (SELECT rb.digest
		FROM repository_blobs rb JOIN repositories r ON r.id = rb.repository_id WHERE `+condition+`)`, args...).Scan(&used)
	if err == nil {
		p.used[prefix] = used
	}
	return used, err
}

// RetainOptions of a Retain. The zero value applies the policy in force.
type RetainOptions struct {
	DryRun bool
	Policy []byte // in a dry run: this policy instead of the one in force
}

// Retained is what a Retain decided.
type Retained struct {
	DryRun       bool                 `json:"dryRun"`
	Repositories []RetainedRepository `json:"repositories"` // those that a rule is for, by name
	Removed      int64                `json:"removed"`      // tags
}

// RetainedRepository is what was decided about one repository.
type RetainedRepository struct {
	Repository string        `json:"repository"`
	Tags       []RetainedTag `json:"tags"`
}

// RetainedTag is what was decided about one tag.
type RetainedTag struct {
	Tag    string        `json:"tag"`
	Digest digest.Digest `json:"digest"`
	Keep   bool          `json:"keep"`
	Reason string        `json:"reason"`
}

// Retain removes the tags that the policy does not keep. They go to the trash
// with what only they kept, and Undo brings them back. A tag that moves
// meanwhile stays. ErrConflict while a collection runs.
func (s *Store) Retain(ctx context.Context, opts RetainOptions) (*Retained, error) {
	p, err := s.policyToRun(ctx, opts)
	if err != nil {
		return nil, err
	}
	if !s.upkeep.TryLock() {
		return nil, errUpkeep
	}
	defer s.upkeep.Unlock()
	r := &Retained{DryRun: opts.DryRun, Repositories: []RetainedRepository{}}
	for name, err := range s.Repositories(ctx, "") {
		if err != nil {
			return nil, err
		}
		if rule := p.Rule(name); rule != nil {
			if err := s.retainRepository(ctx, r, name, rule); err != nil {
				return nil, named(name, err)
			}
		}
	}
	return r, nil
}

func (s *Store) policyToRun(ctx context.Context, opts RetainOptions) (*retention.Policy, error) {
	if opts.Policy != nil && !opts.DryRun {
		return nil, fmt.Errorf("%w: another policy than the one in force can be tried in a dry run only", registry.ErrInvalid)
	}
	content := opts.Policy
	if content == nil {
		var err error
		if content, err = s.Policy(ctx); err != nil {
			return nil, err
		}
	}
	return parsePolicy(content)
}

func (s *Store) retainRepository(ctx context.Context, r *Retained, name string, rule *retention.Rule) error {
	path := registry.RepositoryPath(name)
	var result RetainedRepository
	var removed int64
	var keys []cacheKey
	err := s.writeOrRead(ctx, r.DryRun, func(tx *noting) error {
		id, err := knownRepository(ctx, tx.Tx, path)
		if err != nil {
			return err
		}
		tags, err := retainable(ctx, tx.Tx, id)
		if err != nil {
			return err
		}
		result, removed = RetainedRepository{Repository: name, Tags: []RetainedTag{}}, 0
		for _, d := range rule.Plan(tags, time.Now()) {
			result.Tags = append(result.Tags, RetainedTag{d.Name, d.Digest, d.Keep, d.Reason})
			if d.Keep {
				continue
			}
			removed++
			keys = append(keys, manifestKey(path, d.Name))
			if !r.DryRun {
				if err := trashTag(ctx, tx.Tx, id, d.Name); err != nil {
					return err
				}
				tx.note(Change{Kind: TagDelete, Name: name + ":" + d.Name, Before: d.Digest})
			}
		}
		return nil
	})
	s.cache.forget(keys...)
	if err != nil {
		return err
	}
	r.Repositories = append(r.Repositories, result)
	r.Removed += removed
	return nil
}

// writeOrRead runs f, perhaps twice, in a transaction that changes something,
// or in one that cannot.
func (s *Store) writeOrRead(ctx context.Context, read bool, f func(*noting) error) error {
	if read {
		return s.snapshot(ctx, func(_ context.Context, tx *sql.Tx) error { return f(&noting{Tx: tx}) })
	}
	return s.writeAnyway(ctx, s.db.Write, s.noted(ctx, f))
}

// retainable are the tags of a repository as a rule sees them.
func retainable(ctx context.Context, tx *sql.Tx, repository int64) (tags []retention.Tag, err error) {
	var t retention.Tag
	var at int64
	var children string
	err = each(ctx, tx, []any{&t.Name, &t.Digest, &at, &t.Pinned, &children}, func() {
		t.Updated, t.Children = time.UnixMilli(at), nil
		for _, d := range strings.Fields(children) {
			t.Children = append(t.Children, digest.Digest(d))
		}
		tags = append(tags, t)
	}, `SELECT t.name, t.digest, t.updated_at,
		coalesce((SELECT p.owner || ': ' || p.reason FROM pins p WHERE p.repository_id = t.repository_id AND (p.digest = t.digest OR p.tag = t.name) LIMIT 1), ''),
		coalesce((SELECT group_concat(mr.digest, ' ') FROM manifest_references mr WHERE mr.manifest = t.digest AND mr.kind = 'manifest'), '')
		FROM tags t WHERE t.repository_id = ? ORDER BY t.name`, repository)
	return tags, err
}

func trashTag(ctx context.Context, tx *sql.Tx, repository int64, tag string) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO trash (repository_id, digest, kind, tag, named, trashed_at, updated_at)
		SELECT repository_id, digest, 'tag', name, 0, ?3, updated_at FROM tags WHERE repository_id = ?1 AND name = ?2
		ON CONFLICT DO UPDATE SET trashed_at = excluded.trashed_at, updated_at = excluded.updated_at`, repository, tag, now())
	if err == nil {
		_, err = tx.ExecContext(ctx, `DELETE FROM tags WHERE repository_id = ? AND name = ?`, repository, tag)
	}
	return err
}
