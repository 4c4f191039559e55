// Package store is the site's one content-addressed store: what the registry
// serves, what imports land in, what exports are made from. It holds blobs as
// files and everything else in an SQL database, and keeps two promises:
//
//   - after any crash the database names only blobs that are whole on disk;
//   - a name that is visible has all that it needs.
//
// It keeps itself in order: scrubbing proves every byte and puts damage into
// quarantine, collection takes out what no root reaches, retention applies a
// policy to tags. It also remembers who may bring bundles, but judges none: see
// registry/trust. It tells who wants to know of its changes, in their transactions,
// and lends others tables of their own in its database. It is not a protocol:
// registry/engine speaks HTTP over it.
//
// Nouns. A link says that a repository has a blob or manifest. A root is why
// something must stay: a tag, a digest that is a name, a pin. A lease protects
// for a while what somebody was told is here; see guard.go. The trash holds
// what collection took out, until it is erased; see trash.go.
package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/internal/sqldb"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Options of a store. The zero value is the default.
type Options struct {
	// CacheSize bounds the memory for manifests, tags and blob sizes that are
	// asked for often, in bytes; 32 MiB when 0.
	CacheSize int64
	// UploadExpiry is how long an upload session may rest; 24 hours when 0.
	UploadExpiry time.Duration
	// Lease is for how long an answer that something is here protects it from
	// collection; an hour when 0, not at all when negative.
	Lease time.Duration
	// TrashAge is for how long what collection took out can be brought back;
	// 24 hours when 0, not at all when negative.
	TrashAge time.Duration
	// Warm brings what tags point at near at hand in the background, for a store
	// that serves; it takes up to 256 MiB on the disk and 64 MiB of memory.
	Warm bool
	// AcceptIncomplete takes manifests whose layers or config were not pushed.
	// Names can then be visible that cannot be pulled whole.
	AcceptIncomplete bool
}

// Store is a registry.Reader, Writer, Mounter, Lister, Deleter and Batcher
// over a data folder, which it has to itself.
type Store struct {
	folder  Folder
	options Options
	lock    *os.File
	db      *sqldb.DB
	cache   *cache
	queries queries
	guard   *guard

	// content is held shared from the naming of a blob's file until its row is
	// written, and alone by who removes files.
	content    sync.RWMutex
	upkeep     sync.Mutex                   // held by what must run alone: collection, undo, retention
	ballastMu  sync.Mutex                   // held while the ballast changes
	policyMu   sync.Mutex                   // protects policy
	policy     *policy                      // nil until it is needed
	trustMu    sync.Mutex                   // held while the trust policy is read or set
	trust      atomic.Pointer[trust.Policy] // nil until it is needed
	damaged    atomic.Int64                 // how many things are in quarantine
	scrubbing  scrubbing
	collecting collectProgress
	loading    loader
	spill      *spill
	counts     counts
	recounting sync.WaitGroup // what open started and Close waits for
	stop       context.CancelFunc
	recounted  chan struct{} // closed when blobs and rows agree again
	incomplete atomic.Bool   // they do not, yet
	tables     tables
	record     func(context.Context, *sql.Tx, []Change) error // of OnChange; nil for none

	uploadsMu  sync.Mutex         // protects the fields below
	uploads    map[string]*Upload // sessions that were used since the start
	lastExpiry time.Time

	incomingMu sync.Mutex                  // protects incoming
	incoming   map[digest.Digest]*Incoming // blobs on their way
}

var (
	_ registry.Reader   = (*Store)(nil)
	_ registry.Writer   = (*Store)(nil)
	_ registry.Mounter  = (*Store)(nil)
	_ registry.Lister   = (*Store)(nil)
	_ registry.Deleter  = (*Store)(nil)
	_ registry.Batcher  = (*Store)(nil)
	_ registry.Resumer  = (*Store)(nil)
	_ trust.Rememberer  = (*batch)(nil)
	_ registry.Checker  = (*batch)(nil)
	_ registry.Reserver = (*batch)(nil)
)

// Open opens the store in a folder and makes it when it is new. What a crash
// left half-done is removed. *InUseError when another process has it.
func Open(ctx context.Context, dir string, options Options) (*Store, error) {
	if options.CacheSize == 0 {
		options.CacheSize = 32 << 20
	}
	if options.UploadExpiry == 0 {
		options.UploadExpiry = 24 * time.Hour
	}
	if options.Lease == 0 {
		options.Lease = time.Hour
	}
	if options.TrashAge == 0 {
		options.TrashAge = 24 * time.Hour
	}
	s := &Store{folder: Folder(dir), options: options, guard: newGuard(options.Lease),
		uploads: map[string]*Upload{}, incoming: map[digest.Digest]*Incoming{}, stop: func() {}, recounted: make(chan struct{})}
	s.cache, s.spill = newCache(options.CacheSize, s.guard.hash), &spill{}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", dir, registry.DiskError(err)), s.release(false))
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	var err error
	if s.lock, err = s.folder.Take(); err != nil {
		return err
	}
	if err := s.makeFolders(); err != nil {
		return err
	}
	content, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	if s.db, err = sqldb.Open(ctx, filepath.Join(string(s.folder), Database), content); err != nil {
		return err
	}
	if err := s.queries.prepare(ctx, s.db.Read); err != nil {
		return fmt.Errorf("%s: %w", s.path(Database), err)
	}
	if err := s.reconcile(ctx); err != nil {
		return err
	}
	if s.options.Warm {
		s.spill = openSpill(s.path(incomingDir))
		s.warm()
	}
	return nil
}

func (s *Store) makeFolders() error {
	for _, dir := range []string{incomingDir, uploadsDir, quarantineDir} {
		if err := durable.MkdirAll(s.path(dir), 0o755); err != nil {
			return err
		}
	}
	return s.folder.MakeBlobs()
}

// recountGrace is how long Close waits for the comparison of files and rows;
// the next start begins it anew otherwise.
const recountGrace = 5 * time.Second

// Close ends the store cleanly. Uploads stay for the next start.
func (s *Store) Close() error {
	s.endLoading()
	giveUp := time.AfterFunc(recountGrace, s.stop)
	s.recounting.Wait()
	giveUp.Stop()
	s.stop()
	s.closeUploads()
	if s.db != nil {
		s.queries.close()
	}
	return s.release(true)
}

// release gives back what Open took, whole or in part. Only after a clean end
// the next start need not compare files and rows.
func (s *Store) release(clean bool) error {
	var errs []error
	s.spill.close()
	if s.db != nil {
		if clean {
			s.markClosed()
		}
		errs = append(errs, s.db.Close())
	}
	if s.lock != nil {
		errs = append(errs, durable.Unlock(s.lock), s.lock.Close())
	}
	return errors.Join(errs...)
}

func (s *Store) path(elem ...string) string { return s.folder.Path(elem...) }

func (s *Store) blobPath(d digest.Digest) string { return s.folder.Blob(d) }

func (s *Store) quarantinePath(d digest.Digest) string {
	return s.path(quarantineDir, d.Algorithm().String()+"-"+d.Encoded())
}

func now() int64 { return time.Now().UnixMilli() }
