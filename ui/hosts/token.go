package hosts

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/host/link"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/audit"
)

// Bounds of tokens.
const (
	DefaultTokenLife = 15 * time.Minute
	minTokenLife     = time.Minute
	maxTokenLife     = 24 * time.Hour
	maxTokens        = 1000 // that are open
	maxFailures      = 10   // of one token
	failuresWithin   = time.Minute
	maxAttempts      = 60 // failures of the whole site within that time
)

// Token is an open token, without its secret.
type Token struct {
	ID      string    `json:"id"`
	Maker   string    `json:"maker"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

// MadeToken is a token as it is told once.
type MadeToken struct {
	Token
	Secret  string `json:"token" doc:"The whole token; it is told only now"`
	Server  string `json:"server" doc:"Where hosts link"`
	Command string `json:"command" doc:"What to run on the host"`
}

// MakeToken makes a token with which one host can be linked within a time: 15 minutes
// when 0, at least one minute, at most a day.
func (h *Hosts) MakeToken(ctx context.Context, life time.Duration) (*MadeToken, error) {
	if life == 0 {
		life = DefaultTokenLife
	}
	if life < minTokenLife || life > maxTokenLife {
		return nil, fmt.Errorf("%w: a token is valid for %s to %s, not for %s", registry.ErrInvalid, minTokenLife, maxTokenLife, life)
	}
	server, err := h.server()
	if err != nil {
		return nil, err
	}
	h.changing.Lock()
	defer h.changing.Unlock()
	t, now := link.NewToken(h.opts.Certs.Authority()), h.now()
	made := &MadeToken{Token: Token{ID: t.ID, Maker: audit.ActorOf(ctx).Name, Created: now, Expires: now.Add(life)}, Secret: t.String(), Server: server,
		Command: "landfall host link --server " + server + " " + t.String()}
	sum := secretSum(t.Secret())
	return made, h.write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM host_tokens WHERE expires_at < ?`, now.UnixMilli()); err != nil {
			return err
		}
		var open int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM host_tokens WHERE host = ''`).Scan(&open); err != nil {
			return err
		}
		if open >= maxTokens {
			return fmt.Errorf("%w: %d tokens are open already: revoke those that are not needed", registry.ErrConflict, open)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO host_tokens (id, secret, maker, created_at, expires_at) VALUES (?, ?, ?, ?, ?)`,
			t.ID, sum, made.Maker, now.UnixMilli(), made.Expires.UnixMilli()); err != nil {
			return err
		}
		return h.note(ctx, tx, audit.Entry{Action: "host.token", Target: t.ID, After: map[string]any{"expires": made.Expires}})
	})
}

func secretSum(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// server is where hosts link, as people outside are told.
func (h *Hosts) server() (string, error) {
	h.mu.Lock()
	at := h.at
	h.mu.Unlock()
	name, port, err := net.SplitHostPort(at)
	if at == "" || err != nil {
		return "", fmt.Errorf("%w: this appliance does not listen for hosts: set hosts.listen", registry.ErrConflict)
	}
	if ip := net.ParseIP(name); (name == "" || ip != nil && ip.IsUnspecified()) && h.opts.Names != nil {
		if names := h.opts.Names(); len(names) > 0 {
			name = names[0]
		}
	}
	return "https://" + net.JoinHostPort(name, port), nil
}

// Tokens are those that are open, the newest first.
func (h *Hosts) Tokens(ctx context.Context) (list []Token, err error) {
	rows, err := h.db.Read.QueryContext(ctx, `SELECT id, maker, created_at, expires_at FROM host_tokens WHERE host = '' AND expires_at >= ? ORDER BY created_at DESC`, h.now().UnixMilli())
	if err != nil {
		return nil, registry.DiskError(err)
	}
	defer rows.Close()
	list = []Token{}
	for rows.Next() {
		var t Token
		var created, expires int64
		if err := rows.Scan(&t.ID, &t.Maker, &created, &expires); err != nil {
			return nil, registry.DiskError(err)
		}
		t.Created, t.Expires = timeOf(created), timeOf(expires)
		list = append(list, t)
	}
	return list, registry.DiskError(rows.Err())
}

// RevokeToken makes an open token good for nothing. ErrNotFound without it.
func (h *Hosts) RevokeToken(ctx context.Context, id string) error {
	h.changing.Lock()
	defer h.changing.Unlock()
	return h.write(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `DELETE FROM host_tokens WHERE id = ? AND host = ''`, id)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, fmt.Errorf("token %s: %w", id, registry.ErrNotFound))
		}
		return h.note(ctx, tx, audit.Entry{Action: "host.token.revoke", Target: id})
	})
}

// errToken is all that who guesses learns.
var errToken = fmt.Errorf("%w: the token is not valid, was used, or its time is over: 'landfall host token' makes another one", registry.ErrDenied)

// admit finds the token that a host shows, and the host that has used it up already, if
// any. changing is held.
func (h *Hosts) admit(ctx context.Context, shown string) (id, usedBy string, err error) {
	id, _, err = link.ParseSecret(shown)
	if err != nil {
		return "", "", errToken
	}
	if h.tooMany() {
		return "", "", fmt.Errorf("%w: too many wrong tokens within a minute: wait a minute", registry.ErrConflict)
	}
	var secret []byte
	var expires int64
	var failures int
	err = h.db.Read.QueryRowContext(ctx, `SELECT secret, expires_at, failures, host FROM host_tokens WHERE id = ?`, id).Scan(&secret, &expires, &failures, &usedBy)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", "", registry.DiskError(err)
	}
	right := subtle.ConstantTimeCompare(secret, secretSum(shown)) == 1
	if err == nil && right && failures < maxFailures && !h.now().After(timeOf(expires)) {
		return id, usedBy, nil
	}
	h.attempts = append(h.attempts, time.Now())
	if err == nil && !right {
		err = h.write(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `UPDATE host_tokens SET failures = failures + 1 WHERE id = ?`, id)
			return err
		})
		if err != nil {
			return "", "", err
		}
	}
	return "", "", errToken
}

// tooMany reports whether somebody guesses; changing is held.
func (h *Hosts) tooMany() bool {
	for len(h.attempts) > 0 && time.Since(h.attempts[0]) > failuresWithin {
		h.attempts = h.attempts[1:]
	}
	return len(h.attempts) >= maxAttempts
}
