package auth

import (
	"context"
	"crypto/ed25519"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// SigningKey is the site's private key for a purpose, with a name for it. It is
// made when it is first asked for, and stays.
func (a *Auth) SigningKey(ctx context.Context, purpose string) (id string, key ed25519.PrivateKey, err error) {
	var seed []byte
	read := func(q querier) error {
		return q.QueryRowContext(ctx, `SELECT id, seed FROM auth_keys WHERE purpose = ?`, purpose).Scan(&id, &seed)
	}
	err = read(a.db.Read)
	if errors.Is(err, sql.ErrNoRows) {
		err = a.change(ctx, func(tx *sql.Tx) error {
			if err := read(tx); !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			_, private, err := ed25519.GenerateKey(nil)
			if err != nil {
				return err
			}
			id, seed = newID(), private.Seed()
			_, err = tx.ExecContext(ctx, `INSERT INTO auth_keys (id, purpose, seed, created_at) VALUES (?, ?, ?, ?)`, id, purpose, seed, time.Now().UnixMilli())
			return err
		})
	}
	if err != nil {
		return "", nil, err
	}
	if len(seed) != ed25519.SeedSize {
		return "", nil, fmt.Errorf("the signing key for %s is damaged", purpose)
	}
	return id, ed25519.NewKeyFromSeed(seed), nil
}
