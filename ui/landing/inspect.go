package landing

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
	"github.com/landfall-dev/landfall/ui/jobs"
)

// KindVerify is the kind of jobs that prove every byte of a bundle.
const KindVerify = "verify"

// Inspection is what a bundle says of itself, and what would come of it here.
type Inspection struct {
	ID        string `json:"id"`
	Format    int    `json:"format"`
	Created   string `json:"created"`
	Size      int64  `json:"size" doc:"Bytes of the file"`
	Content   int64  `json:"content" doc:"Bytes of all blobs and manifests"`
	Blobs     int    `json:"blobs"`
	Manifests int    `json:"manifests"`
	Channel   string `json:"channel,omitempty"`
	Sequence  int64  `json:"sequence,omitempty"`
	Expires   string `json:"expires,omitempty"`
	For       string `json:"for,omitempty" doc:"The site that it was made for"`
	Thin      bool   `json:"thin" doc:"It needs content that is at the site"`

	Signatures []KeyOf        `json:"signatures" doc:"Not checked: see verdict"`
	Verdict    *trust.Verdict `json:"verdict,omitempty" doc:"Who counts as its signer, when the site would let it in"`
	Refused    string         `json:"refused,omitempty" doc:"Why the site would not let it in"`
	Overrides  bool           `json:"overridable,omitempty" doc:"An operator may let it in all the same"`
	New        int64          `json:"new" doc:"Bytes of blobs that the site does not have"`
	Free       int64          `json:"free" doc:"Bytes that the site's disk has room for"`
	Wants      *bundle.Wants  `json:"wants,omitempty" doc:"What it needs and the site does not have"`
	Names      []Arrival      `json:"names"`
}

// KeyOf is a key that made a signature.
type KeyOf struct {
	ID    string `json:"id"`
	Owner string `json:"owner,omitempty" doc:"Where the site trusts the key"`
}

// Arrival is a name with what it stands for here and in the bundle.
type Arrival struct {
	registry.Summary
	Now    digest.Digest `json:"now,omitempty" doc:"What the name stands for at the site; absent when it is new"`
	Change string        `json:"change" enum:"new,moves,same"`
}

// Inspect reads a bundle without landing it.
func (l *Landing) Inspect(ctx context.Context, s Source) (*Inspection, error) {
	r, err := l.open(ctx, s, "")
	if err != nil {
		return nil, err
	}
	defer r.Close()
	h := r.Header()
	i := &Inspection{ID: h.ID, Format: h.Format, Created: h.Created, Size: r.Size(), Content: r.Graph().Size(), Blobs: len(h.Blobs), Manifests: len(h.Manifests),
		Channel: h.Channel, Sequence: h.Sequence, Expires: h.Expires, For: h.For, Thin: h.Thin(), Signatures: []KeyOf{}, Names: []Arrival{}}
	for _, do := range []func(context.Context, *Inspection, *bundle.Reader) error{l.judge, l.measure, l.compare} {
		if err := do(ctx, i, r); err != nil {
			return nil, err
		}
	}
	return i, nil
}

// judge asks the policy.
func (l *Landing) judge(ctx context.Context, i *Inspection, r *bundle.Reader) error {
	policy, err := l.store.TrustPolicy(ctx)
	if err != nil {
		return err
	}
	for _, s := range r.Signatures() {
		k := KeyOf{ID: s.KeyID}
		if trusted := policy.Key(s.KeyID); trusted != nil {
			k.Owner = trusted.Owner
		}
		i.Signatures = append(i.Signatures, k)
	}
	a, err := bundle.Admit(ctx, l.store, r, bundle.LandOptions{})
	refusal, missing := (*trust.Refusal)(nil), (*bundle.MissingError)(nil)
	switch {
	case err == nil:
		i.Verdict = a.Verdict
	case errors.As(err, &refusal):
		i.Refused, i.Overrides = err.Error(), refusal.Overridable
	case errors.As(err, &missing):
		i.Refused, i.Wants = err.Error(), missing.Wants
	case errors.Is(err, registry.ErrUntrusted):
		i.Refused = err.Error()
	default:
		return err
	}
	return nil
}

// measure says how much is new, and whether it fits.
func (l *Landing) measure(ctx context.Context, i *Inspection, r *bundle.Reader) error {
	var blobs []registry.Descriptor
	for _, b := range r.Header().Blobs {
		blobs = append(blobs, registry.Descriptor{Digest: b.Digest, Size: b.Size})
	}
	missing, err := l.store.MissingBlobs(ctx, blobs)
	if err != nil {
		return err
	}
	for _, b := range missing {
		i.New += b.Size
	}
	stats, err := l.store.Stats(ctx)
	i.Free = stats.FreeBytes
	return err
}

// compare says which names are new and which move.
func (l *Landing) compare(ctx context.Context, i *Inspection, r *bundle.Reader) error {
	names, err := registry.Summarize(ctx, r, r.Graph())
	if err != nil {
		return err
	}
	for k, summary := range names {
		for n := range summary.Platforms {
			summary.Platforms[n].Layers = nil // many, and of no use here
		}
		a := Arrival{Summary: summary, Change: "new"}
		here, err := l.store.Resolve(ctx, r.Graph().Names[k].Ref)
		switch {
		case errors.Is(err, registry.ErrNotFound):
		case err != nil:
			return err
		case here.Digest == summary.Digest:
			a.Now, a.Change = here.Digest, "same"
		default:
			a.Now, a.Change = here.Digest, "moves"
		}
		i.Names = append(i.Names, a)
	}
	return nil
}

// Verified is what a verification found: nothing wrong.
type Verified struct {
	Bundle string `json:"bundle"` // id
	Source string `json:"source"`
	Bytes  int64  `json:"bytes"` // of the file
}

// Verify starts a job that proves every byte of a bundle.
func (l *Landing) Verify(ctx context.Context, s Source, idempotencyKey string) (jobs.Job, error) {
	r, err := l.open(ctx, s, "")
	if err != nil {
		return jobs.Job{}, err
	}
	defer r.Close()
	id := r.Header().ID
	return l.pool.Start(ctx, KindVerify, args{Source: s, Bundle: id}, jobs.StartOptions{IdempotencyKey: idempotencyKey, Subject: id})
}

func (l *Landing) verify(ctx context.Context, j *jobs.Run) (any, error) {
	var a args
	if err := j.Args(&a); err != nil {
		return nil, err
	}
	r, err := l.open(ctx, a.Source, a.Bundle)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var read atomic.Int64
	err = r.Verify(ctx, func(n int64) {
		j.Report(jobs.Progress{Phase: "reading", Bytes: read.Add(n), TotalBytes: r.Size()})
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.Source, err)
	}
	return Verified{a.Bundle, a.Source.String(), r.Size()}, nil
}
