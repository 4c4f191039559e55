package media

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

type unixStat = syscall.Stat_t

const (
	soon     = 300 * time.Millisecond // after an event that comes before what it tells of
	grace    = 5 * time.Second        // between a device's first error and the event of its end
	last     = 2 * time.Second        // for what a drive's goroutine does when it has to end
	patience = 10 * time.Second       // how long a device may take beyond the time for looking through it
	maxTries = 6                      // looks at what cannot be read
)

// Watcher knows the drives that are there. The zero Watcher is none.
type Watcher struct {
	options Options
	machine machine
	now     func() time.Time
	wake    chan struct{} // of one: look
	queued  chan struct{} // of one: there is something to tell

	// Of the goroutine that looks.
	dead map[string]bool // media whose end was told of, and which may be seen for a while
	gen  map[string]int  // counts the media of disks, where the kernel does not

	mu     sync.Mutex // protects what follows
	drives map[string]*drive
	heard  []uevent
	all    bool                       // everything has to be looked through again
	leave  map[string]<-chan struct{} // by device number: free of the drive that was there
	queue  []Event                    // that were not told yet
	said   map[string]bool            // findings
}

// New makes a watcher. It does nothing before Keep.
func New(options Options) *Watcher {
	return &Watcher{
		options: options.withDefaults(), machine: machine{"/sys", "/dev", "/proc"}, now: time.Now,
		wake: make(chan struct{}, 1), queued: make(chan struct{}, 1),
		dead: map[string]bool{}, gen: map[string]int{}, drives: map[string]*drive{}, leave: map[string]<-chan struct{}{}, said: map[string]bool{},
	}
}

// Keep watches until ctx ends. It must be called once. A drive that does not
// answer then is left to itself, with its thread.
func (w *Watcher) Keep(ctx context.Context) {
	var own sync.WaitGroup
	ended := make(chan struct{})
	own.Go(func() { w.tell(ended) })
	l, findings, err := listen(w.machine.proc)
	if err != nil {
		findings = append(findings, err.Error())
	} else {
		own.Go(func() { l.run(w.hear) })
	}
	w.find(findings)
	w.watch(ctx)
	if l != nil {
		l.end()
	}
	w.end()
	close(ended)
	own.Wait()
}

// watch looks whenever there is a reason to.
func (w *Watcher) watch(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		case <-timer.C:
		}
		next := w.options.Every
		if w.look(ctx) {
			next = min(next, soon)
		}
		timer.Reset(next)
	}
}

// end ends the goroutines of all drives, those excepted that do not answer.
func (w *Watcher) end() {
	w.mu.Lock()
	var list []*drive
	for _, d := range w.drives {
		list = append(list, d)
		d.stop()
	}
	w.mu.Unlock()
	late := time.After(last)
	for _, d := range list {
		select {
		case <-d.done:
			continue
		default:
		}
		select {
		case <-d.done:
		case <-late:
			w.options.Log.Error("a drive does not answer", "drive", d.key)
			late = time.After(0)
		}
	}
}

// Rescan looks for drives, and through all that are there.
func (w *Watcher) Rescan() {
	w.mu.Lock()
	w.all = true
	w.mu.Unlock()
	w.poke()
}

func (w *Watcher) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// hear takes in what the kernel tells.
func (w *Watcher) hear(n news) {
	w.mu.Lock()
	w.heard = append(w.heard, n.events...)
	w.mu.Unlock()
	w.poke()
}

// look compares what is there with what is known. It reports whether that has to
// be repeated soon.
func (w *Watcher) look(ctx context.Context) (again bool) {
	w.mu.Lock()
	heard, all := w.heard, w.all
	w.heard, w.all = nil, false
	w.mu.Unlock()
	for _, e := range heard {
		again = w.consider(e) || again
	}
	list, findings := w.machine.sources(w.options)
	w.find(findings)
	list = w.alive(list)

	w.mu.Lock()
	defer w.mu.Unlock()
	there := map[string]source{}
	for _, s := range list {
		there[s.key(w.gen)] = s
	}
	for key, d := range w.drives {
		if _, ok := there[key]; !ok {
			w.retire(d)
		}
	}
	for key, s := range there {
		if d := w.drives[key]; d == nil {
			w.start(ctx, key, s)
		} else {
			w.renew(d, s, all)
		}
	}
	return again
}

// consider notes what an event says of the medium in a disk: sysfs may show it
// for a while after its end.
func (w *Watcher) consider(e uevent) (again bool) {
	key := e.name + " " + e.seq
	switch {
	case e.action == "remove" && e.disk:
		w.dead[key] = true
		w.gen[e.name]++
	case e.action == "remove":
		return true
	case e.action == "add" && e.disk:
		delete(w.dead, key)
	case e.action == "change" && e.medium && e.seq == "":
		w.gen[e.name]++
	}
	return false
}

