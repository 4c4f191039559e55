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

// Eject lets go of a drive, so that it can be pulled out, and tells that it is
// Safe. It is not looked at again until it was. ErrConflict, with the reason, when
// somebody reads it, or has mounted it to write to it; ErrNotFound when there is
// no such drive; ErrInvalid when it is a folder.
func (w *Watcher) Eject(ctx context.Context, id string) error {
	d, err := w.begin(id)
	if err != nil {
		return fmt.Errorf("drive %s: %w", id, err)
	}
	d.stop()
	select {
	case <-d.done:
	case <-ctx.Done():
		return fmt.Errorf("drive %s: %w: it does not answer", id, registry.ErrUnreachable)
	}
	err = d.unused(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.drives[d.key] != d {
		return nil // pulled out meanwhile
	}
	d.hits = nil
	d.shown.State, d.shown.Candidates, d.shown.Access, d.shown.Where = Ejected, []Candidate{}, "", ""
	if err != nil {
		d.shown.Reason = Printable(err.Error())
		w.say(Event{Kind: Changed, Drive: d.copy()})
		return fmt.Errorf("drive %s: %w", id, err)
	}
	w.say(Event{Kind: Safe, Drive: d.copy()})
	return nil
}

// begin keeps new readers away from a drive that has none.
func (w *Watcher) begin(id string) (*drive, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := w.byID(id)
	switch {
	case d == nil:
		return nil, registry.ErrNotFound
	case d.source.name == "":
		return nil, fmt.Errorf("%w: what is at %s is not ours to eject", registry.ErrInvalid, d.source.title())
	case len(d.readers) > 0:
		return nil, fmt.Errorf("%w: it is read by %s", registry.ErrConflict, strings.Join(d.shown.Readers, ", "))
	}
	for _, n := range d.source.mounts {
		if n.write {
			return nil, fmt.Errorf("%w: somebody has mounted it at %s and may write to it: unmount it there", registry.ErrConflict, Printable(n.at))
		}
	}
	d.ejected = true
	return d, nil
}

// unused proves that nobody else uses the device: others may have mounted it where
// this process cannot see it. A mount that can be seen is one that cannot write.
func (d *drive) unused(ctx context.Context) error {
	if len(d.source.mounts) > 0 {
		return nil
	}
	late := time.After(last)
	for {
		f, err := os.OpenFile(d.source.path, os.O_RDONLY|unix.O_EXCL|unix.O_NONBLOCK, 0)
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
		return fmt.Errorf("%w: another program uses %s", registry.ErrConflict, d.source.path)
	}
}
