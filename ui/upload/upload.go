// Package upload receives large files over HTTP so that nothing is sent twice:
// the tus resumable upload protocol 1.0.0 (https://tus.io/protocols/resumable-upload)
// with its extensions creation, creation-with-upload, termination, checksum,
// expiration and concatenation. Deferred lengths are not taken: room is set aside
// before the first byte comes. It judges what kind of file has come and hands it
// over; it lands, unpacks and trusts nothing. Package send is its client.
//
// Nouns. An upload is received until all its bytes are durable, then checked: what
// kind of file it is, and whether its digest is the announced one. Then it is whole,
// or it failed, and says why. A job that works with a whole upload binds it; an
// upload that was consumed has no bytes any more. Each belongs to an owner, and
// nobody else sees it.
//
// # Durability
//
// The offset that a client is told is on the disk, with the bytes before it. The
// state of SHA-256 at that offset is saved with it, so that no byte is read again.
// Bytes are synced and noted every 16 MiB or second, while more arrive. What was
// written after that survives the end of the process, but not a power cut: see
// note.go.
//
// # Metadata
//
// These keys of Upload-Metadata mean something; others are kept and ignored.
//
//	filename     what people call it; never a path here (also: name)
//	kind         bundle, part, signature, docker-archive, oci-archive, definition;
//	             when it is missing, the content tells
//	sha256       64 hexadecimal digits: the upload fails when its bytes are others
//	fingerprint  up to 128 characters by which a client finds its upload again
//	group, offset, total
//	             of a partial upload: see below
//
// # Partial uploads
//
// A final upload is one file on the disk. Partial uploads of a client that knows
// their places are written to where they belong: those of one owner with the same
// group share one file of total bytes, each from its offset on. Joined in order, they
// are the file already, and are only hashed. The partial uploads of other clients
// have files of their own, which are copied behind the first, one by one.
//
// # In the folder
//
//	ID.data   bytes of an upload, or of several of a group, at its full length
//	          from the first byte on
//	ID.note   how far an upload was written, for who comes after a crash
package upload

