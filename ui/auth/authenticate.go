package auth

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/landfall-dev/landfall/registry"
)

// Client is where a request comes from.
type Client struct {
	Address string // without the port; empty on the unix socket
	Secure  bool   // it came over TLS
	Agent   string // what the client calls itself

	session string // what it has of a session
}

type clientKey struct{}

// ClientOf is where the context's request comes from.
func ClientOf(ctx context.Context) Client {
	c, _ := ctx.Value(clientKey{}).(Client)
	return c
}

// WithClient says in a request's context where the request comes from. Wrap does
// so, too.
func WithClient(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), clientKey{}, clientOf(r)))
}

// clientOf reads it off a request.
func clientOf(r *http.Request) Client {
	c := Client{Address: AddressOf(r), Secure: r.TLS != nil, Agent: r.UserAgent()}
	if len(c.Agent) > maxAgent {
		c.Agent = c.Agent[:maxAgent]
	}
	c.Agent = strings.ToValidUTF8(c.Agent, "")
	if k, err := r.Cookie(c.cookieName()); err == nil {
		c.session = k.Value
	}
	return c
}

// AddressOf is the address of a request's client, without its port; empty on the
// unix socket. Headers that proxies set are not believed.
func AddressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}

// Authenticate is who makes a request: the machine's administrator on the unix
// socket; else the token of the Authorization header, as a Bearer, or as the
// password of a user or robot with Basic; else the session of the cookie; else
// nobody that is known. ErrUnauthenticated when the header has something else:
// passwords are for Login. A cookie that does not count any more is no error.
func (a *Auth) Authenticate(r *http.Request) (Subject, error) {
	ctx := r.Context()
	if s, ok := local(ctx); ok {
		return s, nil
	}
	client := clientOf(r)
	if header := r.Header.Get("Authorization"); header != "" {
		return a.header(ctx, header, client.Address)
	}
	s, ok, err := a.session(ctx, client)
	if ok || err != nil {
		return s, err
	}
	return a.anonymous(client.Address), nil
}

// Bare is who makes a request, whatever it shows: the machine's administrator on
// the unix socket, else nobody that is known.
func (a *Auth) Bare(r *http.Request) Subject {
	if s, ok := local(r.Context()); ok {
		return s
	}
	return a.anonymous(AddressOf(r))
}

// header is the subject of an Authorization header.
func (a *Auth) header(ctx context.Context, header, address string) (Subject, error) {
	c, err := ParseAuthorization(header)
	if err != nil {
		return Subject{}, Unauthenticated(err.Error())
	}
	if c.Basic && !LooksLikeToken(c.Secret) {
		return Subject{}, Unauthenticated("a token is needed here, not a password")
	}
	if c.Basic {
		return a.CheckNamedToken(ctx, c.Name, c.Secret, address)
	}
	return a.CheckToken(ctx, c.Secret, address)
}

// CheckNamedToken is CheckToken for who also gives a name: that of the token's
// user, or robot$ and the robot's.
func (a *Auth) CheckNamedToken(ctx context.Context, name, text, address string) (Subject, error) {
	s, err := a.CheckToken(ctx, text, address)
	if err == nil && fold(name) != fold(s.Name) {
		return Subject{}, Unauthenticated(fmt.Sprintf("the token is not that of %q", clip(name)))
	}
	return s, err
}

// Wrap says who makes a request before next is asked, in the request's context:
// see SubjectOf, ClientOf and audit.ActorOf. Requests from pages of other sites
// that would change something, and those with credentials that do not count, are
// answered by refuse.
func (a *Auth) Wrap(next http.Handler, refuse func(http.ResponseWriter, *http.Request, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.origins.Check(r); err != nil {
			refuse(w, r, fmt.Errorf("%w: a page of another site asked for this", registry.ErrDenied))
			return
		}
		s, err := a.Authenticate(r)
		if err != nil {
			refuse(w, r, err)
			return
		}
		r = WithClient(r)
		next.ServeHTTP(w, r.WithContext(WithSubject(r.Context(), s)))
	})
}

// Ref names a subject for later, when it may have changed or be gone.
type Ref struct {
	User    string `json:"user,omitempty"`    // the id of the user
	Token   string `json:"token,omitempty"`   // the id of the token that was shown
	Session string `json:"session,omitempty"` // the id of the session
	Epoch   int64  `json:"epoch,omitempty"`   // of the token, or the user
}

// Ref is what to ask Again for. That of the anonymous is zero.
func (s Subject) Ref() Ref {
	r := Ref{Token: s.Token, Session: s.session, Epoch: s.epoch}
	if s.Kind == Person {
		r.User = s.ID
	}
	return r
}

// Again is the subject of a Ref as it is now, for a client at an address.
// ErrUnauthenticated when it has ended: the user is gone or disabled or has
// another password, the token is revoked, the session over.
func (a *Auth) Again(ctx context.Context, ref Ref, address string) (Subject, error) {
	if ref == (Ref{}) {
		return a.anonymous(address), nil
	}
	s, err := a.again(ctx, ref, address)
	if errors.Is(err, registry.ErrNotFound) {
		return Subject{}, errEnded
	}
	return s, err
}

const errEnded = Unauthenticated("what this was given for has ended")

func (a *Auth) again(ctx context.Context, ref Ref, address string) (Subject, error) {
	if ref.Token != "" {
		t, err := a.known.token(ctx, a.db.Read, ref.Token)
		if err != nil {
			return Subject{}, err
		}
		if t.epoch != ref.Epoch || t.Owner != ref.User {
			return Subject{}, errEnded
		}
		return a.bearer(ctx, t, address)
	}
	u, err := a.known.user(ctx, a.db.Read, ref.User)
	if err != nil {
		return Subject{}, err
	}
	if u.Disabled || u.epoch != ref.Epoch {
		return Subject{}, errEnded
	}
	s := Subject{ID: u.ID, Name: u.Name, Kind: Person, Role: u.Role, Via: ViaPassword, Address: address, session: ref.Session, epoch: u.epoch, limits: []limit{limitOf(u)}}
	if ref.Session != "" {
		s.Via = ViaSession
		if _, there, err := (*sessionStore)(a).FindCtx(ctx, ref.Session); err != nil || !there {
			return Subject{}, errors.Join(errEnded, err)
		}
	}
	return s, nil
}

// Check is ErrUnauthenticated when the context's subject has ended meanwhile; for
// what goes on for long, like a stream of events.
func (a *Auth) Check(ctx context.Context) error {
	s, ok := SubjectOf(ctx)
	if !ok {
		return ErrUnauthenticated
	}
	if s.Kind == Local || !s.Known() {
		return nil
	}
	_, err := a.Again(ctx, s.Ref(), s.Address)
	return err
}

// ByPassword is the subject of a user whose password was right.
func (a *Auth) ByPassword(ctx context.Context, name, secret, address string) (Subject, error) {
	u, err := a.CheckPassword(ctx, name, secret, address)
	if err != nil {
		return Subject{}, err
	}
	return Subject{ID: u.ID, Name: u.Name, Kind: Person, Role: u.Role, Via: ViaPassword, Address: address, epoch: u.epoch, limits: []limit{limitOf(&u)}}, nil
}
