package definitions

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/lifecycle/closure"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
)

func bytesText(n int64) string { return units.Bytes(n) }

// Result is what the gate found about a definition of the site.
type Result struct {
	Reference string        `json:"reference"`
	Name      string        `json:"name"`
	Version   string        `json:"version"`
	Document  digest.Digest `json:"document,omitempty"`
	Gate      *Gate         `json:"gate,omitempty"`
	Problem   string        `json:"problem,omitempty" doc:"Why it could not be checked"`
}

// Judge takes what a report says over.
func (r *Result) Judge(report *closure.Report) {
	g := gateOf(report, time.Now().UTC())
	r.Gate = &g
}

// Complete reports whether all is there.
func (r Result) Complete() bool { return r.Gate != nil && r.Gate.State == closure.Complete }

// String is one line for people, with what to do.
func (r Result) String() string {
	name := r.Name + " " + r.Version
	switch {
	case r.Gate == nil:
		return fmt.Sprintf("definition %s could not be checked: %s", name, r.Problem)
	case r.Complete():
		return fmt.Sprintf("definition %s: %s", name, r.Gate)
	}
	return fmt.Sprintf("definition %s: %s: see 'landfall definition check %s:%s'", name, r.Gate, r.Name, r.Version)
}

// CheckAll asks the gate about all definitions of the site, for the site's platforms,
// and tells clients where the result is another one than before. One that cannot be
// checked does not keep the others from it. Without definitions it costs one query.
func (s *Definitions) CheckAll(ctx context.Context) ([]Result, error) {
	s.checking.Lock()
	defer s.checking.Unlock()
	names, err := s.names(ctx)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	platforms, err := s.platforms(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]Result, 0, len(names))
	for _, n := range names {
		r := Result{Reference: n.String(), Name: n.Repository, Version: n.Tag}
		st, err := s.read(ctx, registry.Ref{Repository: n.Repository, Tag: n.Tag}, n.Digest)
		if err == nil {
			r.Name, r.Version = st.Definition.Name, st.Definition.Version
			err = s.checkOne(ctx, st, platforms, &r)
		}
		if ctx.Err() != nil {
			return list, context.Cause(ctx)
		}
		if err != nil {
			r.Problem = err.Error()
		}
		list = append(list, r)
	}
	return list, s.forgetChecks(ctx, platforms, list)
}

func (s *Definitions) checkOne(ctx context.Context, st *Stored, platforms []string, r *Result) error {
	r.Document = digest.FromBytes(st.Document)
	report, _, err := s.checkStored(ctx, st, CheckOptions{Platforms: platforms})
	if err == nil {
		r.Judge(report)
	}
	return err
}

// tellClients tells of another result than before.
func (s *Definitions) tellClients(ctx context.Context, st *Stored, report *closure.Report) {
	r := &Result{Reference: st.Ref.String(), Name: report.Name, Version: report.Version, Document: report.Document}
	r.Judge(report)
	s.opts.Events.Publish(EventChecked, r)
	level := slog.LevelInfo
	if !r.Complete() {
		level = slog.LevelWarn
	}
	g := r.Gate
	s.opts.Log.Log(ctx, level, "a definition was checked", "definition", r.Name, "version", r.Version, "state", g.State, "items", g.Items, "bad", g.Bad, "lacking", g.Lacking)
}

// Tell checks all definitions after something landed, and tells each result. It never
// fails: what landed is there, whatever the gate says.
func (s *Definitions) Tell(ctx context.Context, tell func(level slog.Level, message string, data any)) {
	list, err := s.CheckAll(ctx)
	for _, r := range list {
		level := slog.LevelInfo
		if !r.Complete() {
			level = slog.LevelWarn
		}
		tell(level, r.String(), r)
	}
	if err != nil {
		tell(slog.LevelWarn, "definitions could not be checked: "+err.Error(), nil)
	}
}

// Wake says that content or rules have changed: all are checked soon. It never waits.
func (s *Definitions) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Changes are collected for settle, at least, before all is checked again; and a check
// rests at least restFactor times as long as the last one took.
const (
	settle     = 2 * time.Second
	restFactor = 10
	// lookAnyway is the time after which all is checked though nobody woke it: a scrub
	// may have found damage.
	lookAnyway = time.Hour
)

// Concerns reports whether changes of a store can change what the gate finds.
func Concerns(changes []store.Change) bool {
	return slices.ContainsFunc(changes, func(c store.Change) bool {
		switch c.Kind {
		case store.PinSet, store.PinDelete, store.PolicySet, store.ChannelSet, store.TrustOverride, store.SiteKeyMake:
			return false
		}
		return true
	})
}

// Keep checks all definitions now, and again whenever somebody wakes it, until ctx
// ends.
func (s *Definitions) Keep(ctx context.Context) {
	for {
		began := time.Now()
		if _, err := s.CheckAll(ctx); err != nil && ctx.Err() == nil {
			s.opts.Log.Error("definitions could not be checked", "error", err)
		}
		rest := time.Since(began) * restFactor
		select {
		case <-s.wake:
		case <-time.After(lookAnyway):
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(max(settle, rest)):
		case <-ctx.Done():
			return
		}
		select { // what came meanwhile is looked at now
		case <-s.wake:
		default:
		}
	}
}
