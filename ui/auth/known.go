package auth

import (
	"context"
	"sync"
	"time"
)

// identities are the users and tokens that were asked for since the last change of
// any. All changes are made by this process, and forget everything when they are
// committed: so a revocation counts from the moment at which it returns.
type identities struct {
	mu     sync.Mutex // protects the rest
	change uint64     // counts changes: what was read before one is not kept after it
	users  map[string]*User
	tokens map[string]*Token
	used   map[string]time.Time // when the use of a token was last noted
}

// maxKnown bounds the maps; they begin anew when they are full.
const maxKnown = 4096

func (k *identities) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.change++
	k.users, k.tokens = nil, nil
}

// user is the user of an id; not to be changed.
func (k *identities) user(ctx context.Context, q querier, id string) (*User, error) {
	return remembered(k, &k.users, id, func() (*User, error) { return findUser(ctx, q, `id = ?`, id) })
}

// token is the token of an id; not to be changed.
func (k *identities) token(ctx context.Context, q querier, id string) (*Token, error) {
	return remembered(k, &k.tokens, id, func() (*Token, error) { return findToken(ctx, q, id) })
}

func remembered[T any](k *identities, in *map[string]*T, id string, read func() (*T, error)) (*T, error) {
	k.mu.Lock()
	v, change := (*in)[id], k.change
	k.mu.Unlock()
	if v != nil {
		return v, nil
	}
	v, err := read()
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.change == change {
		if *in == nil || len(*in) >= maxKnown {
			*in = map[string]*T{}
		}
		(*in)[id] = v
	}
	return v, nil
}

// due reports whether the use of a token is to be noted, and takes it as noted.
func (k *identities) due(id string, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now.Sub(k.used[id]) < usedEvery {
		return false
	}
	if k.used == nil || len(k.used) >= maxKnown {
		k.used = map[string]time.Time{}
	}
	k.used[id] = now
	return true
}
