package media

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// drive is a source that is being looked after, by a goroutine of its own.
type drive struct {
	w     *Watcher
	key   string
	again chan struct{} // of one: it has to be looked through again
	gone  chan struct{} // closed when it is not there any more
	stop  context.CancelFunc
	done  chan struct{} // closed when the goroutine has ended

	free   chan struct{}   // closed when that is so, and nobody reads it
	before <-chan struct{} // free of the medium that was in the same device; nil: there was none

	// Protected by the watcher's mu.
	source  source
	way     way
	shown   Drive
	hits    []hit  // its candidates
	id      string // what shown.ID is when no other drive has it
	arrived bool   // somebody was told of it
	ejected bool
	readers []*File
	busy    time.Time // since when it is looked through; zero: it is not
	stuck   bool      // somebody was told that it does not answer
	tries   int       // looks after which it was unreadable
}

// way is how a drive is read. The zero way is none.
type way struct {
	tree   tree
	access Access
	mount  mount // that it is read by
}

func (d *drive) run(ctx context.Context) {
	defer d.leave()
	defer d.put(way{})
	if d.before != nil { // the kernel would take the one for the other
		select {
		case <-d.before:
		case <-ctx.Done():
			return
		}
	}
	for {
		d.look(ctx)
		select {
		case <-d.again:
		case <-ctx.Done():
			return
		}
	}
}

// leave tells that the goroutine has ended.
func (d *drive) leave() {
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	close(d.done)
	if len(d.readers) == 0 {
		close(d.free)
	}
}

// nudge has the drive looked through again.
func (d *drive) nudge() {
	select {
	case d.again <- struct{}{}:
	default:
	}
}

// put makes a way the drive's, and closes the one before.
func (d *drive) put(next way) {
	d.w.mu.Lock()
	before := d.way
	d.way = next
	d.w.mu.Unlock()
	if before.tree != nil && before.tree != next.tree {
		before.tree.close()
	}
}

// look finds out what the drive is and what is on it.
func (d *drive) look(ctx context.Context) {
	d.w.mu.Lock()
	d.busy = d.w.now()
	src, known := d.source, d.hits
	d.w.mu.Unlock()
	p := d.probe(src)
	shown := d.describe(src, p)
	err := d.choose(src, p)
	s := scan{tree: d.way.tree, options: d.w.options, known: known}
	if err == nil {
		err = s.run(ctx)
		shown.Access, shown.Where, shown.Cut = d.way.access, d.where(src), s.cut
	}
	shown.State = Ready
	if err != nil {
		shown.State, shown.Reason, s.hits = Unreadable, Printable(err.Error()), nil
	}
	shown.Candidates = []Candidate{}
	for _, h := range s.hits {
		shown.Candidates = append(shown.Candidates, h.Candidate)
	}
	shown.ReadOnly = src.folder == "" && !slices.ContainsFunc(src.mounts, func(n mount) bool { return n.write })
	if ctx.Err() == nil {
		d.w.publish(d, shown, s.hits)
	}
}

func (d *drive) where(src source) string {
	switch d.way.access {
	case ByMount:
		return Printable(d.way.mount.at)
	case ByFolder:
		return src.folder
	}
	return ""
}

// probed is what was found on a device.
type probed struct {
	super
	device *os.File // open, unless err is set or the source is no device
	err    error
}

func (d *drive) probe(src source) (p probed) {
	if src.name == "" {
		return p
	}
	if p.device, p.err = openDevice(src.block); p.err != nil {
		return p
	}
	if p.super, p.err = probe(p.device, src.size); p.err != nil {
		p.device.Close()
	}
	return p
}

// describe says what the drive is, without what is on it.
func (d *drive) describe(src source, p probed) (shown Drive) {
	if src.name == "" {
		if shown.ID = identity("folder", src.folder); src.folder == "" {
			shown.ID = identity("mount", src.mounts[0].at)
			shown.Type = Printable(src.mounts[0].kind)
		}
		return shown
	}
	hardware, serial := d.w.machine.hardware(src.disk)
	shown = Drive{Device: src.name, Hardware: Printable(hardware), Size: src.size, Type: p.kind, UUID: Printable(p.uuid), Label: Printable(p.label)}
	if shown.Type == "" && len(src.mounts) > 0 {
		shown.Type = Printable(src.mounts[0].kind)
	}
	if p.uuid == "" && serial == "" {
		serial = "at " + src.name // nothing else tells it from another
	}
	part := strings.TrimPrefix(src.name, src.disk)
	shown.ID = identity(shown.Type, p.uuid, serial, part, fmt.Sprint(src.size))
	return shown
}

