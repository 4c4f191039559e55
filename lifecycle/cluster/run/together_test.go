package run_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/cluster/run"
	"github.com/landfall-dev/landfall/lifecycle/host"
)

// many is more hosts than steps are done at the same time otherwise.
const many = 200

func togetherPlan() *cluster.Plan {
	w := cluster.Wave{Phase: cluster.Preflight, Together: true}
	for i := range many {
		name := fmt.Sprintf("h%03d", i)
		w.Peers = append(w.Peers, host.Peer{Name: name, Port: 1})
		w.Steps = append(w.Steps, cluster.Step{ID: "preflight-" + name, Title: "check " + name, Host: name, Acts: []cluster.Act{{Host: &cluster.HostAct{Host: name, Op: host.Op{Check: &host.Check{}}}}}})
	}
	return &cluster.Plan{Kind: cluster.Form, Cluster: "shop", Waves: []cluster.Wave{w}}
}

// Hosts that need each other are at it at the same time, all of them, also when only one
// has to do it again. What is said of many failures names some.
func TestTogether(t *testing.T) {
	t.Parallel()
	s, j := &site{}, &journal{entries: map[string]run.Entry{}}
	var all sync.WaitGroup // each waits for all others
	failing := func(name string) bool { return name < "h020" }
	s.do = func(_ context.Context, name string, op host.Op) (host.Result, error) {
		all.Done()
		all.Wait()
		if n := len(op.Check.Peers); n != many-1 || slices.ContainsFunc(op.Check.Peers, func(p host.Peer) bool { return p.Name == name }) {
			t.Errorf("%s looks for %d hosts", name, n)
		}
		if failing(name) {
			return host.Result{ID: op.ID, State: host.Failed, Error: &host.Failure{Kind: "conflict", Message: "not yet"}}, nil
		}
		return host.Result{ID: op.ID, State: host.Done, Output: []byte(`{}`)}, nil
	}
	all.Add(many)
	err := run.Run(t.Context(), togetherPlan(), options(s, j))
	if err == nil || !strings.Contains(err.Error(), "and 10 more steps failed") || strings.Count(err.Error(), "not yet") != 10 {
		t.Fatalf("%v", err)
	}
	failing = func(string) bool { return false }
	all.Add(many)
	if err := run.Run(t.Context(), togetherPlan(), options(s, j)); err != nil {
		t.Fatal(err)
	}
	if len(s.asked) != 2*many {
		t.Errorf("%d operations, want %d: all hosts are asked again", len(s.asked), 2*many)
	}
	if err := run.Run(t.Context(), togetherPlan(), options(s, j)); err != nil || len(s.asked) != 2*many {
		t.Errorf("%v; %d operations: what is done is not done again", err, len(s.asked))
	}
}
