package clusters_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/cluster"
	"github.com/landfall-dev/landfall/lifecycle/cluster/kube"
	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/ui/clusters"
)

// api is a cluster in which all is well.
type api struct {
	mu      sync.Mutex // protects the rest
	did     []string
	applied map[string]kube.Layer
	drift   kube.Drift
	broken  error // what applying a layer is answered with
	wanted  kube.Wanted
}

var _ clusters.Kube = (*api)(nil)

func (a *api) note(text string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.did = append(a.did, text)
	return nil
}

func (a *api) has(text string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Contains(a.did, text)
}

func (a *api) Nodes(context.Context) ([]kube.Node, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []kube.Node
	for _, text := range a.did {
		if name, ok := strings.CutPrefix(text, "label "); ok {
			list = append(list, kube.Node{Name: name, Ready: true})
		}
	}
	return list, nil
}

func (a *api) AwaitNode(_ context.Context, name, _ string, _ bool, _ func(string)) error {
	return a.note("await " + name)
}

func (a *api) LabelNode(_ context.Context, name string, _ map[string]string, _ []cluster.Taint) error {
	return a.note("label " + name)
}

func (a *api) Drain(_ context.Context, name string, _ kube.DrainOptions) error {
	return a.note("drain " + name)
}

func (a *api) Uncordon(_ context.Context, name string) error { return a.note("uncordon " + name) }

func (a *api) RemoveNode(_ context.Context, name string) error { return a.note("remove " + name) }

func (a *api) RenewPods(_ context.Context, name string) error { return a.note("renew pods " + name) }

func (a *api) Apply(_ context.Context, l kube.Layer, _ kube.ApplyOptions) (*kube.Applied, error) {
	err := a.note("apply " + l.Name)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.applied == nil {
		a.applied = map[string]kube.Layer{}
	}
	if a.broken != nil {
		return nil, a.broken
	}
	a.applied[l.Name] = l
	return &kube.Applied{}, err
}

func (a *api) RemoveLayer(_ context.Context, name string, _ kube.ApplyOptions) (*kube.Applied, error) {
	return &kube.Applied{}, a.note("remove layer " + name)
}

func (a *api) AwaitAPI(context.Context) error                             { return a.note("await api") }
func (a *api) AwaitPods(context.Context, string, func(string)) error      { return nil }
func (a *api) Health(context.Context) ([]host.Finding, error)             { return nil, nil }
func (a *api) AllowJoin(context.Context, string, time.Duration) error     { return nil }
func (a *api) Blockers(context.Context, []string) ([]kube.Blocker, error) { return nil, nil }
func (a *api) Close()                                                     {}

func (a *api) VerifyPods(context.Context, map[string][]digest.Digest) ([]kube.Violation, error) {
	return nil, nil
}

func (a *api) Drift(_ context.Context, want kube.Wanted) (*kube.Drift, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wanted = want
	d := a.drift
	return &d, nil
}

func (a *api) refuse(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.broken = err
}

// text is all that a layer's objects were applied with.
func (a *api) text(layer string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var b strings.Builder
	for _, u := range a.applied[layer].Units {
		for _, f := range u.Files {
			b.WriteString(f.Content)
		}
	}
	return b.String()
}
