package auth

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/audit"
)

// Identity is a user as an identity provider vouches for it.
type Identity struct {
	Issuer  string // the provider
	Subject string // the user there; never given to another
	Name    string // what a new user would be called here
	Display string
	Role    Role // what the provider's groups mean here
}

// Federated is the user of an identity, which is made at its first login and
// always has the role that the provider's groups now mean. ErrDenied before the
// first administrator was made and for disabled users, ErrConflict when another
// user has the name: who has a name at the provider is not for that the one who
// has it here.
func (a *Auth) Federated(ctx context.Context, i Identity) (User, error) {
	if i.Issuer == "" || i.Subject == "" {
		return User{}, fmt.Errorf("%w: an identity without issuer or subject", registry.ErrInvalid)
	}
	var u *User
	err := a.change(ctx, func(tx *sql.Tx) error {
		if some, err := anyUser(ctx, tx); err != nil {
			return err
		} else if !some {
			return fmt.Errorf("%w: the site has no administrator yet: use the link of its first start", registry.ErrDenied)
		}
		var err error
		u, err = findUser(ctx, tx, `issuer = ? AND subject = ?`, i.Issuer, i.Subject)
		switch {
		case errors.Is(err, registry.ErrNotFound):
			u, err = a.provision(ctx, tx, i)
			return err
		case err != nil:
			return err
		case u.Disabled:
			return fmt.Errorf("%w: user %q is disabled here", registry.ErrDenied, u.Name)
		case u.Role == i.Role:
			return nil
		}
		return a.assume(ctx, tx, &u, i.Role)
	})
	if err != nil {
		return User{}, err
	}
	return *u, nil
}

// provision makes the user of an identity.
func (a *Auth) provision(ctx context.Context, tx *sql.Tx, i Identity) (*User, error) {
	u, err := NewUser{Name: i.Name, Display: i.Display, Role: i.Role}.user(withoutSubject(ctx))
	if err != nil {
		return nil, err
	}
	u.Issuer, u.Subject = i.Issuer, i.Subject
	if err := u.insert(ctx, tx); err != nil {
		return nil, err
	}
	return u, a.note(ctx, tx, audit.Entry{Action: "user.create", Target: u.Name, After: u})
}

// assume gives a user the role of the provider's groups. What is restricted here
// cannot become an admin by it.
func (a *Auth) assume(ctx context.Context, tx *sql.Tx, u **User, role Role) error {
	before := *u
	after := *before
	after.Role, after.Version, after.epoch = role, before.Version+1, before.epoch+1
	if err := after.check(withoutSubject(ctx)); err != nil {
		return err
	}
	*u = &after
	return a.replace(ctx, tx, before, &after)
}

// FailedFederated tells the audit log that an identity for which the provider
// vouches was not let in here, and why.
func (a *Auth) FailedFederated(ctx context.Context, i Identity, cause error) error {
	if a.opts.Audit == nil {
		return nil
	}
	ctx = audit.WithActor(ctx, audit.Actor{Name: string(Anonymous), Kind: string(Anonymous), Address: ClientOf(ctx).Address, Via: ViaOIDC})
	return a.opts.Audit.Note(ctx, audit.Entry{Action: "login", Target: i.Name, Outcome: "denied", After: map[string]string{"subject": i.Subject, "cause": cause.Error()}})
}
