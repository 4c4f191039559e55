package auth

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// TokenKind is whom a token stands for.
type TokenKind string

// The kinds of tokens.
const (
	PersonalToken TokenKind = "personal"
	RobotToken    TokenKind = "robot"
)

// RobotPrefix begins the name with which a robot logs in.
const RobotPrefix = "robot$"

// Token is a secret text that lets in. Only the hash of the secret is kept.
type Token struct {
	ID          string    `json:"id"`
	Kind        TokenKind `json:"kind" enum:"personal,robot"`
	Name        string    `json:"name"`
	Owner       string    `json:"owner,omitempty" doc:"The id of a personal token's user"`
	Role        Role      `json:"role,omitempty" enum:"viewer,operator,admin" doc:"A robot's role, or the highest that a personal token leaves"`
	Rights      []Right   `json:"rights,omitempty" doc:"When there are some, these only"`
	Grants      []Grant   `json:"grants" doc:"A robot's in addition to its role; a personal token's instead of all repositories"`
	Created     time.Time `json:"created"`
	Expires     time.Time `json:"expires,omitzero"`
	Revoked     time.Time `json:"revoked,omitzero"`
	LastUsed    time.Time `json:"last_used,omitzero" doc:"To a minute"`
	LastAddress string    `json:"last_address,omitempty"`
	Version     int64     `json:"version"`

	hash  []byte
	epoch int64
}

// Login is the name with which a robot logs in; personal tokens are used with
// their user's.
func (t *Token) login() string { return RobotPrefix + t.Name }

const (
	tokenColumns = `id, kind, name, owner, secret, role, rights, created_at, expires_at, revoked_at, last_used_at, last_address, epoch, version`
	usedEvery    = time.Minute
)

func scanToken(row interface{ Scan(dest ...any) error }) (*Token, error) {
	t := &Token{Grants: []Grant{}}
	var owner sql.NullString
	var rights string
	var created, expires, revoked, used sql.NullInt64
	err := row.Scan(&t.ID, &t.Kind, &t.Name, &owner, &t.hash, &t.Role, &rights, &created, &expires, &revoked, &used, &t.LastAddress, &t.epoch, &t.Version)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("%w: no such token", registry.ErrNotFound)
	}
	t.Owner, t.Rights = owner.String, strings.Fields(rights)
	t.Created, t.Expires, t.Revoked, t.LastUsed = fromMillis(created), fromMillis(expires), fromMillis(revoked), fromMillis(used)
	return t, err
}

// findToken reads one token, with its grants.
func findToken(ctx context.Context, q querier, id string) (*Token, error) {
	t, err := scanToken(q.QueryRowContext(ctx, `SELECT `+tokenColumns+` FROM auth_tokens WHERE id = ?`, id))
	if err != nil {
		return nil, err
	}
	grants, err := grantsOf(ctx, q, id)
	t.Grants = append(t.Grants, grants[id]...)
	return t, err
}

// errToken is the answer to a token whose secret is not the one.
const errToken = Unauthenticated("the token is not known here")

// CheckToken is the subject that a token's text stands for, for a client at an
// address. ErrUnauthenticated when it is unknown, revoked or expired, or its user
// is disabled.
func (a *Auth) CheckToken(ctx context.Context, text, address string) (Subject, error) {
	id, secret, err := parseToken(text)
	if err != nil {
		return Subject{}, Unauthenticated(err.Error())
	}
	t, err := a.known.token(ctx, a.db.Read, id)
	if errors.Is(err, registry.ErrNotFound) {
		return Subject{}, errToken
	}
	if err != nil {
		return Subject{}, err
	}
	if subtle.ConstantTimeCompare(hashOf(secret), t.hash) != 1 {
		return Subject{}, errToken
	}
	s, err := a.bearer(ctx, t, address)
	if err == nil {
		a.noteUse(ctx, t, address)
	}
	return s, err
}

// bearer is the subject of a token that was shown, as it is now.
func (a *Auth) bearer(ctx context.Context, t *Token, address string) (Subject, error) {
	now := time.Now()
	switch {
	case !t.Revoked.IsZero():
		return Subject{}, Unauthenticated(fmt.Sprintf("the token %q was revoked", t.Name))
	case !t.Expires.IsZero() && !now.Before(t.Expires):
		return Subject{}, Unauthenticated(fmt.Sprintf("the token %q expired on %s", t.Name, t.Expires.Format(time.DateOnly)))
	}
	s := Subject{Via: ViaToken, Token: t.ID, Address: address, epoch: t.epoch}
	if t.Kind == RobotToken {
		s.ID, s.Name, s.Kind, s.Role, s.limits = t.ID, t.login(), Robot, t.Role, []limit{robotLimit(t)}
		return s, nil
	}
	u, err := a.known.user(ctx, a.db.Read, t.Owner)
	if errors.Is(err, registry.ErrNotFound) {
		return Subject{}, errToken
	}
	if err != nil {
		return Subject{}, err
	}
	if u.Disabled {
		return Subject{}, Unauthenticated(fmt.Sprintf("the user of the token %q is disabled", t.Name))
	}
	s.ID, s.Name, s.Kind, s.Role, s.limits = u.ID, u.Name, Person, u.Role, []limit{limitOf(u), personalLimit(t)}
	return s, nil
}

// noteUse remembers when and from where a token was used, once a minute. It is no
// change: nothing that anybody may do depends on it.
func (a *Auth) noteUse(ctx context.Context, t *Token, address string) {
	now := time.Now()
	if !a.known.due(t.ID, now) {
		return
	}
	err := a.db.WriteSoon(context.WithoutCancel(ctx), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE auth_tokens SET last_used_at = ?, last_address = ? WHERE id = ?`, now.UnixMilli(), address, t.ID)
		return err
	})
	if err != nil { // a full disk locks nobody out
		a.log.WarnContext(ctx, "a token's use is not noted", "token", t.ID, "error", err)
	}
}
