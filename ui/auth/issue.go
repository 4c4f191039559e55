package auth

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/audit"
)

const (
	personalLife    = 90 * 24 * time.Hour  // of personal tokens that name no end
	longestPersonal = 366 * 24 * time.Hour // people leave; robots may stay
	maxTokens       = 100                  // of a user; robots maxRobots
	maxRobots       = 1000
)

// NewToken is a token to be. Without an owner it is a robot.
type NewToken struct {
	Name    string    `json:"name" doc:"What it is for; 1 to 64 letters and digits, and . _ @ + - between them"`
	Owner   string    `json:"owner,omitempty" doc:"The id of the user whose personal token it is; a robot has none"`
	Role    Role      `json:"role,omitempty" enum:"viewer,operator,admin" doc:"A robot's role; the highest that a personal token leaves of its user's"`
	Rights  []Right   `json:"rights,omitempty" doc:"When there are some, these only"`
	Grants  []Grant   `json:"grants,omitempty" doc:"A robot's in addition to its role; a personal token's instead of all repositories"`
	Expires time.Time `json:"expires,omitzero" doc:"Personal tokens end after 90 days, or 366 at most; robots need not end"`
}

// CreateToken makes a token and returns its text, which is told this once.
// Personal tokens a user makes for itself only, and not by a token; on the machine
// itself they can be made for everybody. ErrDenied for a token that may more than
// who makes it, ErrConflict when there is a robot of that name, or no room.
func (a *Auth) CreateToken(ctx context.Context, n NewToken) (t Token, text string, err error) {
	made, err := n.token()
	if err != nil {
		return Token{}, "", err
	}
	if err := made.mayMake(ctx); err != nil {
		return Token{}, "", err
	}
	secret, coded := newSecret()
	made.hash = hashOf(secret)
	err = a.change(ctx, func(tx *sql.Tx) error {
		if err := made.hasRoom(ctx, tx); err != nil {
			return err
		}
		if err := made.insert(ctx, tx); err != nil {
			return err
		}
		return a.note(ctx, tx, audit.Entry{Action: "token.create", Target: made.target(), After: made})
	})
	if err != nil {
		return Token{}, "", err
	}
	return *made, tokenText(made.ID, coded), nil
}

// token checks what is asked for.
func (n NewToken) token() (t *Token, err error) {
	now := time.UnixMilli(time.Now().UnixMilli()).UTC()
	t = &Token{ID: newID(), Kind: RobotToken, Name: n.Name, Owner: n.Owner, Role: n.Role, Rights: n.Rights, Created: now, epoch: 1, Version: 1}
	if err := checkName("token name", t.Name); err != nil {
		return nil, err
	}
	if t.Role != NoRole {
		if err := t.Role.check(); err != nil {
			return nil, err
		}
	}
	if err := checkRights(t.Rights); err != nil {
		return nil, err
	}
	if t.Grants, err = normalGrants(n.Grants); err != nil {
		return nil, err
	}
	if t.Owner != "" {
		t.Kind = PersonalToken
	} else if t.Role == NoRole && len(t.Rights) == 0 && len(t.Grants) == 0 {
		return nil, fmt.Errorf("%w: a robot without a role, rights or grants could do nothing", registry.ErrInvalid)
	}
	t.Expires, err = t.expiry(n.Expires)
	return t, err
}

// expiry is when the token ends, when it was asked to end at a time.
func (t *Token) expiry(asked time.Time) (time.Time, error) {
	asked = asked.UTC().Truncate(time.Millisecond)
	switch {
	case !asked.IsZero() && !asked.After(t.Created):
		return asked, fmt.Errorf("%w: the token would have expired already", registry.ErrInvalid)
	case t.Kind == PersonalToken && asked.IsZero():
		return t.Created.Add(personalLife), nil
	case t.Kind == PersonalToken && asked.Sub(t.Created) > longestPersonal:
		return asked, fmt.Errorf("%w: a personal token lasts for at most 366 days", registry.ErrInvalid)
	}
	return asked, nil
}

// mayMake is ErrDenied unless the context's subject may make the token.
func (t *Token) mayMake(ctx context.Context) error {
	s := maker(ctx)
	if t.Kind == RobotToken {
		return t.mayManage(ctx)
	}
	if s.Kind != Local && (s.Kind != Person || s.ID != t.Owner || !s.May(TokensOwn)) { // which tokens have not
		return fmt.Errorf("%w: personal tokens are made by their user, who has logged in without one", registry.ErrDenied)
	}
	return nil
}

func (t *Token) hasRoom(ctx context.Context, tx *sql.Tx) error {
	var taken, live int
	err := tx.QueryRowContext(ctx, `SELECT count(*), count(CASE WHEN kind = ? AND folded = ? THEN 1 END) FROM auth_tokens
		WHERE revoked_at IS NULL AND coalesce(owner, '') = ?`, string(RobotToken), fold(t.Name), t.Owner).Scan(&live, &taken)
	switch {
	case err != nil:
		return err
	case taken > 0:
		return fmt.Errorf("%w: there is a robot %q: revoke it first, or renew it", registry.ErrConflict, t.Name)
	case t.Kind == RobotToken && live >= maxRobots, t.Kind == PersonalToken && live >= maxTokens:
		return fmt.Errorf("%w: there are %d tokens: revoke some first", registry.ErrConflict, live)
	}
	if t.Kind == PersonalToken {
		_, err = findUser(ctx, tx, `id = ?`, t.Owner)
	}
	return err
}

