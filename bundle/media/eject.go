package media

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/landfall-dev/landfall/registry"
)

// Eject lets go of a drive, and of the others on the same disk, so that it can be
// pulled out, and tells that they are Safe. They are not looked at again until they
// were. ErrConflict, with the reason, when somebody reads one of them, or has
// mounted it to write to it; ErrNotFound when there is no such drive; ErrInvalid
// when it is a folder.
func (w *Watcher) Eject(ctx context.Context, id string) error {
	disk, err := w.begin(id)
	for _, d := range disk {
		d.stop()
	}
	for _, d := range disk {
		if err == nil {
			err = w.letGo(ctx, d)
		}
	}
	w.ejected(disk, err)
	if err != nil {
		return fmt.Errorf("drive %s: %w", id, err)
	}
	return nil
}

// begin keeps new readers away from a disk that has none, and returns its drives.
func (w *Watcher) begin(id string) (disk []*drive, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	wanted := w.byID(id)
	if wanted == nil {
		return nil, registry.ErrNotFound
	}
	if wanted.source.name == "" {
		return nil, fmt.Errorf("%w: what is at %s is not ours to eject", registry.ErrInvalid, wanted.source.title())
	}
	for _, d := range w.drives {
		if d.source.disk != wanted.source.disk {
			continue
		}
		if len(d.readers) > 0 {
			return nil, fmt.Errorf("%w: %s is read by %s", registry.ErrConflict, d.source.name, strings.Join(d.shown.Readers, ", "))
		}
		for _, n := range d.source.mounts {
			if n.write {
				return nil, fmt.Errorf("%w: somebody has mounted %s at %s and may write to it: unmount it there", registry.ErrConflict, d.source.name, Printable(n.at))
			}
		}
		disk = append(disk, d)
	}
	for _, d := range disk {
		d.ejected = true
	}
	return disk, nil
}

// letGo waits until a drive that was stopped is let go of by all.
func (w *Watcher) letGo(ctx context.Context, d *drive) error {
	select {
	case <-d.done:
	case <-ctx.Done():
		return fmt.Errorf("%w: it does not answer", registry.ErrUnreachable)
	}
	w.mu.Lock()
	src := d.source
	w.mu.Unlock()
	return src.unused(ctx)
}

// ejected tells that the drives of a disk are safe, or why not.
func (w *Watcher) ejected(disk []*drive, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range disk {
		if w.drives[d.key] != d || !d.arrived { // pulled out meanwhile, or nobody knows of it
			continue
		}
		d.hits = nil
		d.shown.State, d.shown.Candidates, d.shown.Access, d.shown.Where, d.shown.Reason = Ejected, []Candidate{}, "", "", ""
		kind := Safe
		if err != nil {
			kind, d.shown.Reason = Changed, Printable(err.Error())
		}
		w.say(Event{Kind: kind, Drive: d.copy()})
	}
}

// unused proves that nobody else uses the device: others may have mounted it where
// this process cannot see it. A mount that can be seen is one that cannot write.
func (s source) unused(ctx context.Context) error {
	if len(s.mounts) > 0 {
		return nil
	}
	late := time.After(last)
	for {
		f, err := os.OpenFile(s.path, os.O_RDONLY|unix.O_EXCL|unix.O_NONBLOCK, 0)
		if err == nil {
			return f.Close()
		}
		if !errors.Is(err, unix.EBUSY) {
			return nil // it cannot be told, or it is gone
		}
		select {
		case <-time.After(last / 20): // a mount takes a moment to end
			continue
		case <-late:
		case <-ctx.Done():
		}
		return fmt.Errorf("%w: another program uses %s", registry.ErrConflict, s.path)
	}
}
