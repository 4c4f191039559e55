package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding"
	"errors"
	"hash"
	"os"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/registry"
)

// A session remembers its hash so far with the number of bytes that it covers,
// so that nothing has to be read again when it goes on after the end of a
// process: all that was written, while the machine has not been restarted
// since; else all that was synced.

// savepoint is how far a session was saved.
type savepoint struct {
	written int64
	synced  int64
	at      time.Time // of the last sync
}

// Savepoints come after so many bytes, synced ones after more of them or some
// time: little is lost, and little is spent.
const (
	saveEvery      = 16 << 20
	syncEvery      = 64 << 20
	syncAtLeast    = 10 * time.Second
	bootIdentifier = "/proc/sys/kernel/random/boot_id"
)

// boot names the time since the machine was started; empty when it cannot be
// told, and then only what was synced counts.
var boot = sync.OnceValue(func() string {
	id, err := os.ReadFile(bootIdentifier)
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(id))
})

// saveNowAndThen saves while bytes arrive.
func (u *Upload) saveNowAndThen() error {
	if u.saved.at.IsZero() {
		u.saved.at = time.Now()
	}
	if u.hashed-u.saved.synced >= syncEvery || time.Since(u.saved.at) >= syncAtLeast {
		return u.save(true)
	}
	if u.hashed-u.saved.written >= saveEvery {
		return u.save(false)
	}
	return nil
}

// save notes how far the session is, and with sync makes that durable first.
func (u *Upload) save(sync bool) error {
	state, ok := u.hash.(encoding.BinaryMarshaler)
	if !ok || u.hashed != u.Size() || u.hashed == u.saved.written && (!sync || u.hashed == u.saved.synced) {
		return nil
	}
	content, err := state.MarshalBinary()
	if err != nil {
		return err
	}
	columns := `algorithm = ?1, written = ?2, written_hash = ?3, boot = ?4`
	if sync {
		if err := durable.Sync(u.file); err != nil {
			u.lost = true
			return err
		}
		columns += `, synced = ?2, synced_hash = ?3`
		u.saved.at = time.Now()
	}
	err = u.store.db.WriteSoon(context.Background(), func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE uploads SET `+columns+` WHERE id = ?5`, u.algorithm.String(), u.hashed, content, boot(), u.id)
		return err
	})
	if err != nil {
		return named("upload "+u.id, err)
	}
	u.saved.written = u.hashed
	if sync {
		u.saved.synced = u.hashed
	}
	return nil
}

// reopenUpload goes on with a session of an earlier process.
func (s *Store) reopenUpload(ctx context.Context, id string) (*Upload, error) {
	u := &Upload{store: s, id: id}
	var written, synced []byte
	var savedBoot string
	var of digest.Digest
	err := s.db.Read.QueryRowContext(ctx, `SELECT repository, algorithm, written, written_hash, synced, synced_hash, boot, digest FROM uploads WHERE id = ?`, id).
		Scan(&u.repository, &u.algorithm, &u.saved.written, &written, &u.saved.synced, &synced, &savedBoot, &of)
	if errors.Is(err, sql.ErrNoRows) {
		err = registry.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	if u.file, err = os.OpenFile(s.path(uploadsDir, id), os.O_RDWR, 0); errors.Is(err, os.ErrNotExist) {
		return nil, registry.ErrNotFound
	} else if err != nil {
		return nil, err
	}
	sameBoot := savedBoot != "" && savedBoot == boot()
	if !sameBoot {
		u.saved.written, written = u.saved.synced, synced
	}
	if of != "" {
		err = u.keepAll(sameBoot)
	} else {
		err = u.resume(written)
	}
	if err != nil {
		u.file.Close()
		return nil, err
	}
	return u, nil
}

// keepAll takes a session of a blob that is known to what its file has, all of it
// when the machine has not been restarted since. Whoever goes on reads the bytes
// again: what a disk made of them must not become part of a blob.
func (u *Upload) keepAll(all bool) error {
	info, err := u.file.Stat()
	if err != nil {
		return err
	}
	at := info.Size()
	if !all {
		at = min(at, u.saved.written)
	}
	u.saved = savepoint{}
	u.size.Store(at)
	return nil
}

// resume takes the session back to its savepoint, or to its beginning when it
// was saved by a program that hashes otherwise.
func (u *Upload) resume(state []byte) error {
	info, err := u.file.Stat()
	if err != nil {
		return err
	}
	at := u.saved.written
	if u.hash = restoreHash(u.algorithm, state); u.hash == nil || info.Size() < at {
		u.hash, at = u.algorithm.Hash(), 0
		u.saved = savepoint{}
	}
	u.hashed, u.writer = at, durable.NewWriter(u.file, at)
	u.size.Store(at)
	return u.file.Truncate(at)
}

// restoreHash is nil when the state is not one of this algorithm.
func restoreHash(algorithm digest.Algorithm, state []byte) hash.Hash {
	h := algorithm.Hash()
	if u, ok := h.(encoding.BinaryUnmarshaler); ok && u.UnmarshalBinary(state) == nil {
		return h
	}
	return nil
}
