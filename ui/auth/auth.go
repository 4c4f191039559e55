// Package auth knows who may do what at a site: users and their passwords,
// sessions, tokens, and the rights that come with them. It decides; what is asked
// for, and by which protocol, is for others: package api guards its operations with
// Allow, package registrytoken is the registry's side, package oidc lets in users
// whom a provider knows.
//
// Nouns. A right is one thing that can be done, like content.read. A role is a
// set of rights: viewer, operator, admin, each with all of the one before. A grant
// lets pull, push or delete in the repositories below a prefix. A user is a person
// with a role; a token is a text that stands for its owner (a personal token) or
// for itself (a robot). A subject is who makes a request: a user, a robot, whoever
// sits at the machine itself (local), or nobody that is known (anonymous). A
// session is a login of a browser. An epoch is counted up when whatever was handed
// out before has to end.
//
// # Who may do what
//
// A right is had by role: a viewer sees what is not about people, a configuration
// or what happened; an operator brings content and runs jobs, too; an admin does
// everything. On repositories, pull comes with content.read, push with
// content.write, delete with content.delete. So viewers pull everywhere, operators
// push, admins delete.
//
// A grant adds actions below its prefix, to whatever role: a viewer with push below
// docker.io/library/ pushes there and nowhere else. Prefixes match whole segments:
// docker.io/library, with a slash at its end or without, is the repository of that
// name and all below it, not docker.io/library2. The empty prefix is every
// repository. Push and delete bring pull.
//
// A user who is restricted has the repositories of the grants only: the role's
// actions do not count, and of its rights only those remain that concern no
// other's content: content.read (lists then show what may be pulled), system.read
// and tokens.own.
//
// A robot has a role, or a list of rights, or none of both, and grants. A robot with
// grants only is in effect restricted.
//
// A personal token is never more than its user is now: what it may do is looked up
// when it is used, as the intersection of the user's rights and its own limits (a
// highest role, a list of rights, grants that restrict it). Tokens cannot make
// personal tokens, and nobody gives others more than they have themselves.
//
// The anonymous pull everywhere while the site's settings say so, and nothing else.
// Who connects to the unix socket as root or as the appliance's own user is the
// machine's administrator, and an admin here: that is the way back in when all
// passwords are lost.
//
// # Guessing
//
// Failed logins are counted for each address and each account, on disk. An account
// has five attempts, an address twenty, then each waits twice as long as the one
// before, at most a quarter of an hour; an hour without a failure forgets them. An
// attempt that has to wait is refused without looking at the password. Nobody is
// locked out for good, and not by others: from an address where an account has
// logged in during the last 30 days, only the address's own failures count. Tokens
// are 256 random bits and need no such thing.
package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/alexedwards/scs/v2"
	"golang.org/x/sync/singleflight"

	"github.com/landfall-dev/landfall/internal/sqldb"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/auth/password"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrUnauthenticated says that nobody has logged in, or not with what counts. It
// is a registry.ErrDenied.
var ErrUnauthenticated = fmt.Errorf("%w: not logged in", registry.ErrDenied)

// Unauthenticated is an ErrUnauthenticated that says why.
type Unauthenticated string

func (e Unauthenticated) Error() string { return registry.ErrDenied.Error() + ": " + string(e) }

// Unwrap implements errors.Is.
func (Unauthenticated) Unwrap() error { return ErrUnauthenticated }

// LimitedError is a registry.ErrDenied that goes away after a while.
type LimitedError struct{ After time.Duration }

func (e *LimitedError) Error() string {
	return fmt.Sprintf("too many failed attempts: try again in %s", e.RetryAfter())
}

func (e *LimitedError) Unwrap() error { return registry.ErrDenied }

// RetryAfter is when to try again, in whole seconds.
func (e *LimitedError) RetryAfter() time.Duration {
	return (e.After + time.Second - 1).Truncate(time.Second)
}

// Options of an Auth. The zero value is the default.
type Options struct {
	// Audit gets what is changed, and who logs in. Nil: nobody is told.
	Audit *audit.Log
	// Log gets what clients are not told. Nil for silence.
	Log *slog.Logger
	// AnonymousPull says whether everybody may pull; nil: nobody who is unknown.
	AnonymousPull func() bool
	// SessionIdle is how long a session lasts without a request; 12 hours when 0.
	SessionIdle time.Duration
	// SessionLife is how long it lasts at most; 24 hours when 0.
	SessionLife time.Duration
	// TrustedOrigins are origins like https://console.example whose pages may
	// change things here; the site's own always may.
	TrustedOrigins []string
	// Passwords are the costs of their hashes; password.Default when zero.
	Passwords password.Params
}

// Auth is the identities of a site.
type Auth struct {
	db       *sqldb.DB
	opts     Options
	log      *slog.Logger
	hasher   *password.Hasher
	proven   *proven
	flights  singleflight.Group // one check for all who send the same password
	known    identities
	sessions *scs.SessionManager
	origins  *http.CrossOriginProtection

	completing sync.Mutex // one setup at a time: hashing for the others would be in vain
}

// Open opens the identities in a database. It ends with the database.
func Open(ctx context.Context, db sqldb.Home, opts Options) (*Auth, error) {
	content, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	tables, err := db.Tables(ctx, "auth", content, prune...)
	if err != nil {
		return nil, err
	}
	a := &Auth{db: tables, opts: opts, log: opts.Log, hasher: password.NewHasher(opts.Passwords), proven: newProven(), origins: http.NewCrossOriginProtection()}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	for _, origin := range opts.TrustedOrigins {
		if err := a.origins.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("%w: trusted origin %q: %w", registry.ErrInvalid, origin, err)
		}
	}
	a.sessions = newSessions(a)
	return a, nil
}

// prune takes from a backup what is only of use where it was made. Users, their
// passwords' hashes and tokens stay.
var prune = []string{
	`DELETE FROM auth_sessions`, `DELETE FROM auth_setup`, `DELETE FROM auth_attempts`, `DELETE FROM auth_addresses`, `DELETE FROM auth_keys`,
}

// change is a transaction that changes identities. Nobody sees what was known
// before once it returns.
func (a *Auth) change(ctx context.Context, fn func(*sql.Tx) error) error {
	defer a.known.forget()
	return registry.DiskError(a.db.Write(ctx, fn))
}

// note adds an entry to the audit log, in a change's transaction.
func (a *Auth) note(ctx context.Context, tx *sql.Tx, e audit.Entry) error {
	if a.opts.Audit == nil {
		return nil
	}
	return a.opts.Audit.Append(ctx, tx, e)
}

// newID is a random name for a row.
func newID() string { return strings.ToLower(rand.Text())[:20] }

// newSecret is 256 random bits, and how they are written.
func newSecret() (secret []byte, text string) {
	secret = make([]byte, sha256.Size)
	_, _ = rand.Read(secret) // cannot fail
	return secret, strictURL.EncodeToString(secret)
}

var strictURL = base64.RawURLEncoding.Strict()

// hashOf is what is kept of a secret.
func hashOf(secret []byte) []byte {
	sum := sha256.Sum256(secret)
	return sum[:]
}

// millis is a time as it is kept; nil for none.
func millis(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

func fromMillis(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.UnixMilli(n.Int64).UTC()
}
