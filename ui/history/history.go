// Package history keeps how a site's traffic and storage were over time, so that
// people can see what is usual there without a monitoring system. It measures
// nothing itself, and it is no log: what exactly happened is told by jobs and audit.
//
// Nouns. A reading is what the counters say at one moment. A sample is what went
// through in a minute or an hour, the difference of two readings, and what was
// stored at its end. A series is the samples of a span, brought to one step.
//
// Counters begin anew when the appliance does, so the last minute of a process is
// sampled when it ends, and the first one of the next is added to it. Time in which
// nobody counted has no sample. A reading that comes late makes one sample that
// says for how many seconds it counted: totals stay right, and rates, which are
// bytes by those seconds, have no peak that never was. A process that is killed
// loses its last minute, a power cut what was not synced since: a sample alone is
// not worth that the disk of an idle machine turns.
package history

import (
	"cmp"
	"context"
	"embed"
	"io/fs"
	"log/slog"
	"time"

	"github.com/landfall-dev/landfall/internal/sqldb"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/observe"
)

//go:embed migrations/*.sql
var migrations embed.FS

// For how long samples are kept: those of minutes become hours.
const (
	keepMinutes = 2 * 24 * time.Hour
	keepHours   = 400 * 24 * time.Hour
)

// Meter counts what goes through. Its counters only grow while the process lives.
type Meter interface {
	Traffic() observe.Traffic
}

// Source tells what is stored.
type Source interface {
	Stats(ctx context.Context) (store.Stats, error)
}

// Options of a History. The zero value is the default.
type Options struct {
	Log *slog.Logger // nil for silence
}

// History is the history of a site.
type History struct {
	db  *sqldb.DB
	log *slog.Logger
	now func() instant
}

// Open opens the history in a database. Keep goes on with it.
func Open(ctx context.Context, db sqldb.Home, opts Options) (*History, error) {
	content, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	tables, err := db.Tables(ctx, "history", content)
	if err != nil {
		return nil, registry.DiskError(err)
	}
	return &History{db: tables, log: cmp.Or(opts.Log, slog.New(slog.DiscardHandler)), now: newClock()}, nil
}

// instant is a moment by two clocks: one that tells the time and may be set, and
// one that only counts.
type instant struct {
	wall    time.Time
	running time.Duration
}

func newClock() func() instant {
	began := time.Now()
	return func() instant {
		now := time.Now()
		return instant{now, now.Sub(began)}
	}
}
