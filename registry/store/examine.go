package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/internal/units"
)

// Finding is one thing that an examination says about a store.
type Finding struct {
	Level string `json:"level"` // ok, note, warning, error
	What  string `json:"what"`  // what was looked at
	Is    string `json:"is"`    // how it is
	Mend  string `json:"mend,omitempty"`
}

// The levels of findings.
const (
	LevelOK      = "ok"
	LevelNote    = "note"
	LevelWarning = "warning"
	LevelError   = "error"
)

// scrubAge is after what time a store should be scrubbed again.
const scrubAge = 30 * 24 * time.Hour

// Examine says how the store is, what is wrong and what mends it. What it finds
// damaged goes into quarantine; otherwise it changes nothing.
func (s *Store) Examine(ctx context.Context) ([]Finding, error) {
	var list []Finding
	for _, look := range []func(context.Context) (Finding, error){
		s.examineDatabase, s.examineFolder, s.examineSpace, s.examineInodes, s.examineFiles,
		s.examineQuarantine, s.examineScrub, s.examineClock, s.examineTrash, s.examineUploads,
	} {
		f, err := look(ctx)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			f.Level, f.Is = LevelError, err.Error()
		}
		list = append(list, f)
	}
	return list, nil
}

func (s *Store) examineDatabase(ctx context.Context) (Finding, error) {
	f := Finding{Level: LevelOK, What: "database " + s.path(Database), Is: "whole"}
	complaints, err := s.db.Check(ctx)
	if err != nil || len(complaints) > 0 {
		f.Level, f.Is = LevelError, strings.Join(complaints, "; ")
		f.Mend = "stop Landfall, move the data folder aside, and 'landfall content restore' the last backup; without one, import the site's bundles into a new folder"
	}
	return f, err
}

// examineFolder writes, syncs and removes a file.
func (s *Store) examineFolder(context.Context) (Finding, error) {
	f := Finding{Level: LevelOK, What: "data folder " + string(s.folder), Is: "can be written"}
	probe, err := os.CreateTemp(s.path(incomingDir), "probe-*")
	if err == nil {
		defer os.Remove(probe.Name())
		defer probe.Close()
		_, err = probe.WriteString("probe")
	}
	if err == nil {
		err = durable.Sync(probe)
	}
	switch {
	case errors.Is(err, unix.EROFS):
		f.Mend = "the file system is mounted read-only, perhaps after an error of the disk: look at the kernel's log, check the file system, mount it writable; pulls go on meanwhile"
	case errors.Is(err, unix.EIO):
		f.Mend = "the disk fails: take a backup now ('landfall content backup DIR'), then replace it"
	case errors.Is(err, unix.ENOSPC):
		f.Mend = "free some space: 'landfall content collect --now' needs none to begin"
	case err != nil:
		f.Mend = "make the folder writable for the user that runs Landfall"
	}
	return f, err
}

func (s *Store) examineSpace(context.Context) (Finding, error) {
	var st unix.Statfs_t
	f := Finding{Level: LevelOK, What: "free space"}
	if err := unix.Statfs(string(s.folder), &st); err != nil {
		return f, err
	}
	free, all := int64(st.Bavail)*st.Bsize, int64(st.Blocks)*st.Bsize
	f.Is = fmt.Sprintf("%s of %s", units.Bytes(free), units.Bytes(all))
	if free < all/20 {
		f.Level, f.Mend = LevelWarning, "'landfall content collect --dry-run' says what can go; what must be kept needs a larger disk"
	}
	if info, err := os.Stat(s.path(ballastFile)); err != nil || info.Size() != ballastSize {
		f.Is += "; the reserve for freeing space is not there"
	}
	return f, nil
}

func (s *Store) examineInodes(context.Context) (Finding, error) {
	var st unix.Statfs_t
	f := Finding{Level: LevelOK, What: "free inodes", Is: "no limit"}
	if err := unix.Statfs(string(s.folder), &st); err != nil || st.Files == 0 {
		return f, err
	}
	f.Is = fmt.Sprintf("%d of %d", st.Ffree, st.Files)
	if st.Ffree < st.Files/20 {
		f.Level, f.Mend = LevelWarning, "every blob needs one: collect, or make the file system anew with more inodes"
	}
	return f, nil
}

// examineFiles compares all rows and files; what it finds is told by
// examineQuarantine, which comes next.
func (s *Store) examineFiles(ctx context.Context) (Finding, error) {
	f := Finding{Level: LevelOK, What: "blobs and database", Is: "every row has a file of its size"}
	before := s.damaged.Load()
	err := s.recount(ctx)
	if err != nil {
		f.Mend = "the blobs cannot be listed: look at the kernel's log, check the file system"
	} else if n := s.damaged.Load() - before; n > 0 {
		f.Level, f.Is = LevelError, fmt.Sprintf("%d blobs have no file, or one of the wrong size: the folder was changed from outside, or an older copy was put back", n)
		f.Mend = "see quarantine"
	}
	return f, err
}

