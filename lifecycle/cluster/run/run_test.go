package run_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/cluster/kube"
	"github.com/landfall-dev/landfall/lifecycle/cluster/pki"
	"github.com/landfall-dev/landfall/lifecycle/cluster/run"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

// journal keeps steps in memory.
type journal struct {
	mu      sync.Mutex // protects entries
	entries map[string]run.Entry
}

func (j *journal) Entries(context.Context) (map[string]run.Entry, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	list := map[string]run.Entry{}
	for id, e := range j.entries {
		list[id] = e
	}
	return list, nil
}

func (j *journal) Begin(_ context.Context, step string) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.entries[step]
	if e.State != run.Running {
		e.Attempt++
	}
	e.State = run.Running
	j.entries[step] = e
	return e.Attempt, nil
}

func (j *journal) End(_ context.Context, step string, output json.RawMessage, failure error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.entries[step]
	if e.State, e.Output = run.Done, output; failure != nil {
		e.State = run.Failed
	}
	j.entries[step] = e
	return nil
}

func (*journal) Tell(string, string) {}

// site is hosts and an appliance that note what they are asked for.
type site struct {
	mu    sync.Mutex // protects asked
	asked []string
	do    func(ctx context.Context, name string, op host.Op) (host.Result, error)
	keys  *pki.Keys
}

func (s *site) note(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, text)
}

func (s *site) Do(ctx context.Context, name string, op host.Op, _ func(host.Result)) (host.Result, error) {
	s.note(name + " " + op.ID)
	if s.do != nil {
		return s.do(ctx, name, op)
	}
	return host.Result{ID: op.ID, State: host.Done}, nil
}

func (s *site) Site(_ context.Context, act cluster.SiteAct, _ map[string]json.RawMessage, _ func(string)) error {
	s.note(string(act.Do))
	return nil
}

func (s *site) Keys(context.Context) (*pki.Keys, error) { return s.keys, nil }
func (*site) Login(context.Context) (user, password string, err error) {
	return "robot$edge", "secret", nil
}
func (*site) Kube(context.Context) (run.Kube, error) { return nil, registry.ErrUnreachable }
func (*site) Layer(context.Context, string, string) (*kube.Layer, error) {
	return nil, registry.ErrNotFound
}

func (*site) Allowed(context.Context, string) (map[string][]digest.Digest, error) { return nil, nil }

// unit is a step that has a host start a unit.
func unit(name string) cluster.Step {
	return cluster.Step{ID: "install-" + name, Title: "install on " + name, Host: name,
		Acts: []cluster.Act{{Host: &cluster.HostAct{Host: name, Op: host.Op{Unit: &host.Unit{Name: "a.service", Act: host.Start}}}}}}
}

func threeWaves() *cluster.Plan {
	return &cluster.Plan{Kind: cluster.Form, Cluster: "shop", Waves: []cluster.Wave{
		{Phase: cluster.Gate, Steps: []cluster.Step{{ID: "gate-closure", Title: "gate", Acts: []cluster.Act{{Site: &cluster.SiteAct{Do: cluster.CheckClosure}}}}}},
		{Phase: cluster.Install, Steps: []cluster.Step{unit("a"), unit("b")}},
		{Phase: cluster.Finish, Steps: []cluster.Step{{ID: "finish-settle", Title: "settle", Acts: []cluster.Act{{Site: &cluster.SiteAct{Do: cluster.Settle}}}}}},
	}}
}

func options(s *site, j *journal) run.Options {
	return run.Options{ID: "shop-1", Journal: j, Hosts: s, Site: s}
}

// A step that fails does not keep the others of its wave from being done, and nothing
// after it begins. Run again, only that one is tried, under another id.
func TestFailure(t *testing.T) {
	t.Parallel()
	s, j := &site{}, &journal{entries: map[string]run.Entry{}}
	broken := true
	s.do = func(_ context.Context, name string, op host.Op) (host.Result, error) {
		if name == "a" && broken {
			return host.Result{ID: op.ID, State: host.Failed, Error: &host.Failure{Kind: "no_space", Message: "the disk is full"}}, nil
		}
		return host.Result{ID: op.ID, State: host.Done}, nil
	}
	err := run.Run(t.Context(), threeWaves(), options(s, j))
	failed := (*run.StepError)(nil)
	if !errors.As(err, &failed) || failed.Step != "install-a" || !errors.Is(err, registry.ErrNoSpace) || !strings.Contains(err.Error(), "host a: unit start a.service") {
		t.Fatalf("%v", err)
	}
	slices.Sort(s.asked)
	if want := []string{"a shop-1.install-a.1.0", "b shop-1.install-b.1.0", "check-closure"}; !slices.Equal(s.asked, want) {
		t.Errorf("%q", s.asked)
	}
	s.asked, broken = nil, false
	if err := run.Run(t.Context(), threeWaves(), options(s, j)); err != nil {
		t.Fatal(err)
	}
	if want := []string{"a shop-1.install-a.2.0", "settle"}; !slices.Equal(s.asked, want) {
		t.Errorf("%q", s.asked)
	}
}

