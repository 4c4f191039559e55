package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/internal/parallel"
	"github.com/landfall-dev/landfall/internal/sqldb"
	"github.com/landfall-dev/landfall/registry"
)

// A backup folder:
//
//	backup.json                  what the last complete backup is; replaced as a whole
//	database-<hex>.db            its database, named by its SHA-256
//	blobs/<algorithm>/<xx>/<hex> every blob that the database names
//	lock                         held while a backup is taken
const (
	backupFile    = "backup.json"
	backupVersion = 1
	backupJobs    = 8
)

// Source is what a backup is taken of: a store, or an appliance.
type Source interface {
	Snapshot(ctx context.Context) (io.ReadCloser, error)
	BlobBytes(ctx context.Context, d digest.Digest) (io.ReadCloser, error)
}

// BackedUp describes a backup, and is what backup.json holds.
type BackedUp struct {
	Version  int           `json:"version"`
	Created  time.Time     `json:"created"`
	Database digest.Digest `json:"database"`
	Blobs    int64         `json:"blobs"`
	Bytes    int64         `json:"bytes"`
	Moved    int64         `json:"moved"`             // bytes that the folder did not have before
	Damaged  []Unproven    `json:"damaged,omitempty"` // blobs that could not be read whole
}

// Unproven is a blob that is not in a backup, or not whole.
type Unproven struct {
	Digest digest.Digest `json:"digest"`
	Cause  string        `json:"cause"`
}

// Backup brings a folder level with a source. What the folder has is not moved
// again; an interrupted backup goes on where it was, and until it is complete
// the folder holds the previous one. A blob that is damaged at the source is
// kept if the folder has it, else listed.
func Backup(ctx context.Context, from Source, dir string) (*BackedUp, error) {
	b := &backup{transfer: transfer{dir: dir, read: from.BlobBytes}, report: BackedUp{Version: backupVersion, Created: time.Now().UTC().Truncate(time.Second)}}
	if err := b.run(ctx, from); err != nil {
		return nil, fmt.Errorf("backup to %s: %w", dir, registry.DiskError(err))
	}
	return &b.report, nil
}

// backup is one run.
type backup struct {
	transfer
	report BackedUp
}

func (b *backup) run(ctx context.Context, from Source) error {
	database, err := from.Snapshot(ctx)
	if err != nil {
		return err // before a folder is made
	}
	defer database.Close()
	if err := durable.MkdirAll(b.dir, 0o700); err != nil {
		return err
	}
	lock, err := lockFolder(b.dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := makeBlobFolders(b.dir); err != nil {
		return err
	}
	path, err := b.saveDatabase(ctx, database)
	if err != nil {
		return err
	}
	blobs, err := readBlobList(ctx, path)
	if err != nil {
		return err
	}
	if err := b.bring(ctx, blobs); err != nil {
		return err
	}
	for _, d := range blobs {
		b.report.Blobs++
		b.report.Bytes += d.Size
	}
	b.report.Moved, b.report.Damaged = b.moved, b.unproven
	content, err := json.MarshalIndent(b.report, "", "  ")
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(b.dir, backupFile), append(content, '\n'), 0o600); err != nil {
		return err
	}
	return b.tidy(path, blobs)
}

