package agent

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

const (
	retryFirst   = time.Second // after the appliance could not be reached; doubled up to
	retryMost    = 30 * time.Second
	tellEvery    = 2 * time.Second // a running operation's progress
	inventEvery  = time.Minute
	inventAgain  = 5 * time.Second
	renewEvery   = time.Hour
	inventAnyway = 10 // times inventEvery: it is sent though nothing has changed
)

// Run asks the appliance for work, does it, and reports until ctx ends, or until the
// host was unlinked: then it is cleaned, and nil is returned. The appliance may be away
// for any time. Operations that are under way when ctx ends go on the next time.
func (a *Agent) Run(ctx context.Context, c Client) error {
	a.speakTo(c)
	defer a.speakTo(nil)
	var beside sync.WaitGroup
	defer beside.Wait()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	beside.Go(func() { a.keepTelling(ctx, c) })
	beside.Go(func() { a.keepRenewing(ctx, c) })
	l := &loop{Agent: a, client: c, reported: map[string]bool{}}
	defer l.doing.Wait()
	defer end(nil) // before what is waited for
	if err := l.reportOld(ctx); err != nil {
		return err
	}
	for wait := retryFirst; ; {
		work, err := c.Work(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil && work.Gone:
			end(nil)
			l.doing.Wait()
			beside.Wait()
			return a.leaveSite(context.WithoutCancel(ctx), c)
		case err == nil:
			wait = retryFirst
			l.begin(ctx, work.Ops)
			continue
		case errors.Is(err, registry.ErrDenied):
			a.log.Error("the appliance does not know this host any more: 'landfall host unlink' and a new link, or its backup, mend that", "error", err)
		default:
			a.log.Warn("the appliance cannot be reached; what runs on this host goes on", "error", err)
		}
		if wait = min(2*wait, retryMost); !sleep(ctx, wait) {
			return nil
		}
	}
}

// speakTo says who the appliance is for operations that move files.
func (a *Agent) speakTo(c Client) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.client = c
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// leaveSite cleans a host that was unlinked, and forgets who it was.
func (a *Agent) leaveSite(ctx context.Context, c Client) error {
	a.log.Info("this host was unlinked: it is cleaned")
	id := "unlink-" + time.Now().UTC().Format("20060102t150405")
	if r := a.Do(ctx, host.Op{ID: id, Clean: &host.Clean{}}, nil); r.State != host.Done && r.Error != nil {
		return r.Error
	}
	return errors.Join(a.journal.forget(), c.Forget())
}

// loop is what Run knows.
type loop struct {
	*Agent
	client Client
	doing  sync.WaitGroup

	mu       sync.Mutex      // protects reported
	reported map[string]bool // operations that are being done or reported
}

// reportOld reports ends that an agent before this one could not.
func (l *loop) reportOld(ctx context.Context) error {
	old, err := l.journal.unreported()
	if err != nil {
		return err
	}
	for _, r := range old {
		l.doing.Go(func() { l.report(ctx, r) })
	}
	return nil
}

// begin does operations that are not being done.
func (l *loop) begin(ctx context.Context, ops []host.Op) {
	fresh := false
	for _, op := range ops {
		l.mu.Lock()
		busy := l.reported[op.ID]
		l.reported[op.ID] = true
		l.mu.Unlock()
		if busy {
			continue
		}
		fresh = true
		l.doing.Go(func() {
			l.one(ctx, op)
			l.mu.Lock()
			delete(l.reported, op.ID)
			l.mu.Unlock()
		})
	}
	if !fresh && len(ops) > 0 { // the appliance has not taken their ends yet
		sleep(ctx, retryFirst)
	}
}

// one does an operation, tells how far it is, and reports its end.
func (l *loop) one(ctx context.Context, op host.Op) {
	progress := &latest{}
	ended := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() { l.tell(ctx, op.ID, progress, ended) })
	result := l.Do(ctx, op, progress.set)
	close(ended)
	telling.Wait()
	if result.State != host.Running {
		l.report(ctx, result)
	}
}

// latest is how far an operation is.
type latest struct {
	mu sync.Mutex // protects at
	at host.Progress
}

func (p *latest) set(at host.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = at
}

func (p *latest) get() host.Progress {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at
}

func (l *loop) tell(ctx context.Context, id string, progress *latest, ended <-chan struct{}) {
	began, tick := time.Now().UTC(), time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ended:
			return
		case <-ctx.Done():
			return
		}
		if err := l.client.Report(ctx, host.Result{ID: id, State: host.Running, Began: began, Progress: progress.get()}); err != nil {
			l.log.Debug("an operation's progress could not be told", "op", id, "error", err)
		}
	}
}

// report hands an end over until the appliance has taken it.
func (l *loop) report(ctx context.Context, r host.Result) {
	for wait := retryFirst; ; wait = min(2*wait, retryMost) {
		err := l.client.Report(ctx, r)
		if err == nil || errors.Is(err, registry.ErrNotFound) || errors.Is(err, registry.ErrInvalid) {
			if err := l.journal.reported(r.ID); err != nil {
				l.log.Error("that an end was reported could not be noted: it is reported again", "op", r.ID, "error", err)
			}
			return
		}
		if !sleep(ctx, wait) {
			return
		}
	}
}

// keepTelling sends the inventory at the start, when it changes, and now and then.
func (a *Agent) keepTelling(ctx context.Context, c Client) {
	var told host.Inventory
	for n := 0; ; n++ {
		now := a.opts.Inventory(ctx)
		wait := inventEvery
		if n%inventAnyway == 0 || changedInventory(told, now) {
			if err := c.SendInventory(ctx, now); err != nil {
				n, wait = -1, inventAgain // whatever it is then
			} else {
				told = now
			}
		}
		if !sleep(ctx, wait) {
			return
		}
	}
}

// changedInventory leaves out what changes all the time.
func changedInventory(a, b host.Inventory) bool {
	a.At, b.At = time.Time{}, time.Time{}
	a.Disks, b.Disks = nil, nil
	return !reflect.DeepEqual(a, b)
}

func (a *Agent) keepRenewing(ctx context.Context, c Client) {
	for {
		if err := c.Renew(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn("the certificate could not be renewed; it is tried again", "error", err)
		}
		if !sleep(ctx, renewEvery) {
			return
		}
	}
}