func (s *Store) examineQuarantine(ctx context.Context) (Finding, error) {
	f := Finding{Level: LevelOK, What: "quarantine", Is: "empty"}
	damaged, err := s.Damaged(ctx)
	if err != nil || len(damaged) == 0 {
		return f, err
	}
	var lines []string
	for _, d := range damaged {
		line := d.Kind + " " + d.Digest.String() + ": " + d.Cause
		if len(d.Breaks) > 0 {
			line += ", needed by " + strings.Join(d.Breaks, ", ")
		}
		lines = append(lines, line)
	}
	f.Level, f.Is = LevelError, fmt.Sprintf("%d damaged: %s", len(damaged), strings.Join(lines, "; "))
	f.Mend = "import the bundle again that brought it, or push the image again: only what is missing is moved"
	return f, nil
}

func (s *Store) examineScrub(ctx context.Context) (Finding, error) {
	f := Finding{Level: LevelOK, What: "last scrub"}
	var p pass
	found, err := s.document(ctx, scrubDocument, &p)
	switch {
	case err != nil:
	case !found:
		f.Level, f.Is = LevelNote, "never"
	case p.Finished.IsZero():
		f.Level, f.Is = LevelNote, fmt.Sprintf("began %s, %s read so far", p.Started.Format(time.RFC3339), units.Bytes(p.Bytes))
	default:
		f.Is = fmt.Sprintf("ended %s, %s read, %d damaged", p.Finished.Format(time.RFC3339), units.Bytes(p.Bytes), p.Damaged)
		if time.Since(p.Finished) > scrubAge {
			f.Level = LevelWarning
		}
	}
	if f.Level != LevelOK {
		f.Mend = "'landfall content scrub', or let the appliance do it (serve --scrub-rate)"
	}
	return f, err
}

func (s *Store) examineClock(ctx context.Context) (Finding, error) {
	f := Finding{Level: LevelOK, What: "clock", Is: "not behind what the store holds"}
	var newest int64
	err := s.db.Read.QueryRowContext(ctx, `SELECT max(coalesce((SELECT max(linked_at) FROM repository_blobs), 0),
		coalesce((SELECT max(linked_at) FROM repository_manifests), 0), coalesce((SELECT max(updated_at) FROM tags), 0))`).Scan(&newest)
	if at := time.UnixMilli(newest); err == nil && at.After(time.Now().Add(clockSkew)) {
		f.Level, f.Is = LevelWarning, fmt.Sprintf("is %s; the store holds content from %s", time.Now().UTC().Format(time.RFC3339), at.UTC().Format(time.RFC3339))
		f.Mend = "set the clock; retention by age and the trash go by it"
	}
	return f, err
}

func (s *Store) examineTrash(ctx context.Context) (Finding, error) {
	t, err := s.Trash(ctx)
	f := Finding{Level: LevelOK, What: "trash", Is: "empty"}
	if t.Blobs+t.Manifests > 0 {
		f.Level, f.Is = LevelNote, fmt.Sprintf("%d blobs of %s, %d manifests", t.Blobs, units.Bytes(t.Bytes), t.Manifests)
		f.Mend = "'landfall content collect --now' frees it, 'landfall content undo' brings it back"
	}
	return f, err
}

func (s *Store) examineUploads(context.Context) (Finding, error) {
	f := Finding{Level: LevelOK, What: "uploads", Is: "none under way"}
	entries, err := os.ReadDir(s.path(uploadsDir))
	var bytes int64
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			bytes += info.Size()
		}
	}
	if len(entries) > 0 {
		f.Level, f.Is = LevelNote, fmt.Sprintf("%d under way, %s; they end %s after their last byte", len(entries), units.Bytes(bytes), s.options.UploadExpiry)
	}
	return f, err
}

// Diagnose says why a store cannot be opened, and what mends that.
func Diagnose(dir string, err error) Finding {
	f := Finding{Level: LevelError, What: "data folder " + dir, Is: err.Error()}
	text := err.Error()
	switch {
	case errors.As(err, new(*InUseError)):
		f.Level, f.Mend = LevelWarning, "another process works on it: end that, or ask the appliance with --server"
	case errors.Is(err, unix.EROFS):
		f.Mend = "the file system is mounted read-only, perhaps after an error of the disk: look at the kernel's log, check the file system, mount it writable"
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		f.Mend = "run as the user that owns the folder"
	case strings.Contains(text, "malformed"), strings.Contains(text, "not a database"):
		f.Mend = "the database " + filepath.Join(dir, Database) + " is damaged: move the folder aside and 'landfall content restore' the last backup; without one, import the site's bundles into a new folder"
	case errors.Is(err, unix.EIO), strings.Contains(text, "disk I/O error"):
		f.Mend = "the disk fails: look at the kernel's log; save what can be read, then replace it"
	case errors.Is(err, unix.ENOSPC):
		f.Mend = "the disk is full: remove something beside the data folder, then 'landfall content collect --now'"
	}
	return f
}