// saveDatabase takes the snapshot into the folder, under its own digest.
func (b *backup) saveDatabase(ctx context.Context, r io.Reader) (string, error) {
	f, err := os.CreateTemp(b.dir, "database-*.partial")
	if err != nil {
		return "", err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	hash := sha256.New()
	if err := durable.NewWriter(f, 0).Fill(ctx, r, hash, nil); err != nil {
		return "", err
	}
	if err := durable.Sync(f); err != nil {
		return "", err
	}
	b.report.Database = digest.NewDigest(digest.SHA256, hash)
	path := databasePath(b.dir, b.report.Database)
	return path, durable.Rename(f.Name(), path)
}

func databasePath(dir string, d digest.Digest) string {
	return filepath.Join(dir, "database-"+d.Encoded()+".db")
}

// tidy removes what the backup does not need any more.
func (b *backup) tidy(database string, blobs []registry.Descriptor) error {
	keep := make(map[string]bool, len(blobs)+1)
	keep[database] = true
	for _, d := range blobs {
		keep[blobPathIn(b.dir, d.Digest)] = true
	}
	for _, pattern := range []string{"database-*", filepath.Join(blobsDir, "*", "??", "*")} {
		paths, err := filepath.Glob(filepath.Join(b.dir, pattern))
		if err != nil {
			return err
		}
		for _, path := range paths {
			if keep[path] {
				continue
			}
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// readBlobList are the blobs that a snapshot names.
func readBlobList(ctx context.Context, path string) (blobs []registry.Descriptor, err error) {
	db, err := sqldb.OpenSnapshot(path)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var d registry.Descriptor
	err = each(ctx, db, []any{&d.Digest, &d.Size}, func() { blobs = append(blobs, d) }, `SELECT digest, size FROM blobs ORDER BY digest`)
	return blobs, err
}

// transfer brings blobs into a folder that has the store's layout.
type transfer struct {
	dir      string
	read     func(context.Context, digest.Digest) (io.ReadCloser, error)
	prove    bool // do not trust what the folder has: read it
	adding   sync.Mutex
	moved    int64
	unproven []Unproven
}

func (t *transfer) bring(ctx context.Context, blobs []registry.Descriptor) error {
	return parallel.Do(ctx, backupJobs, blobs, func(ctx context.Context, d registry.Descriptor) error {
		has, err := t.has(ctx, d)
		if err != nil || has {
			return err
		}
		err = t.move(ctx, d)
		if known := registry.ErrNotFound; errors.Is(err, known) || errors.Is(err, registry.ErrDigest) || errors.Is(err, registry.ErrSize) || errors.Is(err, syscall.EIO) {
			t.adding.Lock()
			defer t.adding.Unlock()
			t.unproven = append(t.unproven, Unproven{d.Digest, causeText(d.Digest, err)})
			return nil
		}
		return err
	})
}

// has reports whether the folder has a blob.
func (t *transfer) has(ctx context.Context, d registry.Descriptor) (bool, error) {
	path := blobPathIn(t.dir, d.Digest)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() != d.Size {
		return false, nil
	}
	if err != nil || !t.prove {
		return err == nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = durable.Copy(ctx, io.Discard, registry.NewVerifyReader(f, d))
	return err == nil, ctx.Err()
}

// move writes one blob, proven and durable.
func (t *transfer) move(ctx context.Context, d registry.Descriptor) error {
	r, err := t.read(ctx, d.Digest)
	if err != nil {
		return err
	}
	defer r.Close()
	path := blobPathIn(t.dir, d.Digest)
	f, err := os.CreateTemp(filepath.Dir(path), ".partial-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := durable.NewWriter(f, 0).Fill(ctx, registry.NewVerifyReader(r, d), nil, nil); err != nil {
		return err
	}
	if err := durable.Sync(f); err != nil {
		return err
	}
	t.adding.Lock()
	t.moved += d.Size
	t.adding.Unlock()
	return durable.Rename(f.Name(), path)
}

// Recovered is what Restore brought.
type Recovered struct {
	Created time.Time  `json:"created"` // when the backup was taken
	Blobs   int64      `json:"blobs"`
	Bytes   int64      `json:"bytes"`
	Damaged []Unproven `json:"damaged,omitempty"` // blobs that the backup does not have whole
}

// Restore makes the store of a backup in a data folder that holds none. Every
// digest is proven on the way, also of what an interrupted run brought; the
// database comes last. What the backup does not have whole is listed, and will
// be in quarantine: the rest serves.
func Restore(ctx context.Context, dir, data string) (*Recovered, error) {
	r, err := restore(ctx, dir, data)
	if err != nil {
		return nil, fmt.Errorf("restore %s: %w", dir, registry.DiskError(err))
	}
	return r, nil
}

func restore(ctx context.Context, dir, data string) (*Recovered, error) {
	report, err := readBackup(dir)
	if err != nil {
		return nil, err
	}
	if err := durable.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	lock, err := lockFolder(data)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	database := filepath.Join(data, Database)
	if _, err := os.Stat(database); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s holds a store already: name an empty folder", registry.ErrConflict, data)
	}
	blobs, err := readBlobList(ctx, databasePath(dir, report.Database))
	if err != nil {
		return nil, err
	}
	if err := makeBlobFolders(data); err != nil {
		return nil, err
	}
	t := &transfer{dir: data, prove: true, read: func(_ context.Context, d digest.Digest) (io.ReadCloser, error) {
		f, err := os.Open(blobPathIn(dir, d))
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: the backup has no such file", registry.ErrNotFound)
		}
		return f, err
	}}
	if err := t.bring(ctx, blobs); err != nil {
		return nil, err
	}
	if err := forgetStore(data); err != nil {
		return nil, err
	}
	r := &Recovered{Created: report.Created, Damaged: t.unproven}
	for _, d := range blobs {
		r.Blobs++
		r.Bytes += d.Size
	}
	return r, copyDatabase(ctx, databasePath(dir, report.Database), database)
}

// forgetStore removes what an earlier store has left beside its database:
// SQLite would play its log into the new one, and files would not be compared.
func forgetStore(data string) error {
	for _, name := range []string{closedFile, Database + "-wal", Database + "-shm"} {
		if err := os.Remove(filepath.Join(data, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// readBackup proves the database, too.
func readBackup(dir string) (*BackedUp, error) {
	content, err := os.ReadFile(filepath.Join(dir, backupFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: there is no %s: no backup was completed there", registry.ErrNotFound, backupFile)
	}
	if err != nil {
		return nil, err
	}
	var b BackedUp
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", registry.ErrInvalid, backupFile, err)
	}
	if b.Version != backupVersion {
		return nil, fmt.Errorf("%w: %s: version %d, this program reads version %d", registry.ErrInvalid, backupFile, b.Version, backupVersion)
	}
	if _, err := registry.ParseDigest(b.Database.String()); err != nil {
		return nil, fmt.Errorf("%s: database: %w", backupFile, err)
	}
	f, err := os.Open(databasePath(dir, b.Database))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	got, err := digest.SHA256.FromReader(f)
	if err == nil && got != b.Database {
		err = fmt.Errorf("%w: %s hashes to %s", registry.ErrDigest, f.Name(), got)
	}
	return &b, err
}

func copyDatabase(ctx context.Context, from, to string) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := os.CreateTemp(filepath.Dir(to), Database+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := durable.Copy(ctx, f, r); err != nil {
		return err
	}
	if err := durable.Sync(f); err != nil {
		return err
	}
	return durable.Rename(f.Name(), to)
}
