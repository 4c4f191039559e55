package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"
)

const (
	tellEvery  = 500 * time.Millisecond // clients are told of progress
	saveEvery  = 3 * time.Second        // it is written
	leaseFor   = 30 * time.Second
	renewEvery = 10 * time.Second
)

// teller tells of a run while it goes: clients of its progress, and the database of
// its progress, its lines, and that it is alive.
type teller struct {
	run     *Run
	told    Progress // to clients
	saved   Progress
	savedAt time.Time
	renewed time.Time
}

// keep tells until ctx ends.
func (t *teller) keep(ctx context.Context) {
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			t.publish()
		case <-t.run.full:
		case <-ctx.Done():
			return
		}
		if err := t.write(ctx); err != nil && ctx.Err() == nil {
			t.run.pool.opts.Log.Error("what a job tells is not written", "job", t.run.ID(), "error", err)
		}
	}
}

// publish tells clients of the job when it got further.
func (t *teller) publish() {
	p, r := t.run.pool, t.run
	r.mu.Lock()
	r.meter.sample(time.Now())
	at := r.meter.now
	r.mu.Unlock()
	if at == t.told {
		return
	}
	t.told = at
	p.telling.Lock()
	defer p.telling.Unlock()
	r.mu.Lock()
	j := r.job
	j.Progress, j.Heartbeat = r.meter.now, r.alive.UTC()
	r.mu.Unlock()
	p.publish(j)
}

// write writes what is due, in one transaction that a power cut may take back.
func (t *teller) write(ctx context.Context) error {
	r, now := t.run, time.Now()
	at, alive := r.progress()
	save := at != t.saved && now.Sub(t.savedAt) >= saveEvery
	renew := now.Sub(t.renewed) >= renewEvery
	lines := r.takeLines()
	if len(lines) == 0 && !save && !renew {
		return nil
	}
	progress, err := json.Marshal(at)
	if err != nil {
		return err
	}
	err = r.pool.db.WriteSoon(ctx, func(tx *sql.Tx) error {
		if err := r.held(ctx, tx, `progress = ?, heartbeat_at = ?, lease_until = ?`,
			string(progress), alive.UnixMilli(), now.Add(leaseFor).UnixMilli()); err != nil {
			return err
		}
		return insertLines(ctx, tx, r.job.ID, lines)
	})
	if err != nil {
		r.putBack(lines)
		return err
	}
	t.saved, t.savedAt, t.renewed = at, now, now
	if len(lines) > 0 {
		r.pool.watchers.tell(r.job.ID)
	}
	return nil
}

// takeLines are the lines that are not written yet; who cannot write them puts
// them back.
func (r *Run) takeLines() []line {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.backlog.pending
	r.backlog.pending = nil
	return lines
}

func (r *Run) putBack(lines []line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.backlog.pending = append(lines, r.backlog.pending...)
}
