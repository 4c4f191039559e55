package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/landfall-dev/landfall/registry"
)

// File is an open candidate. It stays readable while its drive is there, whatever
// becomes of the way that the drive is read by.
type File struct {
	content
	w    *Watcher
	d    *drive
	who  string
	name string
}

var _ io.ReaderAt = (*File)(nil)

// Open opens a candidate of a drive by their ids, for somebody whose name is shown
// to those who want to eject the drive. It may be another file by now than the one
// that was looked at. ErrNotFound when there is no such drive or candidate,
// ErrConflict when the drive is being ejected.
func (w *Watcher) Open(ctx context.Context, driveID, candidateID, who string) (*File, error) {
	f := &File{w: w, who: who}
	t, at, err := w.hold(f, driveID, candidateID)
	if err != nil {
		return nil, err
	}
	if f.content, err = t.open(ctx, at); err != nil {
		f.release()
		if errors.Is(err, os.ErrClosed) { // between two ways to read the drive
			err = errOtherTree
		}
		return nil, f.Explain(fmt.Errorf("%s: %w", f.name, err))
	}
	return f, nil
}

// hold counts f among the readers of a drive.
func (w *Watcher) hold(f *File, driveID, candidateID string) (t tree, at node, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.byID(driveID)
	if d == nil {
		return nil, at, fmt.Errorf("drive %s: %w", driveID, registry.ErrNotFound)
	}
	if d.ejected {
		return nil, at, fmt.Errorf("drive %s: %w: it was ejected", driveID, registry.ErrConflict)
	}
	i := slices.IndexFunc(d.hits, func(h hit) bool { return h.ID == candidateID })
	if i < 0 || d.way.tree == nil {
		return nil, at, fmt.Errorf("drive %s: file %s: %w", driveID, candidateID, registry.ErrNotFound)
	}
	f.d, f.name = d, d.hits[i].Name
	d.readers = append(d.readers, f)
	w.tellReaders(d)
	return d.way.tree, d.hits[i].at, nil
}

// byID is the drive with an id; nil when there is none.
func (w *Watcher) byID(id string) *drive {
	for _, d := range w.drives {
		if d.arrived && d.shown.ID == id {
			return d
		}
	}
	return nil
}

// tellReaders shows who reads a drive.
func (w *Watcher) tellReaders(d *drive) {
	d.shown.Readers = nil
	for _, f := range d.readers {
		d.shown.Readers = append(d.shown.Readers, f.who)
	}
	if w.drives[d.key] == d {
		w.say(Event{Kind: Changed, Drive: d.copy()})
	}
}

func (f *File) release() {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	i := slices.Index(f.d.readers, f)
	if i < 0 {
		return // closed twice
	}
	f.d.readers = slices.Delete(f.d.readers, i, i+1)
	f.w.tellReaders(f.d)
	select {
	case <-f.d.done:
		if len(f.d.readers) == 0 { // and nobody can begin to, now
			close(f.d.free)
		}
	default:
	}
}

// Name is the candidate's name, Printable.
func (f *File) Name() string { return f.name }

// Size is its length in bytes.
func (f *File) Size() int64 { return f.size }

// OS is the open file itself, which Close closes; nil when the drive is read
// without the kernel's file systems. What fails there has to be given to Explain.
func (f *File) OS() *os.File {
	if f.bare {
		return nil
	}
	return f.file
}

// ReadAt implements io.ReaderAt. ErrRemoved when the drive is not there any more.
func (f *File) ReadAt(p []byte, offset int64) (int, error) {
	select {
	case <-f.d.gone:
		return 0, f.removed(nil)
	default:
	}
	n, err := f.content.ReadAt(p, offset)
	return n, f.Explain(err)
}

// Explain turns an error of a drive that was pulled out into ErrRemoved. When a
// device fails, it waits for a moment for the news that it is gone. Other errors,
// those of a drive that is bad, it returns as they are.
func (f *File) Explain(err error) error {
	if !failed(err) || errors.Is(err, ErrRemoved) {
		return err
	}
	f.w.poke()
	select {
	case <-f.d.gone:
		return f.removed(err)
	case <-time.After(grace):
		return err
	}
}

// removed hides that the bytes ended: who reads would take the file for cut off.
func (f *File) removed(err error) error {
	if err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s: %w", f.name, ErrRemoved)
	}
	return fmt.Errorf("%s: %w (%w)", f.name, ErrRemoved, err)
}

// failed reports whether an error is one with which a device ends.
func failed(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || slices.ContainsFunc(
		[]syscall.Errno{syscall.EIO, syscall.ENODEV, syscall.ENXIO, syscall.ENOMEDIUM, syscall.ESTALE, syscall.ENOTCONN, syscall.ESHUTDOWN},
		func(n syscall.Errno) bool { return errors.Is(err, n) })
}

// Close lets go of the file.
func (f *File) Close() error {
	err := f.file.Close()
	f.release()
	return err
}
