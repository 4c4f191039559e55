package history

import (
	"context"
	"database/sql"
	"math"
	"time"

	"github.com/landfall-dev/landfall/ui/observe"
)

// Sample is what went through in some time, and what was stored at its end.
type Sample struct {
	At            time.Time `json:"at" doc:"When its time begins"`
	Seconds       int64     `json:"seconds" doc:"For so long its traffic was counted: less than the step where the appliance did not run all the time"`
	SentBytes     int64     `json:"sentBytes" doc:"That the registry sent"`
	Requests      int64     `json:"requests" doc:"Manifests and blobs that were pulled"`
	ReceivedBytes int64     `json:"receivedBytes" doc:"That came by pushes and uploads"`
	StoreBytes    int64     `json:"storeBytes" doc:"Of all content, at the end; like those that follow"`
	TrashBytes    int64     `json:"trashBytes"`
	FreeBytes     int64     `json:"freeBytes" doc:"That the disk has left"`
	Tags          int64     `json:"tags"`
}

// reading is what the counters say at one moment.
type reading struct {
	at      instant
	traffic observe.Traffic
}

// Keep samples once a minute, on the minute, until ctx ends, and once more then.
// It is called once, while the meter begins: all that it counts is sampled.
func (h *History) Keep(ctx context.Context, meter Meter, source Source) {
	last := reading{at: h.now()}
	take := func() {
		next := reading{h.now(), meter.Traffic()}
		// What is not written is in the next sample.
		if err := h.take(context.WithoutCancel(ctx), source, last, next); err != nil {
			h.log.Warn("the history has a gap", "error", err)
			return
		}
		last = next
	}
	for {
		select {
		case <-time.After(untilMinute(h.now().wall)):
			take()
		case <-ctx.Done():
			take()
			return
		}
	}
}

// untilMinute is the time to the next full minute that is not almost there.
func untilMinute(now time.Time) time.Duration {
	left := now.Truncate(time.Minute).Add(time.Minute).Sub(now)
	if left < time.Second {
		left += time.Minute
	}
	return left
}

// take writes what went through between two readings, in one transaction that a
// power cut may take back, together with what is due once an hour.
func (h *History) take(ctx context.Context, source Source, last, next reading) error {
	stats, err := source.Stats(ctx)
	if err != nil {
		return err
	}
	s := between(last, next)
	s.StoreBytes, s.TrashBytes, s.FreeBytes, s.Tags = stats.BlobBytes, stats.TrashBytes, stats.FreeBytes, stats.Tags
	return h.db.WriteSoon(ctx, func(tx *sql.Tx) error {
		if err := s.add(ctx, tx); err != nil {
			return err
		}
		return thin(ctx, tx, next.at.wall)
	})
}

// between is the traffic of a sample. It is of the minute that has its middle, by
// the clock at its end: a timer may come a little early or late.
func between(last, next reading) Sample {
	counted := next.at.running - last.at.running
	return Sample{
		At:            next.at.wall.Add(-counted / 2).Truncate(time.Minute),
		Seconds:       max(1, int64(math.Round(counted.Seconds()))),
		SentBytes:     grown(last.traffic.Sent, next.traffic.Sent),
		Requests:      grown(last.traffic.Pulls, next.traffic.Pulls),
		ReceivedBytes: grown(last.traffic.Received, next.traffic.Received),
	}
}

// grown is by how much a counter has: by all that it has when it began anew.
func grown(last, next int64) int64 {
	if next < last {
		return next
	}
	return next - last
}

// add writes the sample of a minute. There is one already when the appliance has
// begun anew within the minute, or the clock was set back.
func (s *Sample) add(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO history (`+columns+`) VALUES (60, ?, ?, ?, ?, ?, ?, ?, ?, ?) `+merge,
		s.At.Unix(), s.Seconds, s.SentBytes, s.Requests, s.ReceivedBytes, s.StoreBytes, s.TrashBytes, s.FreeBytes, s.Tags)
	return err
}

const (
	columns = `step, at, seconds, sent_bytes, requests, received_bytes, store_bytes, trash_bytes, free_bytes, tags`

	// merge adds a sample to the one that is there.
	merge = `ON CONFLICT (step, at) DO UPDATE SET seconds = history.seconds + excluded.seconds, sent_bytes = history.sent_bytes + excluded.sent_bytes,
		requests = history.requests + excluded.requests, received_bytes = history.received_bytes + excluded.received_bytes,
		store_bytes = excluded.store_bytes, trash_bytes = excluded.trash_bytes, free_bytes = excluded.free_bytes, tags = excluded.tags`

	// joined are samples that become one for each so many seconds. Beside max, SQLite
	// takes the columns that are not summed from the row that has it: the last one.
	joined = `SELECT at - at % ?1 AS begin, sum(seconds), sum(sent_bytes), sum(requests), sum(received_bytes),
		store_bytes, trash_bytes, free_bytes, tags, max(at) FROM history`
)

// thin makes hours of minutes that are old, and forgets hours that are. When nothing
// is due it only looks at two ends of an index.
func thin(ctx context.Context, tx *sql.Tx, now time.Time) error {
	old := now.Add(-keepMinutes).Truncate(time.Hour).Unix()
	if err := joinMinutes(ctx, tx, old); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM history WHERE step = 60 AND at < ?`, old); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM history WHERE step = 3600 AND at < ?`, now.Add(-keepHours).Unix())
	return err
}

// joinMinutes adds the minutes before a time to their hours. WHERE true keeps SQLite
// from taking the conflict for a join.
func joinMinutes(ctx context.Context, tx *sql.Tx, before int64) error {
	_, err := tx.ExecContext(ctx, `WITH old (begin, seconds, sent, requests, received, store, trash, free, tags, last) AS
		(`+joined+` WHERE step = 60 AND at < ?2 GROUP BY begin)
		INSERT INTO history (`+columns+`) SELECT 3600, begin, seconds, sent, requests, received, store, trash, free, tags FROM old WHERE true `+merge, 3600, before)
	return err
}
