package auth

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/audit"
)

// The cookie of a session. Over TLS a browser keeps one with the prefix __Host-
// only from this very host, over TLS (RFC 6265bis, 4.1.3.2); one that came without
// TLS does not count there.
const (
	cookieName       = "landfall"
	secureCookieName = "__Host-landfall"
)

const (
	sessionIdle  = 12 * time.Hour
	sessionLife  = 24 * time.Hour
	seenEvery    = time.Minute // a request is noted at most this often
	maxSessions  = 50          // of a user; the oldest ends
	sessionShown = 16          // characters of its id that name it
	maxAgent     = 200
)

// Session is a login of a browser, as its user sees it.
type Session struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Seen    time.Time `json:"seen" doc:"The last request, to a minute"`
	Expires time.Time `json:"expires"`
	Address string    `json:"address"`
	Agent   string    `json:"agent" doc:"What the browser calls itself"`
	Current bool      `json:"current" doc:"The one that asks"`
}

// newSessions makes the manager of sessions. It only ever sees requests through
// Load and Commit, so that no answer is wrapped and kept from being flushed. It is
// not made by scs.New, which leaves a goroutine behind that nothing ends.
func newSessions(a *Auth) *scs.SessionManager {
	m := &scs.SessionManager{
		IdleTimeout: a.opts.SessionIdle, Lifetime: a.opts.SessionLife,
		Store: (*sessionStore)(a), Codec: sessionCodec{}, HashTokenInStore: true,
	}
	if m.IdleTimeout == 0 {
		m.IdleTimeout = sessionIdle
	}
	if m.Lifetime == 0 {
		m.Lifetime = sessionLife
	}
	return m
}

// What a session holds.
const (
	userKey  = "user"
	epochKey = "epoch"
	seenKey  = "seen"
	viaKey   = "via"
)

// sessionCodec keeps a session as JSON.
type sessionCodec struct{}

type sessionJSON struct {
	Deadline time.Time `json:"deadline"`
	User     string    `json:"user"`
	Via      string    `json:"via"`
	Epoch    int64     `json:"epoch"`
	Seen     int64     `json:"seen"`
}

// Encode implements scs.Codec.
func (sessionCodec) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	s := sessionJSON{Deadline: deadline}
	s.User, _ = values[userKey].(string)
	s.Via, _ = values[viaKey].(string)
	s.Epoch, _ = values[epochKey].(int64)
	s.Seen, _ = values[seenKey].(int64)
	return json.Marshal(s)
}

// Decode implements scs.Codec.
func (sessionCodec) Decode(b []byte) (time.Time, map[string]any, error) {
	var s sessionJSON
	err := json.Unmarshal(b, &s)
	return s.Deadline, map[string]any{userKey: s.User, viaKey: s.Via, epochKey: s.Epoch, seenKey: s.Seen}, err
}

// sessionStore is the table of sessions. Its ids are hashes already.
type sessionStore Auth

var _ scs.CtxStore = (*sessionStore)(nil)

// FindCtx implements scs.CtxStore.
func (st *sessionStore) FindCtx(ctx context.Context, id string) (data []byte, found bool, err error) {
	err = st.db.Read.QueryRowContext(ctx, `SELECT data FROM auth_sessions WHERE id = ? AND expires_at > ?`, id, time.Now().UnixMilli()).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	return data, err == nil, err
}

// beginning is what a session's row needs that scs does not know; in the context
// of the commit that makes the row.
type beginning struct {
	user   User
	via    string
	client Client
}

type beginningKey struct{}

