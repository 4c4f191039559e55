package auth

import (
	"context"
	"fmt"
	"slices"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/audit"
)

// Kind is what a subject is.
type Kind string

// The kinds of subjects.
const (
	Anonymous Kind = "anonymous"
	Person    Kind = "user"
	Robot     Kind = "robot"
	Local     Kind = "local" // at the machine itself
)

// How a subject came.
const (
	ViaSession  = "session"
	ViaToken    = "token"
	ViaPassword = "password"
	ViaSocket   = "socket"
	ViaOIDC     = "oidc"
	ViaOpen     = "open" // nobody is asked
)

// Subject is who makes a request, as it was when the request was let in. The zero
// Subject may do nothing.
type Subject struct {
	ID      string // a user's, or a robot's token's; empty for others
	Name    string
	Kind    Kind
	Role    Role   // of the user or robot, whatever a token leaves of it
	Via     string // session, token, password, socket; empty: nothing was shown
	Token   string // the id of the token that was shown
	Address string // of the client, without its port; empty on the socket

	session string // the id of its session
	epoch   int64  // of the user, or of the robot's token
	limits  []limit
}

// limit is one of the things that all have to let something through: what a user
// may do, and what its token may.
type limit struct {
	rights Rights
	grants []Grant
	only   bool // the grants are all that may be done in repositories
}

func (l limit) may(right Right) bool {
	rights := l.rights
	if l.only {
		rights &= narrowRights
	}
	return rights.Has(right)
}

// mayBelow reports whether an action is allowed in a repository and all below it.
func (l limit) mayBelow(action Action, path string) bool {
	return !l.only && l.rights.Has(rightOf[action]) || granted(l.grants, action, path)
}

// May reports whether the subject has a right.
func (s Subject) May(right Right) bool {
	return len(s.limits) > 0 && !slices.ContainsFunc(s.limits, func(l limit) bool { return !l.may(right) })
}

// MayRepository reports whether it may pull, push or delete in a repository, which
// is named by its path or its original name. The empty name stands for every
// repository.
func (s Subject) MayRepository(action Action, repository string) bool {
	if rightOf[action] == "" {
		return false
	}
	path := registry.RepositoryPath(repository)
	return len(s.limits) > 0 && !slices.ContainsFunc(s.limits, func(l limit) bool { return !l.mayBelow(action, path) })
}

// Rights are all that the subject has.
func (s Subject) Rights() []Right {
	return slices.DeleteFunc(AllRights(), func(r Right) bool { return !s.May(r) })
}

// Grants are what it may do in repositories beyond what Rights say, or instead of
// it when restricted is true.
func (s Subject) Grants() (list []Grant, restricted bool) {
	for _, l := range s.limits {
		list = append(list, l.grants...)
		restricted = restricted || l.only
	}
	return list, restricted
}

// Known reports whether it is anybody in particular.
func (s Subject) Known() bool { return s.Kind != Anonymous && s.Kind != "" }

// actor is the subject as the audit log names it.
func (s Subject) actor() audit.Actor {
	a := audit.Actor{Name: s.Name, Kind: string(s.Kind), Address: s.Address, Via: s.Via}
	if s.Token != "" {
		a.Via += ":" + s.Token
		if s.Kind == Person {
			a.Kind = "token"
		}
	}
	return a
}

// limitOf is what a user may do.
func limitOf(u *User) limit { return limit{u.Role.Rights(), u.Grants, u.Restricted} }

// robotLimit is what a robot may do. Its grants add to its role.
func robotLimit(t *Token) limit {
	rights := t.Role.Rights()
	if len(t.Rights) > 0 {
		rights = setOf(t.Rights...)
		if t.Role != NoRole {
			rights &= t.Role.Rights()
		}
	}
	return limit{rights: rights &^ setOf(TokensOwn), grants: t.Grants}
}

