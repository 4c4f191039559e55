// Package backup copies a site's content to a folder while the site serves,
// only what is new, and makes a site of such a folder again with every digest
// proven. It knows the layout of a data folder, not what the database means.
package backup

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
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/internal/parallel"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
)

// A backup folder:
//
//	backup.json                  what the last complete backup is; replaced as a whole
//	database-<hex>.db            its database, named by its SHA-256
//	blobs/<algorithm>/<xx>/<hex> every blob that the database names
//	lock                         held while a backup is taken
const (
	reportFile = "backup.json"
	version    = 1
)

// jobs is how many blobs are read at once.
const jobs = 8

// Source is what a backup is taken of: a store, or an appliance.
type Source interface {
	// Hold keeps what a snapshot names from being erased until it is released.
	Hold(ctx context.Context, kind store.HoldKind) (release func(), err error)
	// Snapshot is the database as it is at one moment.
	Snapshot(ctx context.Context) (io.ReadCloser, error)
	// BlobBytes reads a blob of the snapshot; the end proves it.
	BlobBytes(ctx context.Context, d digest.Digest) (io.ReadCloser, error)
}

// Report describes a backup, and is what backup.json holds.
type Report struct {
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

// Make brings a folder level with a source. What the folder has is not moved
// again; an interrupted backup goes on where it was, and until it is complete
// the folder holds the previous one. A blob that is damaged at the source is
// kept if the folder has it, else listed.
func Make(ctx context.Context, from Source, dir string) (*Report, error) {
	b := &maker{transfer: transfer{folder: store.Folder(dir), read: from.BlobBytes, progress: func(int64) {}}, report: Report{Version: version, Created: time.Now().UTC().Truncate(time.Second)}}
	if err := b.run(ctx, from); err != nil {
		return nil, fmt.Errorf("backup to %s: %w", dir, registry.DiskError(err))
	}
	return &b.report, nil
}

// maker is one run.
type maker struct {
	transfer
	report Report
}

func (b *maker) run(ctx context.Context, from Source) error {
	release, err := from.Hold(ctx, store.HoldBackup)
	if err != nil {
		return err
	}
	defer release()
	database, err := from.Snapshot(ctx)
	if err != nil {
		return err // before a folder is made
	}
	defer database.Close()
	lock, err := b.folder.Take()
	if err != nil {
		return err
	}
	defer func() { _ = errors.Join(durable.Unlock(lock), lock.Close()) }()
	if err := b.folder.MakeBlobs(); err != nil {
		return err
	}
	path, err := b.saveDatabase(ctx, database)
	if err != nil {
		return err
	}
	blobs, err := store.SnapshotBlobs(ctx, path)
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
	if err := durable.WriteFile(b.folder.Path(reportFile), append(content, '\n'), 0o600); err != nil {
		return err
	}
	return b.tidy(path, blobs)
}

// saveDatabase takes the snapshot into the folder, under its own digest.
func (b *maker) saveDatabase(ctx context.Context, r io.Reader) (string, error) {
	f, err := os.CreateTemp(string(b.folder), "database-*.partial")
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
	path := databasePath(b.folder, b.report.Database)
	return path, durable.Rename(f.Name(), path)
}

func databasePath(f store.Folder, d digest.Digest) string {
	return f.Path("database-" + d.Encoded() + ".db")
}

// tidy removes what the backup does not need any more.
func (b *maker) tidy(database string, blobs []registry.Descriptor) error {
	keep := make(map[string]bool, len(blobs)+1)
	keep[database] = true
	for _, d := range blobs {
		keep[b.folder.Blob(d.Digest)] = true
	}
	blobFiles, err := b.folder.Blobs()
	if err != nil {
		return err
	}
	databases, err := filepath.Glob(b.folder.Path("database-*"))
	if err != nil {
		return err
	}
	for _, path := range append(blobFiles, databases...) {
		if keep[path] {
			continue
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// transfer brings blobs into a folder that has the store's layout.
type transfer struct {
	folder   store.Folder
	read     reading
	prove    bool        // do not trust what the folder has: read it
	progress func(int64) // told how many bytes are in place

	mu       sync.Mutex // protects the fields below, and is held around progress
	moved    int64
	there    int64
	unproven []Unproven
}

// reading opens a blob.
type reading func(context.Context, digest.Digest) (io.ReadCloser, error)

func (t *transfer) bring(ctx context.Context, blobs []registry.Descriptor) error {
	return parallel.Do(ctx, jobs, blobs, func(ctx context.Context, d registry.Descriptor) error {
		has, err := t.has(ctx, d)
		if err == nil && !has {
			err = t.move(ctx, d)
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if err == nil {
			t.there += d.Size
			t.progress(t.there)
			if !has {
				t.moved += d.Size
			}
		}
		if errors.Is(err, registry.ErrNotFound) || registry.WrongBytes(err) || errors.Is(err, syscall.EIO) {
			t.unproven = append(t.unproven, Unproven{d.Digest, strings.TrimPrefix(err.Error(), d.Digest.String()+": ")})
			return nil
		}
		return err
	})
}

// has reports whether the folder has a blob.
func (t *transfer) has(ctx context.Context, d registry.Descriptor) (bool, error) {
	path := t.folder.Blob(d.Digest)
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
	path := t.folder.Blob(d.Digest)
	f, err := os.CreateTemp(filepath.Dir(path), ".partial-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	err = registry.Prove(r, d, func(r io.Reader, proof io.Writer) error {
		return durable.NewWriter(f, 0).Fill(ctx, r, proof, nil)
	})
	if err != nil {
		return err
	}
	if err := durable.Sync(f); err != nil {
		return err
	}
	return durable.Rename(f.Name(), path)
}

// Restored is what Restore brought.
type Restored struct {
	Created time.Time  `json:"created"` // when the backup was taken
	Blobs   int64      `json:"blobs"`
	Bytes   int64      `json:"bytes"`
	Damaged []Unproven `json:"damaged,omitempty"` // blobs that the backup does not have whole
}

// RestoreOptions of a Restore. The zero value is the default.
type RestoreOptions struct {
	// Progress is told, from one goroutine at a time, how many bytes of blobs
	// are proven and in place, of how many in all. Nil for silence.
	Progress func(bytes, total int64)
}

// Restore makes the store of a backup in a data folder that holds none. Every
// digest is proven on the way, also of what an interrupted run brought; the
// database comes last. What the backup does not have whole is listed, and will
// be in quarantine: the rest serves.
func Restore(ctx context.Context, dir, data string, opts RestoreOptions) (*Restored, error) {
	if opts.Progress == nil {
		opts.Progress = func(int64, int64) {}
	}
	r, err := restore(ctx, store.Folder(dir), store.Folder(data), opts)
	if err != nil {
		return nil, fmt.Errorf("restore %s: %w", dir, registry.DiskError(err))
	}
	return r, nil
}

func restore(ctx context.Context, from, to store.Folder, opts RestoreOptions) (*Restored, error) {
	report, err := readReport(from)
	if err != nil {
		return nil, err
	}
	lock, err := to.Take()
	if err != nil {
		return nil, err
	}
	defer func() { _ = errors.Join(durable.Unlock(lock), lock.Close()) }()
	if _, err := os.Stat(to.Database()); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s holds a store already: name an empty folder", registry.ErrConflict, to)
	}
	blobs, err := store.SnapshotBlobs(ctx, databasePath(from, report.Database))
	if err != nil {
		return nil, err
	}
	if err := to.MakeBlobs(); err != nil {
		return nil, err
	}
	r := &Restored{Created: report.Created}
	for _, d := range blobs {
		r.Blobs++
		r.Bytes += d.Size
	}
	t := &transfer{folder: to, read: blobsOf(from), prove: true, progress: func(bytes int64) { opts.Progress(bytes, r.Bytes) }}
	if err := t.bring(ctx, blobs); err != nil {
		return nil, err
	}
	r.Damaged = t.unproven
	if err := to.Clear(); err != nil {
		return nil, err
	}
	return r, copyFile(ctx, databasePath(from, report.Database), to.Database())
}

// blobsOf reads blobs of a backup.
func blobsOf(from store.Folder) reading {
	return func(_ context.Context, d digest.Digest) (io.ReadCloser, error) {
		f, err := os.Open(from.Blob(d))
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: the backup has no such file", registry.ErrNotFound)
		}
		return f, err
	}
}

// readReport proves the database, too.
func readReport(from store.Folder) (*Report, error) {
	content, err := os.ReadFile(from.Path(reportFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: there is no %s: no backup was completed there", registry.ErrNotFound, reportFile)
	}
	if err != nil {
		return nil, err
	}
	var b Report
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", registry.ErrInvalid, reportFile, err)
	}
	if b.Version != version {
		return nil, fmt.Errorf("%w: %s: version %d, this program reads version %d", registry.ErrInvalid, reportFile, b.Version, version)
	}
	if _, err := registry.ParseDigest(b.Database.String()); err != nil {
		return nil, fmt.Errorf("%s: database: %w", reportFile, err)
	}
	f, err := os.Open(databasePath(from, b.Database))
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

func copyFile(ctx context.Context, from, to string) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := os.CreateTemp(filepath.Dir(to), filepath.Base(to)+".*")
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