// CommitCtx implements scs.CtxStore. A session that was ended does not come back
// because a request of it was still under way.
func (st *sessionStore) CommitCtx(ctx context.Context, id string, data []byte, expiry time.Time) error {
	now := time.Now().UnixMilli()
	b, begins := ctx.Value(beginningKey{}).(*beginning)
	if !begins {
		return registry.DiskError(st.db.WriteSoon(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `UPDATE auth_sessions SET data = ?, seen_at = ?, expires_at = ? WHERE id = ?`, data, now, expiry.UnixMilli(), id)
			return err
		}))
	}
	a := (*Auth)(st)
	return a.change(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM auth_sessions WHERE expires_at <= ?`, now); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO auth_sessions (id, holder, data, created_at, seen_at, expires_at, address, agent) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			id, b.user.ID, data, now, now, expiry.UnixMilli(), b.client.Address, b.client.Agent)
		if err != nil {
			return err
		}
		return a.began(ctx, tx, b, now)
	})
}

// began writes what else changes with a new session.
func (a *Auth) began(ctx context.Context, tx *sql.Tx, b *beginning, now int64) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM auth_sessions WHERE holder = ? AND id NOT IN
		(SELECT id FROM auth_sessions WHERE holder = ? ORDER BY created_at DESC, id LIMIT ?)`, b.user.ID, b.user.ID, maxSessions)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE auth_users SET last_login_at = ? WHERE id = ?`, now, b.user.ID); err != nil {
		return err
	}
	ctx = audit.WithActor(ctx, audit.Actor{Name: b.user.Name, Kind: string(Person), Address: b.client.Address, Via: b.via})
	return a.note(ctx, tx, audit.Entry{Action: "login", Target: b.user.Name})
}

// DeleteCtx implements scs.CtxStore.
func (st *sessionStore) DeleteCtx(ctx context.Context, id string) error {
	return registry.DiskError(st.db.Write(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM auth_sessions WHERE id = ?`, id)
		return err
	}))
}

// Find implements scs.Store.
func (st *sessionStore) Find(id string) ([]byte, bool, error) {
	return st.FindCtx(context.Background(), id)
}

// Commit implements scs.Store.
func (st *sessionStore) Commit(id string, data []byte, expiry time.Time) error {
	return st.CommitCtx(context.Background(), id, data, expiry)
}

// Delete implements scs.Store.
func (st *sessionStore) Delete(id string) error { return st.DeleteCtx(context.Background(), id) }

// StartSession begins a session for a user who was found to be the one that it
// is, and returns the cookie for the browser. It never goes on with an id that the
// browser brought: that may be somebody else's.
func (a *Auth) StartSession(ctx context.Context, u User, via string) (*http.Cookie, Subject, error) {
	if u.Disabled {
		return nil, Subject{}, errCredentials
	}
	client := ClientOf(ctx)
	loaded, err := a.sessions.Load(ctx, client.session)
	if err != nil {
		return nil, Subject{}, err
	}
	if err := a.sessions.RenewToken(loaded); err != nil { // ends the one before
		return nil, Subject{}, err
	}
	a.sessions.Put(loaded, userKey, u.ID)
	a.sessions.Put(loaded, viaKey, via)
	a.sessions.Put(loaded, epochKey, u.epoch)
	a.sessions.Put(loaded, seenKey, time.Now().UnixMilli())
	token, _, err := a.sessions.Commit(context.WithValue(loaded, beginningKey{}, &beginning{u, via, client}))
	if err != nil {
		return nil, Subject{}, err
	}
	return client.cookie(token, a.sessions.Lifetime), Subject{
		ID: u.ID, Name: u.Name, Kind: Person, Role: u.Role, Via: ViaSession, Address: client.Address,
		session: sessionID(token), epoch: u.epoch, limits: []limit{limitOf(&u)},
	}, nil
}

// cookie is a session's cookie; one that ends at once when it is to be forgotten.
func (c Client) cookie(token string, life time.Duration) *http.Cookie {
	k := &http.Cookie{Name: c.cookieName(), Value: token, Path: "/", HttpOnly: true, Secure: c.Secure, SameSite: http.SameSiteLaxMode, MaxAge: int(life.Seconds())}
	if life <= 0 {
		k.MaxAge = -1
	}
	return k
}

func (c Client) cookieName() string {
	if c.Secure {
		return secureCookieName
	}
	return cookieName
}

// sessionID is how scs names the session in the table, whose browser has token.
func sessionID(token string) string { return strictURL.EncodeToString(hashOf([]byte(token))) }