// alive leaves out the media whose end was told of, and forgets those that are
// not seen any more.
func (w *Watcher) alive(list []source) []source {
	seen := map[string]bool{}
	list = slices.DeleteFunc(list, func(s source) bool {
		key := s.disk + " " + s.seq
		seen[key] = true
		return s.name != "" && w.dead[key]
	})
	for key := range w.dead {
		if !seen[key] {
			delete(w.dead, key)
		}
	}
	return list
}

// start begins to look after a source.
func (w *Watcher) start(ctx context.Context, key string, s source) {
	d := &drive{w: w, key: key, source: s, again: make(chan struct{}, 1), gone: make(chan struct{}), done: make(chan struct{}), free: make(chan struct{})}
	if s.name != "" {
		d.before = w.leave[s.number]
		delete(w.leave, s.number)
	}
	d.busy = w.now()
	ctx, d.stop = context.WithCancel(ctx)
	w.drives[key] = d
	go d.run(ctx)
}

// renew tells a drive's goroutine what has changed.
func (w *Watcher) renew(d *drive, s source, all bool) {
	other := !reflect.DeepEqual(d.source.mounts, s.mounts)
	d.source = s
	if d.ejected {
		return
	}
	again := d.arrived && d.shown.State == Unreadable && d.tries < maxTries // its rights may not be set yet
	if all || other || again || s.folder != "" {
		d.nudge()
	}
	if !d.busy.IsZero() && !d.stuck && w.now().Sub(d.busy) > w.options.MaxTime+patience {
		d.stuck = true
		w.say(Event{Kind: Finding, Finding: fmt.Sprintf("%s does not answer: pull it out and try it elsewhere", s.title())})
	}
}

// retire forgets a drive that is not there any more.
func (w *Watcher) retire(d *drive) {
	delete(w.drives, d.key)
	close(d.gone)
	d.stop()
	if d.source.name != "" {
		w.leave[d.source.number] = d.free
	}
	if d.arrived {
		w.say(Event{Kind: Removed, Drive: d.copy()})
	}
}

// publish tells what a look through a drive has found.
func (w *Watcher) publish(d *drive, shown Drive, hits []hit) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d.busy, d.stuck = time.Time{}, false
	if w.drives[d.key] != d || d.ejected {
		return
	}
	if d.tries++; shown.State != Unreadable {
		d.tries = 0
	}
	kind := Changed
	switch {
	case !d.arrived:
		kind = Arrived
	case d.id != shown.ID: // formatted anew
		w.say(Event{Kind: Removed, Drive: d.copy()})
		kind = Arrived
	}
	w.name(d, &shown)
	shown.Readers = d.shown.Readers
	if kind == Changed && reflect.DeepEqual(d.shown, shown) && reflect.DeepEqual(d.hits, hits) {
		return
	}
	d.shown, d.hits, d.arrived = shown, hits, true
	w.say(Event{Kind: kind, Drive: d.copy()})
}

// name gives a drive its id. That of a copy, bit by bit, of another drive that is
// there is told apart.
func (w *Watcher) name(d *drive, shown *Drive) {
	if d.arrived && d.id == shown.ID {
		shown.ID = d.shown.ID
		return
	}
	d.id = shown.ID
	for _, other := range w.drives {
		if other != d && other.arrived && other.shown.ID == d.id {
			shown.ID = d.id + "-" + identity(d.key)[:4]
		}
	}
}

func (d *drive) copy() *Drive {
	shown := d.shown
	return &shown
}

// find tells what the operator should know, each thing once.
func (w *Watcher) find(findings []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, text := range findings {
		if !w.said[text] {
			w.said[text] = true
			w.say(Event{Kind: Finding, Finding: text})
		}
	}
}

// say puts an event into the queue. The caller holds mu: events are told in the
// order in which things happen.
func (w *Watcher) say(e Event) {
	w.queue = append(w.queue, e)
	select {
	case w.queued <- struct{}{}:
	default:
	}
}

// tell tells the events of the queue until ended is closed and it is empty.
func (w *Watcher) tell(ended <-chan struct{}) {
	for over := false; !over; {
		select {
		case <-w.queued:
		case <-ended:
			over = true
		}
		w.mu.Lock()
		list := w.queue
		w.queue = nil
		w.mu.Unlock()
		for _, e := range list {
			w.options.Tell(e)
		}
	}
}

// Drives are those that are there now, by device and folder.
func (w *Watcher) Drives() []Drive {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := []Drive{}
	for _, d := range w.drives {
		if d.arrived {
			list = append(list, d.shown)
		}
	}
	slices.SortFunc(list, func(a, b Drive) int {
		return strings.Compare(a.Device+" "+a.Where+" "+a.ID, b.Device+" "+b.Where+" "+b.ID)
	})
	return list
}
