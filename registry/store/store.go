// Package store is the site's one content-addressed store: what the registry
// serves, what imports land in, what exports are made from. It holds blobs as
// files and everything else in an SQL database, and keeps two promises:
//
//   - after any crash the database names only blobs that are whole on disk;
//   - a name that is visible has all that it needs.
//
// It is not a protocol: registry/engine speaks HTTP over it. Collection,
// scrubbing and attached bundles are not part of it yet.
package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/internal/sqldb"
	"github.com/landfall-dev/landfall/registry"
)

// The data folder:
//
//	lock                         held while a process has the store open; its pid
//	landfall.db                  SQLite: everything but blob bytes
//	blobs/<algorithm>/<xx>/<hex> one file a blob, complete since it exists; xx: its first two digits
//	incoming/                    blobs on their way in; emptied at start
//	uploads/<id>                 upload sessions, which survive a restart
//	running                      exists while the store is open: there at start, the last end was not clean
const (
	lockFile    = "lock"
	Database    = "landfall.db" // there when the folder holds a store
	blobsDir    = "blobs"
	incomingDir = "incoming"
	uploadsDir  = "uploads"
	runningFile = "running"
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
}

// Store is a registry.Reader, Writer, Mounter, Lister, Deleter and Batcher
// over a data folder, which it has to itself.
type Store struct {
	dir     string
	options Options
	lock    *os.File
	db      *sqldb.DB
	cache   *cache
	queries queries

	uploadsMu  sync.Mutex         // protects the fields below
	uploads    map[string]*Upload // sessions that were used since the start
	lastExpiry time.Time
}

var (
	_ registry.Reader   = (*Store)(nil)
	_ registry.Writer   = (*Store)(nil)
	_ registry.Mounter  = (*Store)(nil)
	_ registry.Lister   = (*Store)(nil)
	_ registry.Deleter  = (*Store)(nil)
	_ registry.Batcher  = (*Store)(nil)
	_ registry.Checker  = (*batch)(nil)
	_ registry.Reserver = (*batch)(nil)
)

// InUseError is an ErrConflict: another process has the data folder.
type InUseError struct {
	Dir string
	PID int // 0 when it could not be read
}

func (e *InUseError) Error() string {
	return fmt.Sprintf("data folder %s is in use by process %d: speak to that process, or end it first", e.Dir, e.PID)
}

// Is makes the error an ErrConflict.
func (e *InUseError) Is(target error) bool { return target == registry.ErrConflict }

// Open opens the store in a folder and makes it when it is new. What a crash
// left half-done is removed. *InUseError when another process has it.
func Open(ctx context.Context, dir string, options Options) (*Store, error) {
	if options.CacheSize == 0 {
		options.CacheSize = 32 << 20
	}
	if options.UploadExpiry == 0 {
		options.UploadExpiry = 24 * time.Hour
	}
	s := &Store{dir: dir, options: options, cache: newCache(options.CacheSize), uploads: map[string]*Upload{}}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open store: %w", registry.DiskError(err)), s.release(false))
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	if err := durable.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	if err := s.takeLock(); err != nil {
		return err
	}
	if err := s.makeFolders(); err != nil {
		return err
	}
	content, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	if s.db, err = sqldb.Open(ctx, filepath.Join(s.dir, Database), content); err != nil {
		return err
	}
	if err := s.queries.prepare(ctx, s.db.Read); err != nil {
		return err
	}
	return s.reconcile(ctx)
}

func (s *Store) takeLock() error {
	f, err := os.OpenFile(filepath.Join(s.dir, lockFile), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	ok, err := durable.Lock(f)
	if err == nil && !ok {
		holder, _ := os.ReadFile(f.Name())
		pid, _ := strconv.Atoi(strings.TrimSpace(string(holder)))
		err = &InUseError{s.dir, pid}
	}
	if err != nil {
		f.Close()
		return err
	}
	s.lock = f
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// makeFolders makes all blob folders at once, so that none has to be made
// durable while blobs arrive.
func (s *Store) makeFolders() error {
	for _, dir := range []string{incomingDir, uploadsDir} {
		if err := durable.MkdirAll(s.path(dir), 0o755); err != nil {
			return err
		}
	}
	for _, algorithm := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
		parent := s.path(blobsDir, algorithm.String())
		if _, err := os.Stat(filepath.Join(parent, "ff")); err == nil {
			continue
		}
		if err := durable.MkdirAll(parent, 0o755); err != nil {
			return err
		}
		for i := range 256 {
			if err := os.Mkdir(filepath.Join(parent, fmt.Sprintf("%02x", i)), 0o755); err != nil && !os.IsExist(err) {
				return err
			}
		}
		if err := durable.SyncDir(parent); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the store cleanly. Uploads stay for the next start.
func (s *Store) Close() error {
	s.closeUploads()
	if s.db != nil {
		s.queries.close()
	}
	return s.release(true)
}

// release gives back what Open took, whole or in part. Only after a clean end
// the next start need not look for what a crash left.
func (s *Store) release(clean bool) error {
	var errs []error
	if s.db != nil {
		errs = append(errs, s.db.Close())
		if clean && errs[0] == nil {
			errs = append(errs, os.Remove(s.path(runningFile)))
		}
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

func (s *Store) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

func (s *Store) blobPath(d digest.Digest) string {
	hex := d.Encoded()
	return s.path(blobsDir, d.Algorithm().String(), hex[:2], hex)
}

func now() int64 { return time.Now().UnixMilli() }
