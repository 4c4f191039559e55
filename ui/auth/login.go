package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/auth/password"
)

// errCredentials tells nobody which of the two it is.
const errCredentials = Unauthenticated("wrong name or password")

// busy is a LimitedError for a machine that has enough passwords to check.
func busy(err error) error {
	if errors.Is(err, password.ErrBusy) {
		return &LimitedError{time.Second}
	}
	return err
}

// proven remembers for a minute which passwords were right: docker sends them with
// every pull. It knows them by a hash under a key that never leaves the process,
// together with the hash that they were compared with, so that a user's new
// password is enough to forget the old one.
type proven struct {
	key []byte

	mu    sync.Mutex // protects until
	until map[[sha256.Size]byte]time.Time
}

const (
	provenFor = time.Minute
	maxProven = 1000
)

func newProven() *proven {
	p := &proven{key: make([]byte, 32), until: map[[sha256.Size]byte]time.Time{}}
	_, _ = rand.Read(p.key)
	return p
}

// id names a password under a user's hash.
func (p *proven) id(phc, name, secret string) (id [sha256.Size]byte) {
	mac := hmac.New(sha256.New, p.key)
	for _, s := range []string{phc, fold(name), secret} {
		fmt.Fprintf(mac, "%d:%s", len(s), s)
	}
	copy(id[:], mac.Sum(nil))
	return id
}

func (p *proven) has(id [sha256.Size]byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().Before(p.until[id])
}

func (p *proven) add(id [sha256.Size]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for old, until := range p.until {
		if len(p.until) >= maxProven || !now.Before(until) {
			delete(p.until, old)
		}
	}
	p.until[id] = now.Add(provenFor)
}

// CheckPassword is the user whose name and password these are. ErrUnauthenticated
// when they are nobody's, LimitedError when this account or address has failed too
// often. It takes as long for names that do not exist.
func (a *Auth) CheckPassword(ctx context.Context, name, secret, address string) (User, error) {
	if len(secret) > password.MaxBytes {
		return User{}, errCredentials // longer than any, whoever it is
	}
	u, err := findUser(ctx, a.db.Read, `folded = ?`, fold(name))
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return User{}, err
	}
	phc := ""
	if u != nil && !u.Disabled {
		phc = u.password
	}
	id := a.proven.id(phc, name, secret)
	if phc != "" && a.proven.has(id) {
		return *u, nil
	}
	// Fifty hosts that start at once with the same password are one attempt, which
	// ends even when the one goes that was first.
	_, err, _ = a.flights.Do(string(id[:]), func() (any, error) {
		if phc != "" && a.proven.has(id) { // since the look before
			return nil, nil
		}
		return nil, a.prove(context.WithoutCancel(ctx), u, &proof{phc, name, secret, address, id})
	})
	if err != nil {
		return User{}, err
	}
	return *u, nil
}

// proof is what somebody sent to prove who they are.
type proof struct {
	phc, name, secret, address string
	id                         [sha256.Size]byte
}

// prove checks a password for a user, who is nil when there is none of that name.
func (a *Auth) prove(ctx context.Context, u *User, p *proof) error {
	t := a.attempt(p.address, &p.name)
	t.user = u
	if err := a.charge(ctx, t); err != nil {
		return err
	}
	right, stale, err := a.hasher.Verify(ctx, p.phc, p.secret)
	if err != nil {
		return errors.Join(busy(err), a.giveUp(ctx, t))
	}
	if !right {
		return errors.Join(errCredentials, a.failed(ctx, u, p.address))
	}
	if err := a.acquit(ctx, t); err != nil {
		return err
	}
	if stale {
		a.rehash(ctx, u, p.secret)
	}
	a.proven.add(p.id)
	return nil
}

// failed tells the audit log of a failed login. A name that is nobody's may be a
// password, and is not told.
func (a *Auth) failed(ctx context.Context, u *User, address string) error {
	if a.opts.Audit == nil {
		return nil
	}
	target := ""
	if u != nil {
		target = u.Name
	}
	ctx = audit.WithActor(ctx, audit.Actor{Name: string(Anonymous), Kind: string(Anonymous), Address: address, Via: ViaPassword})
	return a.opts.Audit.Note(ctx, audit.Entry{Action: "login", Target: target, Outcome: "denied"})
}

// rehash keeps a password with the costs of today. The user does not change by it.
func (a *Auth) rehash(ctx context.Context, u *User, secret string) {
	phc, err := a.hasher.Hash(ctx, secret)
	if err == nil {
		err = a.change(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `UPDATE auth_users SET password = ? WHERE id = ? AND password = ?`, phc, u.ID, u.password)
			return err
		})
	}
	if err != nil {
		a.log.WarnContext(ctx, "a password keeps its old hash", "user", u.Name, "error", err)
	}
}

// Login begins a session for who has a name and a password, and returns the
// cookie that the browser is to keep. Whatever session it had before ends.
func (a *Auth) Login(ctx context.Context, name, secret string) (*http.Cookie, Subject, error) {
	client := ClientOf(ctx)
	u, err := a.CheckPassword(ctx, name, secret, client.Address)
	if err != nil {
		return nil, Subject{}, err
	}
	return a.StartSession(ctx, u, ViaPassword)
}

// ChangePassword gives the context's subject another password, when it knows the
// one it has. All its sessions end; the one of the cookie returned begins.
func (a *Auth) ChangePassword(ctx context.Context, current, next string) (*http.Cookie, Subject, error) {
	s, _ := SubjectOf(ctx)
	if s.Kind != Person || s.Via != ViaSession {
		return nil, Subject{}, fmt.Errorf("%w: who has logged in with a password can change it", registry.ErrDenied)
	}
	u, err := a.CheckPassword(ctx, s.Name, current, s.Address)
	if err != nil {
		return nil, Subject{}, err
	}
	if u.ID != s.ID { // removed, and another of that name made, meanwhile
		return nil, Subject{}, errCredentials
	}
	if u, err = a.changeUser(ctx, u.ID, u.Version, UserPatch{Password: &next}); err != nil {
		return nil, Subject{}, err
	}
	return a.StartSession(ctx, u, ViaPassword)
}