// personalLimit is what a personal token leaves of its user. Its grants restrict.
func personalLimit(t *Token) limit {
	rights := adminRights &^ setOf(TokensOwn)
	if t.Role != NoRole {
		rights &= t.Role.Rights()
	}
	if len(t.Rights) > 0 {
		rights &= setOf(t.Rights...)
	}
	l := limit{rights: rights, only: len(t.Grants) > 0}
	for _, g := range t.Grants {
		left := slices.DeleteFunc(slices.Clone(g.Actions), func(a Action) bool { return !rights.Has(rightOf[a]) })
		l.grants = append(l.grants, Grant{g.Prefix, left})
	}
	return l
}

// everything is the limit of who has the machine.
var everything = []limit{{rights: adminRights}}

// anonymous is whoever showed nothing.
func (a *Auth) anonymous(address string) Subject {
	s := Subject{Name: string(Anonymous), Kind: Anonymous, Address: address}
	if a.opts.AnonymousPull != nil && a.opts.AnonymousPull() {
		s.limits = []limit{{grants: []Grant{{Prefix: "", Actions: []Action{Pull}}}, only: true}}
	}
	return s
}

type subjectKey struct{}

// WithSubject says who makes the request that the context is of, also to the
// audit log.
func WithSubject(ctx context.Context, s Subject) context.Context {
	return audit.WithActor(context.WithValue(ctx, subjectKey{}, s), s.actor())
}

// SubjectOf is who makes the request; ok is false where there is no request.
func SubjectOf(ctx context.Context) (s Subject, ok bool) {
	s, ok = ctx.Value(subjectKey{}).(Subject)
	return s, ok
}

// maker is who changes something: the subject, or the appliance itself and
// commands on the data folder.
func maker(ctx context.Context) Subject {
	if s, ok := SubjectOf(ctx); ok {
		return s
	}
	return Subject{Kind: Local, limits: everything}
}

// Allow is ErrUnauthenticated or registry.ErrDenied unless the context's subject
// has a right. Without a subject nothing is allowed.
func Allow(ctx context.Context, right Right) error {
	s, _ := SubjectOf(ctx)
	switch {
	case s.May(right):
		return nil
	case !s.Known():
		return ErrUnauthenticated
	}
	return fmt.Errorf("%w: this needs the right %s", registry.ErrDenied, right)
}

// needs is Allow for functions that the appliance itself may call, too.
func needs(ctx context.Context, right Right) error {
	if _, ok := SubjectOf(ctx); !ok {
		return nil
	}
	return Allow(ctx, right)
}

// itself is needs for what everybody who has logged in may do with their own; a
// token has what it was given.
func itself(ctx context.Context, user string, right Right) error {
	if s, ok := SubjectOf(ctx); ok && s.Kind == Person && s.ID == user && s.Token == "" {
		return nil
	}
	return needs(ctx, right)
}

// MayRepository reports whether the context's subject may do something in a
// repository.
func MayRepository(ctx context.Context, action Action, repository string) bool {
	s, _ := SubjectOf(ctx)
	return s.MayRepository(action, repository)
}

// mayGive is registry.ErrDenied when somebody would have more than the subject:
// nobody gives what they have not.
func (s Subject) mayGive(l limit) error {
	for _, r := range (l.rights &^ setOf(TokensOwn)).List() {
		if l.may(r) && !s.May(r) {
			return fmt.Errorf("%w: you have not the right %s yourself", registry.ErrDenied, r)
		}
	}
	for _, action := range actions {
		if !l.only && l.rights.Has(rightOf[action]) && !s.MayRepository(action, "") {
			return fmt.Errorf("%w: you may not %s in every repository yourself", registry.ErrDenied, action)
		}
	}
	for _, g := range l.grants {
		for _, action := range g.Actions {
			if !s.MayRepository(action, g.Prefix) {
				return fmt.Errorf("%w: you may not %s below %q yourself", registry.ErrDenied, action, g.Prefix)
			}
		}
	}
	return nil
}