func (t *Token) insert(ctx context.Context, tx *sql.Tx) error {
	var owner any
	if t.Owner != "" {
		owner = t.Owner
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO auth_tokens (`+tokenColumns+`, folded) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		t.ID, string(t.Kind), t.Name, owner, t.hash, string(t.Role), strings.Join(t.Rights, " "), t.Created.UnixMilli(),
		millis(t.Expires), nil, nil, "", t.epoch, t.Version, fold(t.Name))
	if err != nil {
		return err
	}
	return setGrants(ctx, tx, t.ID, t.Grants)
}

// target names the token in the audit log.
func (t *Token) target() string { return string(t.Kind) + " " + t.Name + " " + t.ID }

// mayTouch is ErrDenied unless the context's subject may revoke or renew the
// token: it is its own, or a robot that may no more than itself.
func (t *Token) mayTouch(ctx context.Context) error {
	if t.Kind == RobotToken {
		return t.mayManage(ctx)
	}
	return itself(ctx, t.Owner, UsersWrite)
}

// mayManage is ErrDenied unless the context's subject may make such a robot.
func (t *Token) mayManage(ctx context.Context) error {
	if err := needs(ctx, TokensWrite); err != nil {
		return err
	}
	return maker(ctx).mayGive(robotLimit(t))
}

// RevokeToken ends a token at once, and what the registry gave for it. ErrNotFound
// when there is none; one that has ended stays as it is.
func (a *Auth) RevokeToken(ctx context.Context, id string) error {
	return a.change(ctx, func(tx *sql.Tx) error {
		t, err := findToken(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := t.mayTouch(ctx); err != nil || !t.Revoked.IsZero() {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE auth_tokens SET revoked_at = ?, epoch = epoch + 1, version = version + 1 WHERE id = ?`, time.Now().UnixMilli(), id)
		if err != nil {
			return err
		}
		return a.note(ctx, tx, audit.Entry{Action: "token.revoke", Target: t.target(), Before: t})
	})
}

// RenewRobot gives a robot another secret, and another end when expires is not
// zero. The text that it had ends at once.
func (a *Auth) RenewRobot(ctx context.Context, id string, expires time.Time) (t Token, text string, err error) {
	secret, coded := newSecret()
	err = a.change(ctx, func(tx *sql.Tx) error {
		before, err := findToken(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := before.mayTouch(ctx); err != nil {
			return err
		}
		if before.Kind != RobotToken || !before.Revoked.IsZero() {
			return fmt.Errorf("%w: only a robot that is not revoked can be renewed", registry.ErrConflict)
		}
		t = *before
		if !expires.IsZero() {
			if !expires.After(time.Now()) {
				return fmt.Errorf("%w: the token would have expired already", registry.ErrInvalid)
			}
			t.Expires = expires.UTC().Truncate(time.Millisecond)
		}
		t.Version, t.epoch = t.Version+1, t.epoch+1
		_, err = tx.ExecContext(ctx, `UPDATE auth_tokens SET secret = ?, expires_at = ?, epoch = ?, version = ? WHERE id = ?`,
			hashOf(secret), millis(t.Expires), t.epoch, t.Version, id)
		if err != nil {
			return err
		}
		return a.note(ctx, tx, audit.Entry{Action: "token.renew", Target: t.target(), Before: before, After: t})
	})
	if err != nil {
		return Token{}, "", err
	}
	return t, tokenText(id, coded), nil
}

// TokenFilter chooses tokens. The zero filter chooses the robots.
type TokenFilter struct {
	Owner string // the id of the user whose personal tokens are meant
	After string // the id of the last one of the page before
	Limit int    // at most so many; 100 when 0
}

// Tokens lists tokens by their id, also those that have ended. It needs the right
// tokens.write for robots, users.read for those of other users.
func (a *Auth) Tokens(ctx context.Context, f TokenFilter) ([]Token, error) {
	if err := mayRead(ctx, f.Owner); err != nil {
		return nil, err
	}
	if f.Limit == 0 {
		f.Limit = 100
	}
	rows, err := a.db.Read.QueryContext(ctx, `SELECT `+tokenColumns+` FROM auth_tokens WHERE coalesce(owner, '') = ? AND id > ? ORDER BY id LIMIT ?`, f.Owner, f.After, f.Limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []Token{}
	var ids []string
	for rows.Next() {
		t, err := scanToken(rows)
		if err != nil {
			return nil, err
		}
		list, ids = append(list, *t), append(ids, t.ID)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	grants, err := grantsOf(ctx, a.db.Read, ids...)
	for i := range list {
		list[i].Grants = append(list[i].Grants, grants[list[i].ID]...)
	}
	return list, err
}

// mayRead is ErrDenied unless the context's subject may see the tokens of an
// owner; of robots when that is empty.
func mayRead(ctx context.Context, owner string) error {
	if owner == "" {
		return needs(ctx, TokensWrite)
	}
	return itself(ctx, owner, UsersRead)
}

// Token is the token of an id. ErrNotFound when there is none, or none that the
// context's subject may see.
func (a *Auth) Token(ctx context.Context, id string) (Token, error) {
	t, err := findToken(ctx, a.db.Read, id)
	if err != nil {
		return Token{}, err
	}
	if mayRead(ctx, t.Owner) != nil {
		return Token{}, fmt.Errorf("%w: no such token", registry.ErrNotFound)
	}
	return *t, nil
}
