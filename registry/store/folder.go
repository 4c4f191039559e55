package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/registry"
)

// The data folder:
//
//	lock                         held while a process has the store open; its pid
//	landfall.db                  SQLite: everything but blob bytes
//	blobs/<algorithm>/<xx>/<hex> one file a blob, complete since it exists; xx: its first two digits
//	incoming/                    blobs on their way in; emptied at start
//	uploads/<id>                 upload sessions, which survive a restart
//	quarantine/<algorithm>-<hex> what was found in place of a blob
//	ballast                      room for freeing room, see ballast.go
//	closed                       exists while the store is closed cleanly; the database's count of writes then
const (
	lockFile      = "lock"
	Database      = "landfall.db" // there when the folder holds a store
	blobsDir      = "blobs"
	incomingDir   = "incoming"
	uploadsDir    = "uploads"
	quarantineDir = "quarantine"
	ballastFile   = "ballast"
	closedFile    = "closed"
)

// Folder is a data folder, or another one that keeps blobs as a data folder does.
type Folder string

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

// Path is below the folder.
func (f Folder) Path(elem ...string) string {
	return filepath.Join(append([]string{string(f)}, elem...)...)
}

// Blob is where a blob's file is.
func (f Folder) Blob(d digest.Digest) string {
	hex := d.Encoded()
	return f.Path(blobsDir, d.Algorithm().String(), hex[:2], hex)
}

// Blobs are the files that are called like blobs.
func (f Folder) Blobs() ([]string, error) { return filepath.Glob(f.Path(blobsDir, "*", "??", "*")) }

// Database is where the database is.
func (f Folder) Database() string { return f.Path(Database) }

// Clear removes what a store leaves beside its database: SQLite would play its
// log into another one, and the next start would not compare files and rows.
func (f Folder) Clear() error {
	for _, name := range []string{closedFile, Database + "-wal", Database + "-shm"} {
		if err := removeIfThere(f.Path(name)); err != nil {
			return err
		}
	}
	return nil
}

// Take makes the folder if it is not there and takes it for this process until
// the file is closed; *InUseError when another has it.
func (f Folder) Take() (*os.File, error) {
	if err := durable.MkdirAll(string(f), 0o700); err != nil {
		return nil, err
	}
	return f.lock()
}

func (f Folder) lock() (*os.File, error) {
	path := f.Path(lockFile)
	file, openErr := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if errors.Is(openErr, syscall.EROFS) { // who has it must be found all the same
		if readable, err := os.Open(path); err == nil {
			file = readable
		}
	}
	if file == nil {
		return nil, openErr
	}
	ok, err := durable.Lock(file)
	if err == nil && !ok {
		holder, _ := os.ReadFile(file.Name())
		pid, _ := strconv.Atoi(strings.TrimSpace(string(holder)))
		err = &InUseError{string(f), pid}
	}
	if err == nil {
		err = openErr
	}
	if err == nil {
		err = file.Truncate(0)
	}
	if err == nil {
		_, err = file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// MakeBlobs makes all blob folders at once, so that none has to be made durable
// while blobs arrive.
func (f Folder) MakeBlobs() error {
	for _, algorithm := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
		parent := f.Path(blobsDir, algorithm.String())
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
