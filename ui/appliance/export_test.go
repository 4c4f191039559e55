package appliance

import (
	"context"
	"testing/fstest"

	"github.com/landfall-dev/landfall/internal/sqldb"
	"github.com/landfall-dev/landfall/ui/events"
	"github.com/landfall-dev/landfall/ui/jobs"
)

// Database is where everything is kept, for tests that look behind the API.
func (a *Appliance) Database(ctx context.Context) (*sqldb.DB, error) {
	return a.store.Tables(ctx, "tests", fstest.MapFS{"0001_none.sql": {Data: []byte("-- +goose Up\nSELECT 1;\n")}})
}

// Register adds a kind of jobs that a test has in its hands. It comes before Run.
func (a *Appliance) Register(k jobs.Kind) { a.jobs.Register(k) }

// Jobs starts jobs of such a kind.
func (a *Appliance) Jobs() *jobs.Pool { return a.jobs }

// Events are where a test can say that something happened.
func (a *Appliance) Events() *events.Bus { return a.events }

// Reload is what a service manager, or SIGHUP, asks for.
func (a *Appliance) Reload(ctx context.Context) error { return a.reload(ctx) }