// What ends in the middle goes on with the same operations, under the same ids.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	s, j := &site{}, &journal{entries: map[string]run.Entry{}}
	ctx, end := context.WithCancelCause(t.Context())
	errEnd := errors.New("the appliance ends")
	s.do = func(ctx context.Context, name string, op host.Op) (host.Result, error) {
		if name == "b" {
			end(errEnd)
			<-ctx.Done()
			return host.Result{}, context.Cause(ctx)
		}
		return host.Result{ID: op.ID, State: host.Done}, nil
	}
	if err := run.Run(ctx, threeWaves(), options(s, j)); !errors.Is(err, errEnd) {
		t.Fatalf("%v", err)
	}
	if e := j.entries["install-b"]; e.State != run.Running || e.Attempt != 1 {
		t.Errorf("%+v", e)
	}
	s.asked, s.do = nil, nil
	if err := run.Run(t.Context(), threeWaves(), options(s, j)); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(s.asked, "b shop-1.install-b.1.0") || !slices.Contains(s.asked, "settle") {
		t.Errorf("%q", s.asked)
	}
}

func TestPauseAndWindow(t *testing.T) {
	t.Parallel()
	s, j := &site{}, &journal{entries: map[string]run.Entry{}}
	o := options(s, j)
	o.Paused = func(context.Context) (bool, error) { return len(s.asked) > 0, nil }
	if err := run.Run(t.Context(), threeWaves(), o); !errors.Is(err, run.ErrPaused) || !slices.Equal(s.asked, []string{"check-closure"}) {
		t.Errorf("%v after %q", err, s.asked)
	}
	p := threeWaves()
	p.Waves[1].Steps[0].Windowed = true
	o = options(s, j)
	ctx, cancel := context.WithCancel(t.Context())
	o.Open = func(time.Time) time.Duration {
		cancel() // it waits
		return time.Hour
	}
	if err := run.Run(ctx, p, o); !errors.Is(err, context.Canceled) || j.entries["install-a"].State != "" {
		t.Errorf("%v: %+v", err, j.entries)
	}
}

// The login of the source's account gets into files that have a place for it, and not
// into the plan.
func TestLogin(t *testing.T) {
	t.Parallel()
	s, j := &site{}, &journal{entries: map[string]run.Entry{}}
	s.do = func(_ context.Context, _ string, op host.Op) (host.Result, error) {
		if got := string(op.Files.Put[0].Content); got != "Basic cm9ib3QkZWRnZTpzZWNyZXQ=" { // robot$edge:secret
			t.Errorf("%s", got)
		}
		if got := op.Files.Put[1].Blob.Source.Password; got != "secret" {
			t.Errorf("%q", got)
		}
		return host.Result{ID: op.ID, State: host.Done}, nil
	}
	files := &host.Files{Put: []host.File{{Path: "/a", Content: []byte("Basic " + cluster.LoginHere)}, {Path: "/b", Blob: &host.Blob{}}}}
	p := &cluster.Plan{Waves: []cluster.Wave{{Steps: []cluster.Step{{ID: "install-a", Acts: []cluster.Act{{Host: &cluster.HostAct{Host: "a", Op: host.Op{Files: files}, Fill: cluster.FillSource}}}}}}}}
	if err := run.Run(t.Context(), p, options(s, j)); err != nil {
		t.Fatal(err)
	}
	if string(files.Put[0].Content) != "Basic "+cluster.LoginHere || files.Put[1].Blob.Source.Password != "" {
		t.Errorf("the plan has the password now: %+v", files.Put)
	}
}

// Findings that block fail a check, and are told.
func TestFindings(t *testing.T) {
	t.Parallel()
	s, j := &site{}, &journal{entries: map[string]run.Entry{}}
	s.do = func(_ context.Context, _ string, op host.Op) (host.Result, error) {
		if op.Check.Source.Password != "secret" {
			t.Error("the source's password was not filled in")
		}
		output, err := json.Marshal(host.Checked{Findings: []host.Finding{{Check: "swap", Severity: host.Blocks, Text: "swap is in use"}, {Check: "time", Severity: host.Warning, Text: "late"}}})
		return host.Result{ID: op.ID, State: host.Done, Output: output}, err
	}
	check := &host.Check{Kernel: true, Source: &host.Source{URL: "https://x"}}
	p := &cluster.Plan{Waves: []cluster.Wave{{Phase: cluster.Preflight, Steps: []cluster.Step{{ID: "preflight-a", Title: "check a", Acts: []cluster.Act{{Host: &cluster.HostAct{Host: "a", Op: host.Op{Check: check}, Fill: cluster.FillSource}}}}}}}}
	err := run.Run(t.Context(), p, options(s, j))
	if !errors.Is(err, registry.ErrConflict) || !strings.Contains(err.Error(), "swap is in use") || strings.Contains(err.Error(), "late") {
		t.Errorf("%v", err)
	}
	if check.Source.Password != "" {
		t.Error("the plan has the password now")
	}
	if len(j.entries["preflight-a"].Output) == 0 {
		t.Error("what was found is not kept")
	}
}
