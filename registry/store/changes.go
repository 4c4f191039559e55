package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// ChangeKind is what was done to a thing.
type ChangeKind string

// What is done to names, to what keeps them, and to the rules of the site.
// Before and After are digests where nothing else is said.
const (
	TagSet         ChangeKind = "tag.set"
	TagDelete      ChangeKind = "tag.delete"
	TagRestore     ChangeKind = "tag.restore"  // taken out of the trash
	ManifestPut    ChangeKind = "manifest.put" // pushed without a tag, or brought as a name of its own
	ManifestDelete ChangeKind = "manifest.delete"
	BlobDelete     ChangeKind = "blob.delete"
	PinSet         ChangeKind = "pin.set" // each a Pin
	PinDelete      ChangeKind = "pin.delete"
	PolicySet      ChangeKind = "policy.set"     // each the text
	TrustSet       ChangeKind = "trust.set"      // each the text
	TrustOverride  ChangeKind = "trust.override" // a trust.Override
	ChannelSet     ChangeKind = "channel.set"    // each a trust.Accepted
	SiteKeyMake    ChangeKind = "key.make"
	TrashRestore   ChangeKind = "trash.restore" // a Restored
	TrashErase     ChangeKind = "trash.erase"   // what was due, an Erased
)

// Change is one thing that a transaction changed.
type Change struct {
	Kind   ChangeKind
	Name   string // of what changed: a name as the site lists it, or what else the kind is of
	Before any    // as JSON; nil when there was nothing
	After  any    // as JSON; nil when there is nothing any more
}

// OnChange has record called once in each transaction that changes something,
// at its end, with all that it changes: so both are there after a crash, or
// neither, and when record fails nothing is changed. It may run twice where the
// disk is full; room is made for it as for the change. To be set once, before
// anybody uses the store.
//
// A tag that is set to what it points at already is no change. Blobs are none
// before something names them, and what collection takes out was no name; that it
// is erased for good is a change. A batch tells of the names that it brings.
func (s *Store) OnChange(record func(ctx context.Context, tx *sql.Tx, changes []Change) error) {
	s.record = record
}

// noting is a transaction with what it has changed so far.
type noting struct {
	*sql.Tx
	asked   bool // somebody wants to know
	changes []Change
}

// note adds a change. What was there before should not be looked up unless
// somebody has asked.
func (t *noting) note(c Change) {
	if t.asked {
		t.changes = append(t.changes, c)
	}
}

// noted makes a transaction end with the record of what it changes.
func (s *Store) noted(ctx context.Context, fn func(*noting) error) func(*sql.Tx) error {
	return func(tx *sql.Tx) error {
		t := &noting{Tx: tx, asked: s.record != nil}
		if err := fn(t); err != nil || len(t.changes) == 0 {
			return err
		}
		return s.record(ctx, tx, t.changes)
	}
}

// orNothing is nil for "".
func orNothing[T ~string](text T) any {
	if text == "" {
		return nil
	}
	return text
}

// name is how the site lists something of a repository.
func (t *noting) name(ctx context.Context, repository int64, ref registry.Ref) (string, error) {
	err := t.QueryRowContext(unwatched(ctx), `SELECT name FROM repositories WHERE id = ?`, repository).Scan(&ref.Repository)
	return ref.String(), err
}

// noteDeleted notes what is no longer in a repository.
func (t *noting) noteDeleted(ctx context.Context, kind ChangeKind, repository int64, ref registry.Ref, was digest.Digest) error {
	if !t.asked {
		return nil
	}
	name, err := t.name(ctx, repository, ref)
	t.note(Change{Kind: kind, Name: name, Before: orNothing(was)})
	return err
}

// noteTag notes that a tag is about to point at d, and reports whether it does
// so already.
func (t *noting) noteTag(ctx context.Context, repository int64, ref registry.Ref, d digest.Digest) (same bool, err error) {
	if !t.asked {
		return false, nil
	}
	var before sql.NullString
	named := registry.Ref{Tag: ref.Tag}
	err = t.QueryRowContext(unwatched(ctx), `SELECT r.name, t.digest FROM repositories r
		LEFT JOIN tags t ON t.repository_id = r.id AND t.name = ?2 WHERE r.id = ?1`, repository, ref.Tag).Scan(&named.Repository, &before)
	if err != nil || before.String == d.String() {
		return err == nil, err
	}
	t.note(Change{Kind: TagSet, Name: named.String(), Before: orNothing(digest.Digest(before.String)), After: d})
	return false, nil
}

// notePut notes that a manifest without a tag is about to come to a repository,
// unless it is there.
func (t *noting) notePut(ctx context.Context, repository int64, d digest.Digest) error {
	if !t.asked {
		return nil
	}
	var one int
	err := t.QueryRowContext(unwatched(ctx), `SELECT 1 FROM repository_manifests WHERE repository_id = ? AND digest = ?`, repository, d.String()).Scan(&one)
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	name, err := t.name(ctx, repository, registry.Ref{Digest: d})
	t.note(Change{Kind: ManifestPut, Name: name, After: d})
	return err
}
