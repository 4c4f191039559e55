package auth

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/audit"
)

// SetupPath is where the page for the first administrator is. The secret is behind
// a #, which browsers keep to themselves: it ends in no log of requests.
const SetupPath = "/setup"

// setupLife is how long a link of the first start can be used.
const setupLife = 24 * time.Hour

// Setup makes the link by which the first administrator is made, while there is
// no user at all; else it is empty. Each call makes another, the one before ends.
func (a *Auth) Setup(ctx context.Context) (link string, err error) {
	secret, text := newSecret()
	err = a.change(ctx, func(tx *sql.Tx) error {
		if some, err := anyUser(ctx, tx); err != nil || some {
			text = ""
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO auth_setup (one, secret, expires_at, attempts) VALUES (1, ?, ?, 0)
			ON CONFLICT (one) DO UPDATE SET secret = excluded.secret, expires_at = excluded.expires_at, attempts = 0`,
			hashOf(secret), time.Now().Add(setupLife).UnixMilli())
		if err != nil {
			return err
		}
		return a.note(ctx, tx, audit.Entry{Action: "setup.offer"})
	})
	if err != nil || text == "" {
		return "", err
	}
	return SetupPath + "#" + text, nil
}

func anyUser(ctx context.Context, q querier) (some bool, err error) {
	err = q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM auth_users)`).Scan(&some)
	return some, err
}

// NeedsSetup reports whether there is no user yet.
func (a *Auth) NeedsSetup(ctx context.Context) (bool, error) {
	some, err := anyUser(ctx, a.db.Read)
	return !some, err
}

// errSetup is the answer to every secret that is not the one: it tells nobody why.
var errSetup = fmt.Errorf("%w: the link is not valid (any more); the next start of the appliance prints another", registry.ErrDenied)

// CompleteSetup makes the first administrator, once. ErrDenied for a secret that
// is wrong, used or expired; ErrInvalid for a bad name or password, with which the
// link can be tried again. Wrong secrets count as failed logins of their address.
func (a *Auth) CompleteSetup(ctx context.Context, secret, name, password string) (User, error) {
	a.completing.Lock()
	defer a.completing.Unlock()
	attempt := a.attempt(ClientOf(ctx).Address, nil)
	if err := a.charge(ctx, attempt); err != nil {
		return User{}, err
	}
	if err := checkSetup(ctx, a.db.Read, secret); err != nil {
		return User{}, errors.Join(err, a.refusedSetup(ctx, err))
	}
	if err := a.acquit(ctx, attempt); err != nil {
		return User{}, err
	}
	u, err := NewUser{Name: name, Role: Admin}.user(withoutSubject(ctx))
	if err != nil {
		return User{}, err
	}
	if u.password, err = a.hashed(ctx, name, password); err != nil {
		return User{}, err
	}
	u.HasPassword, u.PasswordChanged = true, u.Created
	err = a.change(ctx, func(tx *sql.Tx) error {
		if err := checkSetup(ctx, tx, secret); err != nil {
			return err
		}
		if err := u.insert(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM auth_setup`); err != nil {
			return err
		}
		return a.note(ctx, tx, audit.Entry{Action: "setup.complete", Target: u.Name, After: u})
	})
	if err != nil {
		return User{}, err
	}
	return *u, nil
}

// withoutSubject is a context in which the appliance itself acts: the secret
// stands for all rights.
func withoutSubject(ctx context.Context) context.Context {
	return context.WithValue(ctx, subjectKey{}, nil)
}

// checkSetup is errSetup unless the secret makes the first administrator.
func checkSetup(ctx context.Context, q querier, secret string) error {
	given, err := strictURL.DecodeString(secret)
	if err != nil {
		given = nil
	}
	var kept []byte
	var expires int64
	err = q.QueryRowContext(ctx, `SELECT secret, expires_at FROM auth_setup WHERE NOT EXISTS (SELECT 1 FROM auth_users)`).Scan(&kept, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return errSetup
	}
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(hashOf(given), kept) != 1 || time.Now().UnixMilli() >= expires {
		return errSetup
	}
	return nil
}

// refusedSetup counts and tells of a secret that was refused.
func (a *Auth) refusedSetup(ctx context.Context, cause error) error {
	if !errors.Is(cause, errSetup) {
		return nil
	}
	return a.change(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `UPDATE auth_setup SET attempts = attempts + 1`); err != nil {
			return err
		}
		return a.note(ctx, tx, audit.Entry{Action: "setup.complete", Outcome: "denied"})
	})
}
