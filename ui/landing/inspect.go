package landing

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/archive"
	"github.com/landfall-dev/landfall/registry/trust"
	"github.com/landfall-dev/landfall/registry/wants"
	"github.com/landfall-dev/landfall/ui/jobs"
	"github.com/landfall-dev/landfall/ui/upload"
)

// KindVerify is the kind of jobs that prove every byte of a bundle, or every blob of
// an archive.
const KindVerify = "verify"

// Inspection is what a file says of itself, and what would come of it here.
type Inspection struct {
	Kind      upload.Kind `json:"kind" enum:"bundle,docker-archive,oci-archive"`
	ID        string      `json:"id"`
	Format    int         `json:"format,omitempty" doc:"Of a bundle"`
	Created   string      `json:"created,omitempty" doc:"Of a bundle"`
	Size      int64       `json:"size" doc:"Bytes of the file"`
	Content   int64       `json:"content" doc:"Bytes of all blobs and manifests"`
	Blobs     int         `json:"blobs"`
	Manifests int         `json:"manifests"`
	Channel   string      `json:"channel,omitempty"`
	Sequence  int64       `json:"sequence,omitempty"`
	Expires   string      `json:"expires,omitempty"`
	For       string      `json:"for,omitempty" doc:"The site that it was made for"`
	Thin      bool        `json:"thin" doc:"It needs content that is at the site"`
	Unnamed   bool        `json:"unnamed,omitempty" doc:"An image of an archive has no name: one has to be given"`

	Signatures []KeyOf        `json:"signatures" doc:"Not checked: see verdict"`
	Verdict    *trust.Verdict `json:"verdict,omitempty" doc:"Who counts as its signer, when the site would let it in"`
	Refused    string         `json:"refused,omitempty" doc:"Why the site would not let it in"`
	Overrides  bool           `json:"overridable,omitempty" doc:"An operator may let it in all the same"`
	New        int64          `json:"new" doc:"Bytes of blobs that the site does not have"`
	Free       int64          `json:"free" doc:"Bytes that the site's disk has room for"`
	Wants      *wants.Wants   `json:"wants,omitempty" doc:"What it needs and the site does not have"`
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

// Inspect reads a file without landing it.
func (l *Landing) Inspect(ctx context.Context, s Source) (*Inspection, error) {
	c, unnamed, err := l.openAny(ctx, s, "")
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return l.inspect(ctx, c, unnamed)
}

// inspect says what is known of cargo.
func (l *Landing) inspect(ctx context.Context, c *cargo, unnamed *archive.UnnamedError) (*Inspection, error) {
	i := &Inspection{Kind: c.kind, ID: c.id, Size: c.size, Content: c.graph.Size(), Blobs: len(c.graph.Blobs), Manifests: len(c.graph.Manifests),
		Signatures: []KeyOf{}, Names: []Arrival{}}
	if c.bundle != nil {
		h := c.bundle.Header()
		i.Blobs, i.Manifests = len(h.Blobs), len(h.Manifests)
		i.Format, i.Created, i.Channel, i.Sequence, i.Expires, i.For, i.Thin = h.Format, h.Created, h.Channel, h.Sequence, h.Expires, h.For, h.Thin()
	}
	for _, do := range []func(context.Context, *Inspection, *cargo) error{l.judge, l.measure, l.compare} {
		if err := do(ctx, i, c); err != nil {
			return nil, err
		}
	}
	if unnamed != nil {
		i.Unnamed, i.Verdict, i.Refused = true, nil, unnamed.Error()
	}
	return i, nil
}

// placeholder is what images are called that have no name while they are only looked
// at; nothing can be there.
const placeholder = "unnamed.invalid/image"

// openAny is open for who only looks: images may be without a name.
func (l *Landing) openAny(ctx context.Context, s Source, id string) (*cargo, *archive.UnnamedError, error) {
	c, err := l.open(ctx, s, Request{}, id)
	unnamed := (*archive.UnnamedError)(nil)
	if !errors.As(err, &unnamed) {
		return c, nil, err
	}
	c, err = l.open(ctx, s, Request{Name: placeholder}, id)
	if several := (*archive.UnnamedError)(nil); errors.As(err, &several) {
		return nil, nil, unnamed // it says it without the placeholder
	}
	return c, unnamed, err
}

// judge asks the policy.
func (l *Landing) judge(ctx context.Context, i *Inspection, c *cargo) error {
	policy, err := l.store.TrustPolicy(ctx)
	if err != nil {
		return err
	}
	if c.bundle != nil {
		for _, s := range c.bundle.Signatures() {
			k := KeyOf{ID: s.KeyID}
			if trusted := policy.Key(s.KeyID); trusted != nil {
				k.Owner = trusted.Owner
			}
			i.Signatures = append(i.Signatures, k)
		}
	}
	a, err := l.admit(ctx, c, bundle.LandOptions{})
	refusal, missing := (*trust.Refusal)(nil), (*bundle.MissingError)(nil)
	switch {
	case err == nil:
		i.Verdict = a.verdict
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
func (l *Landing) measure(ctx context.Context, i *Inspection, c *cargo) error {
	var blobs []registry.Descriptor
	for _, b := range c.graph.Blobs {
		blobs = append(blobs, b.Descriptor)
	}
	if c.bundle != nil { // it may have some that no name reaches
		blobs = nil
		for _, b := range c.bundle.Header().Blobs {
			blobs = append(blobs, registry.Descriptor{Digest: b.Digest, Size: b.Size})
		}
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
func (l *Landing) compare(ctx context.Context, i *Inspection, c *cargo) error {
	names, err := registry.Summarize(ctx, c, c.graph)
	if err != nil {
		return err
	}
	for k, summary := range names {
		for n := range summary.Platforms {
			summary.Platforms[n].Layers = nil // many, and of no use here
		}
		ref := c.graph.Names[k].Ref
		if ref.Repository == placeholder {
			summary.Name = ""
		}
		a := Arrival{Summary: summary, Change: "new"}
		here, err := l.store.Resolve(ctx, ref)
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
	Bundle string `json:"bundle"` // id of the cargo
	Source string `json:"source"`
	Bytes  int64  `json:"bytes"` // of the file
}

// Verify starts a job that proves every byte of a bundle, or every blob of an archive.
func (l *Landing) Verify(ctx context.Context, s Source, idempotencyKey string) (jobs.Job, error) {
	c, _, err := l.openAny(ctx, s, "")
	if err != nil {
		return jobs.Job{}, err
	}
	defer c.Close()
	return l.pool.Start(ctx, KindVerify, args{Source: s, Bundle: c.id}, jobs.StartOptions{IdempotencyKey: idempotencyKey, Subject: c.id})
}

func (l *Landing) verify(ctx context.Context, j *jobs.Run) (any, error) {
	var a args
	if err := j.Args(&a); err != nil {
		return nil, err
	}
	c, _, err := l.openAny(ctx, a.Source, a.Bundle)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var read atomic.Int64
	err = c.verify(ctx, func(n int64) {
		j.Report(jobs.Progress{Phase: "reading", Bytes: read.Add(n), TotalBytes: c.size})
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.Source, err)
	}
	return Verified{a.Bundle, a.Source.String(), c.size}, nil
}