// identity is an id made of what does not change.
func identity(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:8])
}

// openDevice opens a block device, and proves that it is the one that is meant.
func openDevice(b block) (*os.File, error) {
	f, err := os.OpenFile(b.path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && numberOf(info) != b.number {
		err = fmt.Errorf("%s is not device %s", b.path, b.number)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// numberOf is the number of a block device; empty when it is none.
func numberOf(info os.FileInfo) string {
	s, ok := info.Sys().(*unixStat)
	if !ok || info.Mode()&os.ModeDevice == 0 || info.Mode()&os.ModeCharDevice != 0 {
		return ""
	}
	return number(s.Rdev)
}

func number(dev uint64) string { return fmt.Sprintf("%d:%d", unix.Major(dev), unix.Minor(dev)) }

// choose finds a way to read the drive, or keeps the one that it has. It takes
// care of the device that was probed.
func (d *drive) choose(src source, p probed) error {
	if src.folder != "" {
		reach := func() (*os.File, error) { return os.OpenFile(src.folder, unix.O_PATH|unix.O_DIRECTORY, 0) }
		d.put(way{tree: &folderTree{reach: reach}, access: ByFolder})
		return nil
	}
	if d.way.access == ByOwn || d.way.access == ByMount && slices.Contains(src.mounts, d.way.mount) {
		p.close()
		return nil
	}
	var problems []error
	for _, n := range src.mounts {
		top, err := openMount(n)
		if err == nil {
			top.Close()
			p.close()
			d.put(way{&folderTree{reach: func() (*os.File, error) { return openMount(n) }}, ByMount, n})
			return nil
		}
		problems = append(problems, err)
	}
	next, err := d.byDevice(src, p)
	d.put(next)
	return errors.Join(append(problems, err)...)
}

func (p probed) close() {
	if p.device != nil && p.err == nil {
		p.device.Close()
	}
}

// openMount opens what somebody has mounted, and proves that it is seen there.
func openMount(n mount) (*os.File, error) {
	top, err := os.OpenFile(filepath.Clean(n.at), unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	info, err := top.Stat()
	if err == nil && n.kind != "btrfs" { // whose files have numbers of their own
		if s, ok := info.Sys().(*unixStat); ok && number(s.Dev) != n.number {
			err = fmt.Errorf("at %s is something else by now", n.at)
		}
	}
	if err != nil {
		top.Close()
		return nil, err
	}
	return top, nil
}

// byDevice reads what nobody has mounted.
func (d *drive) byDevice(src source, p probed) (way, error) {
	if src.name == "" || p.err != nil {
		return way{}, p.err
	}
	_, known := fileSystems[p.kind]
	var problem error
	if known && d.w.options.Mount {
		top, err := mountDevice(src.path, p.kind)
		if err == nil {
			p.close()
			return way{tree: &folderTree{held: top}, access: ByOwn}, nil
		}
		problem = err
	}
	switch {
	case p.fat != nil:
		return way{tree: newFATTree(p.device, src.size, p.fat), access: ByDevice}, nil
	case p.iso != nil:
		return way{tree: newISOTree(p.device, p.iso), access: ByDevice}, nil
	}
	p.close()
	switch {
	case problem != nil:
		return way{}, problem
	case p.kind == "":
		return way{}, errors.New("it has no file system that is known here")
	case p.kind == "crypto_LUKS":
		return way{}, errors.New("it is encrypted (LUKS)")
	case !known:
		return way{}, fmt.Errorf("it has no files, it is of type %s", p.kind)
	}
	return way{}, fmt.Errorf("%s can only be read when it is mounted, and nobody has mounted it", p.kind)
}
