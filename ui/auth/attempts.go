package auth

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

const (
	freeOfAccount = 5                   // failures before an account's attempts wait
	freeOfAddress = 20                  // before those of an address do: many may sit behind one
	longestWait   = 15 * time.Minute    // between two attempts
	forgetAfter   = time.Hour           // without a failure
	trustAddress  = 30 * 24 * time.Hour // since the last login from there
	maxAttempts   = 10_000              // rows; those with the fewest failures go
	maxAddresses  = 32                  // of a user
)

// An attempt to log in is charged before anything is looked at, so that many at
// once are no way around it, and acquitted when it succeeds.
type attempt struct {
	counts  []count
	user    *User // whom it would be, when there is such a user
	address string
}

// count is what is counted for somebody.
type count struct {
	who  string
	free int64
}

// attempt is one from an address, on an account when there is a name. Names may
// be passwords, typed in the wrong place: only a part of their hash is kept.
func (a *Auth) attempt(address string, account *string) *attempt {
	t := &attempt{address: addressClass(address)}
	if t.address != "" {
		t.counts = append(t.counts, count{"address " + t.address, freeOfAddress})
	}
	if account != nil {
		t.counts = append(t.counts, count{accountKey(*account), freeOfAccount})
	}
	return t
}

func accountKey(name string) string {
	return fmt.Sprintf("account %x", sha256.Sum256([]byte(fold(name))))[:len("account ")+32]
}

// addressClass is what counts as one address: an IPv6 network of 64 bits is one,
// since whoever has an address there has all of them.
func addressClass(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		return netip.PrefixFrom(ip, 64).Masked().String()
	}
	return ip.String()
}

// wait is how long the next attempt has to wait after so many failures.
func (c count) wait(failures int64) time.Duration {
	if failures < c.free {
		return 0
	}
	return min(time.Second<<min(failures-c.free, 20), longestWait)
}

// charge counts an attempt as failed. It is a LimitedError for one that has to
// wait, which does not count.
func (a *Auth) charge(ctx context.Context, t *attempt) error {
	if err := a.trust(ctx, t); err != nil {
		return err
	}
	if err := t.mayBegin(ctx, a.db.Read); err != nil { // most that wait cost no write
		return err
	}
	return registry.DiskError(a.db.WriteSoon(ctx, func(tx *sql.Tx) error {
		if err := t.mayBegin(ctx, tx); err != nil {
			return err
		}
		for _, c := range t.counts {
			if err := c.add(ctx, tx); err != nil {
				return err
			}
		}
		return boundAttempts(ctx, tx)
	}))
}

// trust leaves the account's count out of an attempt from where its user has been.
func (a *Auth) trust(ctx context.Context, t *attempt) error {
	if t.address == "" {
		return nil
	}
	holder := "" // asked for in any case: that takes its time, too
	if t.user != nil {
		holder = t.user.ID
	}
	trusted := false
	since := time.Now().Add(-trustAddress).UnixMilli()
	err := a.db.Read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM auth_addresses WHERE holder = ? AND address = ? AND seen_at >= ?)`,
		holder, t.address, since).Scan(&trusted)
	if trusted {
		t.counts = t.counts[:1]
	}
	return err
}

func (t *attempt) mayBegin(ctx context.Context, q querier) error {
	now := time.Now()
	for _, c := range t.counts {
		_, until, err := c.read(ctx, q, now)
		if err != nil {
			return err
		}
		if wait := until.Sub(now); wait > 0 {
			return &LimitedError{wait}
		}
	}
	return nil
}

// read is how often somebody failed lately, and until when to wait.
func (c count) read(ctx context.Context, q querier, now time.Time) (failures int64, until time.Time, err error) {
	var untilMillis, last int64
	err = q.QueryRowContext(ctx, `SELECT failures, until, last_at FROM auth_attempts WHERE who = ?`, c.who).Scan(&failures, &untilMillis, &last)
	if errors.Is(err, sql.ErrNoRows) || err == nil && last < now.Add(-forgetAfter).UnixMilli() {
		return 0, time.Time{}, nil
	}
	if until = time.UnixMilli(untilMillis); until.Sub(now) > longestWait { // the clock was set back
		until = now.Add(longestWait)
	}
	return failures, until, err
}

func (c count) add(ctx context.Context, tx *sql.Tx) error {
	now := time.Now()
	failures, _, err := c.read(ctx, tx, now)
	if err != nil {
		return err
	}
	failures++
	_, err = tx.ExecContext(ctx, `INSERT INTO auth_attempts (who, failures, until, last_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (who) DO UPDATE SET failures = excluded.failures, until = excluded.until, last_at = excluded.last_at`,
		c.who, failures, now.Add(c.wait(failures)).UnixMilli(), now.UnixMilli())
	return err
}

// boundAttempts keeps the table small, whoever fills it.
func boundAttempts(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM auth_attempts WHERE last_at < ?`, time.Now().Add(-forgetAfter).UnixMilli()); err != nil {
		return err
	}
	var n int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM auth_attempts`).Scan(&n); err != nil || n <= maxAttempts {
		return err
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM auth_attempts WHERE who IN (SELECT who FROM auth_attempts ORDER BY failures, last_at LIMIT ?)`, n-maxAttempts)
	return err
}

// acquit takes back the charge for an attempt that succeeded. An account that has
// been logged in to starts from nothing; an address does not, or whoever has an
// account could guess those of others for ever.
func (a *Auth) acquit(ctx context.Context, t *attempt) error {
	return registry.DiskError(a.db.WriteSoon(ctx, func(tx *sql.Tx) error {
		if err := t.discharge(ctx, tx); err != nil {
			return err
		}
		for _, c := range t.counts {
			if c.free != freeOfAccount {
				continue
			}
			if _, err := tx.ExecContext(ctx, `DELETE FROM auth_attempts WHERE who = ?`, c.who); err != nil {
				return err
			}
		}
		return t.remember(ctx, tx)
	}))
}

// giveUp takes back the charge for an attempt that was never decided.
func (a *Auth) giveUp(ctx context.Context, t *attempt) error {
	return a.db.WriteSoon(ctx, func(tx *sql.Tx) error { return t.discharge(ctx, tx) })
}

func (t *attempt) discharge(ctx context.Context, tx *sql.Tx) error {
	for _, c := range t.counts {
		if _, err := tx.ExecContext(ctx, `UPDATE auth_attempts SET failures = failures - 1, until = 0 WHERE who = ?`, c.who); err != nil {
			return err
		}
	}
	return nil
}

// remember notes where a user has logged in from.
func (t *attempt) remember(ctx context.Context, tx *sql.Tx) error {
	if t.user == nil || t.address == "" {
		return nil
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO auth_addresses (holder, address, seen_at) VALUES (?, ?, ?)
		ON CONFLICT (holder, address) DO UPDATE SET seen_at = excluded.seen_at`, t.user.ID, t.address, time.Now().UnixMilli())
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM auth_addresses WHERE holder = ? AND address NOT IN
		(SELECT address FROM auth_addresses WHERE holder = ? ORDER BY seen_at DESC LIMIT ?)`, t.user.ID, t.user.ID, maxAddresses)
	return err
}