// session is the subject whose session a client has; ok is false when it has none
// that counts.
func (a *Auth) session(ctx context.Context, client Client) (s Subject, ok bool, err error) {
	if client.session == "" {
		return s, false, nil
	}
	loaded, err := a.sessions.Load(ctx, client.session)
	if err != nil || a.sessions.Token(loaded) == "" {
		return s, false, err
	}
	u, err := a.known.user(ctx, a.db.Read, a.sessions.GetString(loaded, userKey))
	if errors.Is(err, registry.ErrNotFound) {
		return s, false, nil
	}
	if err != nil || u.Disabled || u.epoch != a.sessions.GetInt64(loaded, epochKey) {
		return s, false, err
	}
	if now := time.Now(); now.Sub(time.UnixMilli(a.sessions.GetInt64(loaded, seenKey))) >= seenEvery {
		a.sessions.Put(loaded, seenKey, now.UnixMilli())
		if _, _, err := a.sessions.Commit(loaded); err != nil { // a full disk locks nobody out
			a.log.WarnContext(ctx, "a session's use is not noted", "user", u.Name, "error", err)
		}
	}
	return Subject{
		ID: u.ID, Name: u.Name, Kind: Person, Role: u.Role, Via: ViaSession, Address: client.Address,
		session: sessionID(client.session), epoch: u.epoch, limits: []limit{limitOf(u)},
	}, true, nil
}

// Logout ends the context's session and returns the cookie that makes the browser
// forget it.
func (a *Auth) Logout(ctx context.Context) (*http.Cookie, error) {
	client := ClientOf(ctx)
	if s, ok := SubjectOf(ctx); ok && s.session != "" {
		if err := a.end(ctx, s.Name, "logout", s.session); err != nil {
			return nil, err
		}
	}
	return client.cookie("", 0), nil
}

// end ends one session, by its id.
func (a *Auth) end(ctx context.Context, user, action, id string) error {
	return a.change(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM auth_sessions WHERE id = ?`, id); err != nil {
			return err
		}
		return a.note(ctx, tx, audit.Entry{Action: action, Target: user})
	})
}

// Sessions lists a user's sessions, the latest first. Those of others need the
// right users.read.
func (a *Auth) Sessions(ctx context.Context, user string) ([]Session, error) {
	if err := itself(ctx, user, UsersRead); err != nil {
		return nil, err
	}
	rows, err := a.db.Read.QueryContext(ctx, `SELECT id, created_at, seen_at, expires_at, address, agent FROM auth_sessions
		WHERE holder = ? AND expires_at > ? ORDER BY created_at DESC, id`, user, time.Now().UnixMilli())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	here, _ := SubjectOf(ctx)
	list := []Session{}
	for rows.Next() {
		var s Session
		var created, seen, expires sql.NullInt64
		if err := rows.Scan(&s.ID, &created, &seen, &expires, &s.Address, &s.Agent); err != nil {
			return nil, err
		}
		s.Current = s.ID == here.session
		s.ID = s.ID[:sessionShown]
		s.Created, s.Seen, s.Expires = fromMillis(created), fromMillis(seen), fromMillis(expires)
		list = append(list, s)
	}
	return list, rows.Err()
}

// EndSession ends one of a user's sessions. ErrNotFound when there is none of
// that id. Those of others need the right users.write.
func (a *Auth) EndSession(ctx context.Context, user, id string) error {
	if err := itself(ctx, user, UsersWrite); err != nil {
		return err
	}
	u, err := findUser(ctx, a.db.Read, `id = ?`, user)
	if err != nil {
		return err
	}
	rows, err := a.db.Read.QueryContext(ctx, `SELECT id FROM auth_sessions WHERE holder = ?`, user)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var whole string
		if err := rows.Scan(&whole); err != nil {
			return err
		}
		if len(id) == sessionShown && strings.HasPrefix(whole, id) {
			rows.Close()
			return a.end(ctx, u.Name, "session.end", whole)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	return fmt.Errorf("%w: no such session", registry.ErrNotFound)
}

// EndSessions ends all of a user's sessions. Those of others need the right
// users.write.
func (a *Auth) EndSessions(ctx context.Context, user string) error {
	if err := itself(ctx, user, UsersWrite); err != nil {
		return err
	}
	return a.change(ctx, func(tx *sql.Tx) error {
		u, err := findUser(ctx, tx, `id = ?`, user)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM auth_sessions WHERE holder = ?`, user); err != nil {
			return err
		}
		return a.note(ctx, tx, audit.Entry{Action: "session.end", Target: u.Name})
	})
}