import (
	"cmp"
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/internal/sqldb"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/events"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Options of Uploads. The zero value is the default.
type Options struct {
	// Base is the path under which they are served; /api/v1/uploads when empty.
	Base string
	// Owner is who sends a request, and whether that one may see and delete the
	// uploads of others. Nil: everything belongs to one owner.
	Owner func(r *http.Request) (owner string, admin bool)
	// OnWhole is told of each upload that is whole, after that is durable, and once
	// more by Keep of those that no job had bound when the process ended. Nil: nobody is.
	OnWhole func(ctx context.Context, f File)

	// MaxSize bounds one upload, in bytes; 0 does not.
	MaxSize int64
	// Limits can be changed later.
	Limits Limits
	// MaxOpen is how many uploads may be unfinished, MaxOpenByOwner of one owner;
	// 10,000 and 1,000 when 0.
	MaxOpen, MaxOpenByOwner int
	// MaxActive is how many may be receiving at one moment, MaxActiveByOwner of one
	// owner; 64 and 16 when 0.
	MaxActive, MaxActiveByOwner int

	// Idle is after which time without bytes a request is broken off; a minute
	// when 0.
	Idle time.Duration

	Log    *slog.Logger // nil for silence
	Audit  *audit.Log   // nil: no entries are made
	Events *events.Bus  // nil: nobody is told
}

// Limits are what uploads may take. The zero value is the default.
type Limits struct {
	// Quota bounds all uploads that are here, OwnerQuota those of one owner, in
	// bytes; without a bound when 0.
	Quota, OwnerQuota int64
	// KeepFree is how many bytes the file system keeps for others; 256 MiB when 0,
	// none when negative.
	KeepFree int64
	// Expiry is how long an unfinished upload is kept after its last byte, and a
	// failed or consumed one in the list; 24 hours when 0.
	Expiry time.Duration
	// WholeExpiry is how long an upload is kept that nothing was done with; 7 days
	// when 0.
	WholeExpiry time.Duration
}

func (l Limits) withDefaults() *Limits {
	l.KeepFree = max(cmp.Or(l.KeepFree, 256<<20), 0)
	l.Expiry, l.WholeExpiry = cmp.Or(l.Expiry, 24*time.Hour), cmp.Or(l.WholeExpiry, 7*24*time.Hour)
	return &l
}

// SetLimits changes the limits from now on; what is here already stays.
func (u *Uploads) SetLimits(l Limits) { u.limits.Store(l.withDefaults()) }

// Uploads are those of one folder, which they have to themselves. It is an
// http.Handler.
type Uploads struct {
	options Options
	limits  atomic.Pointer[Limits]
	folder  string
	db      *sqldb.DB
	log     *slog.Logger
	boot    string

	ctx     context.Context //nolint:containedctx // of what goes on after its request
	stop    context.CancelCauseFunc
	running sync.WaitGroup // checks that no request waits for

	mu     sync.Mutex // protects the fields below
	turns  map[string]*turn
	active map[string]int       // requests that receive, by owner
	total  int                  // of them
	told   map[string]time.Time // when the last event about an unfinished upload was
	closed bool
}

// New opens the uploads of a folder, which is made when it is new. Close ends what
// is under way; the database stays open.
func New(ctx context.Context, db sqldb.Home, folder string, opts Options) (*Uploads, error) {
	u := &Uploads{options: withDefaults(opts), folder: folder, boot: boot(), turns: map[string]*turn{}, active: map[string]int{}, told: map[string]time.Time{}}
	u.log = cmp.Or(opts.Log, slog.New(slog.DiscardHandler))
	u.SetLimits(opts.Limits)
	content, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	// A backup holds no half files.
	if u.db, err = db.Tables(ctx, "uploads", content, `DELETE FROM upload_files`); err != nil {
		return nil, err
	}
	if err := durable.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	if err := u.reconcile(ctx); err != nil {
		return nil, fmt.Errorf("uploads in %s: %w", folder, err)
	}
	u.ctx, u.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	return u, nil
}

func withDefaults(o Options) Options {
	o.Base = cmp.Or(o.Base, "/api/v1/uploads")
	o.MaxOpen, o.MaxOpenByOwner = cmp.Or(o.MaxOpen, 10_000), cmp.Or(o.MaxOpenByOwner, 1_000)
	o.MaxActive, o.MaxActiveByOwner = cmp.Or(o.MaxActive, 64), cmp.Or(o.MaxActiveByOwner, 16)
	o.Idle = cmp.Or(o.Idle, time.Minute)
	if o.Owner == nil {
		o.Owner = func(*http.Request) (string, bool) { return "local", true }
	}
	return o
}

// Close makes requests that receive end, with what they have got saved, and waits
// for checks under way, which go on at the next start. A server calls it before it
// waits for its requests.
func (u *Uploads) Close() {
	u.mu.Lock()
	u.closed = true
	for _, t := range u.turns {
		t.stop(errClosing)
	}
	u.mu.Unlock()
	u.stop(errClosing)
	u.running.Wait()
}

func (u *Uploads) dataPath(file string) string { return filepath.Join(u.folder, file+dataSuffix) }

func (u *Uploads) notePath(id string) string { return filepath.Join(u.folder, id+noteSuffix) }

const (
	dataSuffix = ".data"
	noteSuffix = ".note"
)

// write is a durable transaction.
func (u *Uploads) write(ctx context.Context, fn func(tx *sql.Tx) error) error {
	return registry.DiskError(u.db.Write(context.WithoutCancel(ctx), fn))
}

// enter writes an entry of the audit log within a transaction.
func (u *Uploads) enter(ctx context.Context, tx *sql.Tx, action string, r *record, outcome string) error {
	if u.options.Audit == nil {
		return nil
	}
	return u.options.Audit.Append(ctx, tx, audit.Entry{Action: action, Target: r.ID, Outcome: outcome, After: struct {
		Name   string `json:"name"`
		Kind   Kind   `json:"kind,omitempty"`
		Size   int64  `json:"size"`
		Owner  string `json:"owner"`
		Digest string `json:"digest,omitempty"`
		Reason string `json:"reason,omitempty"`
	}{r.Name, r.Kind, r.Size, r.Owner, r.Digest.String(), r.Reason}})
}

// tell publishes what an upload has become.
func (u *Uploads) tell(r *record) {
	u.mu.Lock()
	delete(u.told, r.ID)
	u.mu.Unlock()
	if u.options.Events != nil {
		u.options.Events.Publish("upload", r.Upload)
	}
}

// tellEvery is the time between two events about the progress of one upload.
const tellEvery = time.Second

// tellProgress publishes how far an upload is, unless that was done just now.
func (u *Uploads) tellProgress(r *record) {
	if u.options.Events == nil {
		return
	}
	u.mu.Lock()
	last, now := u.told[r.ID], time.Now()
	due := now.Sub(last) >= tellEvery
	if due {
		u.told[r.ID] = now
	}
	u.mu.Unlock()
	if due {
		u.options.Events.Publish("upload", r.Upload)
	}
}
