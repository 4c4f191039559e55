package jobs

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/internal/sqldb"
)

// idEncoding keeps the order of bytes, and has no letters that look like digits.
var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// ids makes ids that ascend, whatever the clock does: six bytes of milliseconds,
// four at random.
type ids struct {
	mu   sync.Mutex // protects last
	last int64      // the milliseconds of the last one
}

func (s *ids) next() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = max(s.last+1, time.Now().UnixMilli())
	var id [12]byte
	binary.BigEndian.PutUint64(id[:], uint64(s.last))
	_, _ = rand.Read(id[8:]) // never fails
	return idEncoding.EncodeToString(id[2:])
}

// goOn begins after the ids that a database has.
func (s *ids) goOn(ctx context.Context, db *sqldb.DB) error {
	var newest string
	err := db.Read.QueryRowContext(ctx, `SELECT id FROM jobs ORDER BY id DESC LIMIT 1`).Scan(&newest)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if id, err := idEncoding.DecodeString(newest); err == nil && len(id) == 10 {
		s.last = int64(binary.BigEndian.Uint64(append([]byte{0, 0}, id...)))
	}
	return nil
}

// newEpoch names a process.
func newEpoch() string {
	epoch := make([]byte, 8)
	_, _ = rand.Read(epoch) // never fails
	return hex.EncodeToString(epoch)
}
