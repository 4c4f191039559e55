package auth

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/auth/password"
)

// NewUser is a user to be.
type NewUser struct {
	Name       string  `json:"name" doc:"1 to 64 letters and digits, and . _ @ + - between them"`
	Display    string  `json:"display,omitempty"`
	Password   string  `json:"password" doc:"At least 12 characters"`
	Role       Role    `json:"role" enum:"viewer,operator,admin"`
	Restricted bool    `json:"restricted,omitempty"`
	Grants     []Grant `json:"grants,omitempty"`
}

// UserPatch is what changes of a user; nil stays as it is.
type UserPatch struct {
	Display    *string  `json:"display,omitempty"`
	Role       *Role    `json:"role,omitempty" enum:"viewer,operator,admin"`
	Restricted *bool    `json:"restricted,omitempty"`
	Grants     *[]Grant `json:"grants,omitempty"`
	Disabled   *bool    `json:"disabled,omitempty"`
	Password   *string  `json:"password,omitempty" doc:"At least 12 characters"`
}

// AddUser makes a user who logs in with a password. ErrConflict when the name is
// taken, ErrInvalid for what breaks a rule, ErrDenied when the context's subject
// has not the right users.write or would give more than it has. It needs no other user, so it is also the way to
// the first one, or to one who has a password that is not forgotten.
func (a *Auth) AddUser(ctx context.Context, n NewUser) (User, error) {
	if err := needs(ctx, UsersWrite); err != nil {
		return User{}, err
	}
	u, err := n.user(ctx)
	if err != nil {
		return User{}, err
	}
	if u.password, err = a.hashed(ctx, u.Name, n.Password); err != nil {
		return User{}, err
	}
	u.HasPassword, u.PasswordChanged = true, u.Created
	err = a.change(ctx, func(tx *sql.Tx) error {
		if err := u.insert(ctx, tx); err != nil {
			return err
		}
		// The link of the first start is of no use any more.
		if _, err := tx.ExecContext(ctx, `DELETE FROM auth_setup`); err != nil {
			return err
		}
		return a.note(ctx, tx, audit.Entry{Action: "user.create", Target: u.Name, After: u})
	})
	if err != nil {
		return User{}, err
	}
	return *u, nil
}

// user checks what is asked for, but for the password.
func (n NewUser) user(ctx context.Context) (*User, error) {
	now := time.UnixMilli(time.Now().UnixMilli()).UTC()
	u := &User{ID: newID(), Name: n.Name, Display: n.Display, Role: n.Role, Restricted: n.Restricted, Created: now, epoch: 1, Version: 1}
	if err := checkName("user name", u.Name); err != nil {
		return nil, err
	}
	var err error
	if u.Grants, err = normalGrants(n.Grants); err != nil {
		return nil, err
	}
	return u, u.check(ctx)
}

// check is an error for a user that must not be, or not by the context's subject.
func (u *User) check(ctx context.Context) error {
	if err := CheckDisplay(u.Display); err != nil {
		return err
	}
	if err := u.Role.check(); err != nil {
		return err
	}
	if u.Role == Admin && u.Restricted {
		return fmt.Errorf("%w: an admin cannot be restricted to some repositories", registry.ErrInvalid)
	}
	return maker(ctx).mayGive(limitOf(u))
}

// hashed is the PHC string of a password that is good enough.
func (a *Auth) hashed(ctx context.Context, name, secret string) (string, error) {
	if err := password.Check(name, secret); err != nil {
		return "", err
	}
	phc, err := a.hasher.Hash(ctx, secret)
	return phc, busy(err)
}

// ChangeUser changes a user of a version. ErrConflict when it has another one by
// now, and when the last administrator with a password would be none any more.
// Sessions, and what the registry was told about the user, end with a change of
// the password, the rights or disabled; personal tokens keep to what the user may
// now do. It needs the right users.write, but for one's own display name.
func (a *Auth) ChangeUser(ctx context.Context, id string, version int64, p UserPatch) (User, error) {
	may := needs(ctx, UsersWrite)
	if p == (UserPatch{Display: p.Display}) {
		may = itself(ctx, id, UsersWrite)
	}
	if may != nil {
		return User{}, may
	}
	return a.changeUser(ctx, id, version, p)
}

func (a *Auth) changeUser(ctx context.Context, id string, version int64, p UserPatch) (User, error) {
	before, err := findUser(ctx, a.db.Read, `id = ?`, id)
	if err != nil {
		return User{}, err
	}
	phc := ""
	if p.Password != nil { // before the transaction: it takes a while
		if phc, err = a.hashed(ctx, before.Name, *p.Password); err != nil {
			return User{}, err
		}
	}
	var after *User
	err = a.change(ctx, func(tx *sql.Tx) error {
		if before, err = findUser(ctx, tx, `id = ?`, id); err != nil {
			return err
		}
		if before.Version != version {
			return fmt.Errorf("%w: user %q has changed meanwhile", registry.ErrConflict, before.Name)
		}
		if after, err = before.patched(ctx, p, phc); err != nil {
			return err
		}
		return a.replace(ctx, tx, before, after)
	})
	if err != nil {
		return User{}, err
	}
	return *after, nil
}

