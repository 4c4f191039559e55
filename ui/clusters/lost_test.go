package clusters_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/clusters"
)

// A run whose job was given up, since the appliance had ended again and again while it
// was at the same place, stops with that reason, and goes on when it is resumed.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	s := newSite(t, "c1")
	s.publish("1.0.0", "1.35.4")
	arrived, leave := make(chan struct{}), make(chan struct{})
	s.hosts.let(func(ctx context.Context, _ string, op host.Op) error {
		if op.Pull == nil {
			return nil
		}
		close(arrived)
		select {
		case <-leave:
		case <-ctx.Done():
		}
		return context.Cause(ctx)
	})
	_, err := s.Create(t.Context(), clusters.CreateRequest{Document: document("1.0.0", []string{"c1"}, nil)})
	s.must(err)
	s.reaches(arrived)
	s.stop()
	s.crashed(2)
	s.hosts.let(nil)
	s.open()
	s.poll(func() (bool, string) { // the list tells it, too, whoever asks first
		list, err := s.List(t.Context())
		s.must(err)
		return len(list) == 1 && list[0].Phase == clusters.Stopped, string(list[0].Phase)
	})
	c := s.ends(clusters.Stopped)
	if !strings.Contains(c.Reason, "ended 3 times") || !strings.Contains(c.Next, "resume") {
		t.Errorf("stopped because of %q, next %q", c.Reason, c.Next)
	}
	_, err = s.Resume(t.Context(), "shop")
	s.must(err)
	s.ends(clusters.Ready)
}

// crashed has the jobs of an appliance that has ended look as if it had ended without a
// farewell, so often before.
func (s *site) crashed(times int) {
	s.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(s.dir, "data", store.Database))
	s.must(err)
	_, err = db.Exec(`UPDATE jobs SET state = 'running', lease_owner = 'before', crashes = ? WHERE state = 'queued'`, times)
	s.must(err)
	s.must(db.Close())
}
