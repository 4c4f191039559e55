package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

// Where trust is remembered.
const (
	trustPolicyDocument = "trust-policy" // as it was written
	trustStateDocument  = "trust-state"
	siteKeyDocument     = "site-key" // the site's own, in PEM
)

// TrustPolicyText is the trust policy as it was set, empty when none was.
func (s *Store) TrustPolicyText(ctx context.Context) ([]byte, error) {
	var content string
	_, err := s.document(ctx, trustPolicyDocument, &content)
	return []byte(content), err
}

// SetTrustPolicy puts a trust policy in force. An empty one ends the last.
// Durable when it returns.
func (s *Store) SetTrustPolicy(ctx context.Context, content []byte) error {
	if _, err := parseTrust(content); err != nil {
		return err
	}
	s.trustMu.Lock()
	defer s.trustMu.Unlock()
	s.trust.Store(nil)
	return s.setRules(ctx, trustPolicyDocument, TrustSet, string(content))
}

func parseTrust(content []byte) (*trust.Policy, error) {
	if len(content) == 0 {
		return &trust.Policy{}, nil
	}
	return trust.Parse("trust policy", content)
}

// TrustPolicy is the trust policy in force; the zero Policy without one.
func (s *Store) TrustPolicy(ctx context.Context) (*trust.Policy, error) {
	if p := s.trust.Load(); p != nil {
		return p, nil
	}
	s.trustMu.Lock()
	defer s.trustMu.Unlock()
	content, err := s.TrustPolicyText(ctx)
	if err != nil {
		return nil, err
	}
	p, err := parseTrust(content)
	if err == nil {
		s.trust.Store(p)
	}
	return p, err
}

// MayPush is ErrUntrusted when the trust policy refuses what does not come in a
// bundle.
func (s *Store) MayPush(ctx context.Context) error {
	p, err := s.TrustPolicy(ctx)
	if err == nil && !p.Pushes() {
		err = fmt.Errorf("%w: the trust policy refuses pushes: land a signed bundle instead", registry.ErrUntrusted)
	}
	return err
}

// TrustState is what the bundles that were let in have left.
func (s *Store) TrustState(ctx context.Context) (state trust.State, err error) {
	_, err = s.document(ctx, trustStateDocument, &state)
	return state, err
}

// SiteKey is the key by which the site signs what it says of itself. It is made
// when it is first asked for.
func (s *Store) SiteKey(ctx context.Context) (*trust.PrivateKey, error) {
	for range 2 {
		var pem string
		known, err := s.document(ctx, siteKeyDocument, &pem)
		if err != nil {
			return nil, err
		}
		if known {
			return trust.ParsePrivateKey([]byte(pem))
		}
		if err := s.makeSiteKey(ctx); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("the site's key: %w", registry.ErrNotFound)
}

// makeSiteKey leaves a key alone that somebody else has made meanwhile.
func (s *Store) makeSiteKey(ctx context.Context) error {
	k, err := trust.Generate(trust.Ed25519)
	if err != nil {
		return err
	}
	pem, err := k.PEM()
	if err != nil {
		return err
	}
	content, err := json.Marshal(string(pem))
	if err != nil {
		return err
	}
	return s.db.Write(ctx, s.noted(ctx, func(tx *noting) error {
		result, err := tx.ExecContext(ctx, `INSERT INTO documents (name, content) VALUES (?, ?) ON CONFLICT (name) DO NOTHING`, siteKeyDocument, string(content))
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if n > 0 {
			tx.note(Change{Kind: SiteKeyMake, Name: k.ID()})
		}
		return err
	}))
}

// SiteID is the id of the site's key.
func (s *Store) SiteID(ctx context.Context) (string, error) {
	k, err := s.SiteKey(ctx)
	if err != nil {
		return "", err
	}
	return k.ID(), nil
}

// changeTrustState changes what is remembered of bundles.
func changeTrustState(ctx context.Context, tx *noting, change func(trust.State) trust.State) error {
	return changeDocument(ctx, tx.Tx, trustStateDocument, func(old trust.State) trust.State {
		next := change(old)
		tx.noteTrust(old, next)
		return next
	})
}

// noteTrust notes how far channels have come, and what was let in against the
// policy.
func (t *noting) noteTrust(old, next trust.State) {
	for _, name := range slices.Sorted(maps.Keys(next.Channels)) {
		was, known := old.Channels[name]
		if was == next.Channels[name] {
			continue
		}
		c := Change{Kind: ChannelSet, Name: name, After: next.Channels[name]}
		if known {
			c.Before = was
		}
		t.note(c)
	}
	for _, o := range next.Overrides {
		if !slices.ContainsFunc(old.Overrides, func(was trust.Override) bool { return was.At.Equal(o.At) && was.Bundle == o.Bundle }) {
			t.note(Change{Kind: TrustOverride, Name: o.Bundle, After: o})
		}
	}
}

func putImageVerdicts(ctx context.Context, tx *sql.Tx, list []trust.ImageVerdict) error {
	for _, v := range list {
		content, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO image_verdicts (path, digest, verdict, judged_at) VALUES (?, ?, ?, ?)
			ON CONFLICT (path, digest) DO UPDATE SET verdict = excluded.verdict, judged_at = excluded.judged_at`,
			registry.RepositoryPath(v.Repository), v.Digest.String(), string(content), now()); err != nil {
			return named("verdict on "+v.Repository, err)
		}
	}
	return nil
}

// ImageVerdict is what was found out about an image when it came; ErrNotFound
// when nothing was asked.
func (s *Store) ImageVerdict(ctx context.Context, repository string, d digest.Digest) (v trust.ImageVerdict, err error) {
	var content []byte
	err = s.db.Read.QueryRowContext(ctx, `SELECT verdict FROM image_verdicts WHERE path = ? AND digest = ?`,
		registry.RepositoryPath(repository), d.String()).Scan(&content)
	if errors.Is(err, sql.ErrNoRows) {
		err = registry.ErrNotFound
	}
	if err == nil {
		err = json.Unmarshal(content, &v)
	}
	return v, named(repository+"@"+d.String(), err)
}

// ImageVerdicts are all of them, of images that are still there, by repository.
func (s *Store) ImageVerdicts(ctx context.Context) ([]trust.ImageVerdict, error) {
	list := []trust.ImageVerdict{}
	var content []byte
	var invalid error
	err := each(ctx, s.db.Read, []any{&content}, func() {
		var v trust.ImageVerdict
		invalid = errors.Join(invalid, json.Unmarshal(content, &v))
		list = append(list, v)
	}, `SELECT v.verdict FROM image_verdicts v JOIN repositories r ON r.path = v.path
		JOIN repository_manifests rm ON rm.repository_id = r.id AND rm.digest = v.digest ORDER BY v.path, v.digest`)
	return list, errors.Join(err, invalid)
}