// Profile is a user's display name, and whether there is a password that could be
// changed, for who makes requests as that user.
func (a *Auth) Profile(ctx context.Context, id string) (display string, hasPassword bool, err error) {
	u, err := a.known.user(ctx, a.db.Read, id)
	if err != nil {
		return "", false, err
	}
	return u.Display, u.HasPassword, nil
}

// ChangeDisplay gives the context's subject another display name. It has to have
// signed in: a token is not there to rename its user.
func (a *Auth) ChangeDisplay(ctx context.Context, display string) error {
	s, _ := SubjectOf(ctx)
	switch {
	case !s.Known():
		return ErrUnauthenticated
	case s.Kind != Person || s.Via != ViaSession:
		return fmt.Errorf("%w: who has signed in can change their own display name", registry.ErrDenied)
	}
	u, err := findUser(ctx, a.db.Read, `id = ?`, s.ID)
	if err == nil && u.Display != display {
		_, err = a.changeUser(ctx, u.ID, u.Version, UserPatch{Display: &display})
	}
	return err
}

// patched is the user with a patch. Who changes it must have all that it had and
// will have: else a new password would be a way to more.
func (u *User) patched(ctx context.Context, p UserPatch, phc string) (*User, error) {
	if err := maker(ctx).mayGive(limitOf(u)); err != nil {
		return nil, err
	}
	v := *u
	v.Version++
	if p.Display != nil {
		v.Display = *p.Display
	}
	if p.Role != nil {
		v.Role = *p.Role
	}
	if p.Restricted != nil {
		v.Restricted = *p.Restricted
	}
	if p.Disabled != nil {
		v.Disabled = *p.Disabled
	}
	if p.Grants != nil {
		var err error
		if v.Grants, err = normalGrants(*p.Grants); err != nil {
			return nil, err
		}
	}
	if phc != "" {
		v.password, v.HasPassword = phc, true
		v.PasswordChanged = time.UnixMilli(time.Now().UnixMilli()).UTC()
	}
	if p.Password != nil || p.Role != nil || p.Restricted != nil || p.Grants != nil || p.Disabled != nil {
		v.epoch++
	}
	return &v, v.check(ctx)
}

// replace writes a changed user, in a transaction that has read the user before.
func (a *Auth) replace(ctx context.Context, tx *sql.Tx, before, after *User) error {
	if before.guards() && !after.guards() {
		if err := anotherAdmin(ctx, tx, before); err != nil {
			return err
		}
	}
	if err := after.update(ctx, tx); err != nil {
		return err
	}
	if after.epoch != before.epoch {
		if _, err := tx.ExecContext(ctx, `DELETE FROM auth_sessions WHERE holder = ?`, after.ID); err != nil {
			return err
		}
	}
	e := audit.Entry{Action: "user.change", Target: after.Name, Before: before, After: after}
	if after.password != before.password {
		if err := a.note(ctx, tx, audit.Entry{Action: "user.password", Target: after.Name}); err != nil {
			return err
		}
	}
	return a.note(ctx, tx, e)
}

// guards reports whether the user can let others in without any help.
func (u *User) guards() bool { return u.Role == Admin && !u.Disabled && u.password != "" }

// anotherAdmin is an error when nobody but u guards the site.
func anotherAdmin(ctx context.Context, tx *sql.Tx, u *User) error {
	var n int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM auth_users WHERE id <> ? AND role = ? AND disabled = 0 AND password <> ''`, u.ID, string(Admin)).Scan(&n)
	if err == nil && n == 0 {
		err = fmt.Errorf("%w: %q is the last administrator with a password: make another one first", registry.ErrConflict, u.Name)
	}
	return err
}

// RemoveUser removes a user of a version, with sessions, personal tokens and
// grants. ErrConflict as ChangeUser. What was done by the user stays in the audit
// log.
func (a *Auth) RemoveUser(ctx context.Context, id string, version int64) error {
	if err := needs(ctx, UsersWrite); err != nil {
		return err
	}
	return a.change(ctx, func(tx *sql.Tx) error {
		u, err := findUser(ctx, tx, `id = ?`, id)
		if err != nil {
			return err
		}
		if u.Version != version {
			return fmt.Errorf("%w: user %q has changed meanwhile", registry.ErrConflict, u.Name)
		}
		if err := maker(ctx).mayGive(limitOf(u)); err != nil {
			return err
		}
		if u.guards() {
			if err := anotherAdmin(ctx, tx, u); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM auth_grants WHERE holder = ? OR holder IN (SELECT id FROM auth_tokens WHERE owner = ?)`, id, id); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM auth_users WHERE id = ?`, id); err != nil { // and by it tokens and sessions
			return err
		}
		return a.note(ctx, tx, audit.Entry{Action: "user.delete", Target: u.Name, Before: u})
	})
}
