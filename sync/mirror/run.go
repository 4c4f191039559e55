package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/parallel"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
	"github.com/landfall-dev/landfall/sync/config"
)

// runner carries a plan out.
type runner struct {
	*mover
	plan   *Plan
	report *Report
	mu     sync.Mutex // protects report
}

// Run carries the plan out: image by image, each blob once, each image's name last.
// One that fails does not stop the others. What became of each is in the report;
// an error means that the run was broken off.
func (p *Plan) Run(ctx context.Context, cfg *config.File, dst registry.Writer, opts Options) (*Report, error) {
	opts = opts.withDefaults()
	m := &mover{unplanned: p.unplanned, dst: dst, opts: opts, all: make(chan struct{}, opts.Jobs), links: newLinks(cfg, opts.Now)}
	m.mounter, _ = dst.(registry.Mounter)
	if m.resumer, _ = dst.(registry.Resumer); m.resumer == nil && opts.Spool != "" {
		if s := newSpool(dst, opts.Spool); s != nil { // a nil spool is no nil Resumer
			m.resumer = s
		}
	}
	r := &runner{mover: m, plan: p, report: newReport(p, opts.Now())}
	if reserver, ok := dst.(registry.Reserver); ok {
		if err := reserver.Reserve(ctx, p.Bytes); err != nil {
			return r.report, registry.DestinationError("", err)
		}
	}
	opts.Progress(registry.Event{Kind: registry.Planned, Bytes: p.Bytes, Count: p.Blobs})
	var numbers []int
	for k := range p.Images {
		if p.Images[k].Action == Copy {
			numbers = append(numbers, k)
		}
	}
	// More images than blobs at once: one that waits for its last must not idle the rest.
	err := parallel.Do(ctx, 2*opts.Jobs, numbers, func(ctx context.Context, k int) error {
		moved, err := r.image(ctx, &p.Images[k])
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r.note(&r.report.Images[k], moved, err)
		return nil
	})
	if err == nil {
		err = r.deletions(ctx)
	}
	r.report.end(opts.Now())
	return r.report, err
}

// image brings one image: blobs, then manifests, then its name. It tells what the
// tag stands for meanwhile when it has moved.
func (r *runner) image(ctx context.Context, i *Image) (moved digest.Digest, err error) {
	if err := r.blobs(ctx, i); err != nil {
		return r.moved(ctx, i), err
	}
	dst, commit, end, err := r.begin(ctx, i)
	if err != nil {
		return "", err
	}
	defer end()
	for k := range i.graph.Manifests { // children before parents
		if err := r.manifest(ctx, dst, i, &i.graph.Manifests[k]); err != nil {
			return r.moved(ctx, i), err
		}
	}
	moved = r.moved(ctx, i)
	for _, n := range i.graph.Names {
		if err := r.name(ctx, dst, i, n); err != nil {
			return moved, err
		}
	}
	return moved, registry.DestinationError(i.Destination, commit())
}

// blobs brings all blobs of an image, and tries all before it fails.
func (r *runner) blobs(ctx context.Context, i *Image) error {
	type place struct {
		transfer *transfer
		from     string
	}
	var places []place
	for _, n := range i.graph.Blobs {
		for _, from := range n.Repositories {
			places = append(places, place{r.plan.transfers[n.Descriptor.Digest], from})
		}
	}
	var mu sync.Mutex // protects errs
	var errs []error
	err := parallel.Do(ctx, r.opts.Jobs, places, func(ctx context.Context, p place) error {
		if err := r.bring(ctx, p.transfer, i, p.from, i.repository(p.from)); err != nil {
			mu.Lock()
			errs = append(errs, err)
			mu.Unlock()
			return ctx.Err()
		}
		r.opts.Progress(registry.Event{Kind: registry.Finished, Descriptor: p.transfer.descriptor})
		return nil
	})
	if len(errs) > 0 && ctx.Err() == nil {
		return errs[0] // the others are told of with the images that need them
	}
	return err
}

// begin opens what makes the names of an image visible together, if there is such.
func (r *runner) begin(ctx context.Context, i *Image) (dst registry.Writer, commit func() error, end func(), err error) {
	b, ok := r.dst.(registry.Batcher)
	if !ok {
		return r.dst, func() error { return nil }, func() {}, nil
	}
	batch, err := b.Batch(ctx)
	if err != nil {
		return nil, nil, nil, registry.DestinationError(i.Destination, err)
	}
	return batch, func() error {
		v, judged := r.plan.verdicts[i.to.ByDigest(i.Digest)]
		if re, ok := batch.(trust.Rememberer); ok && judged {
			re.Remember(nil, []trust.ImageVerdict{v})
		}
		return batch.Commit(ctx)
	}, func() { batch.Close() }, nil
}

// manifest puts one manifest into all repositories that it has to be in.
func (r *runner) manifest(ctx context.Context, dst registry.Writer, i *Image, n *registry.Node) error {
	for _, from := range n.Repositories {
		to := registry.Ref{Repository: i.repository(from), Digest: n.Descriptor.Digest}
		there, err := dst.Exists(ctx, to.Repository, n.Descriptor)
		if err == nil && !there {
			err = r.putManifest(ctx, dst, i, from, to, n)
		}
		if err != nil {
			return registry.DestinationError(to.String(), err)
		}
	}
	return nil
}

func (r *runner) putManifest(ctx context.Context, dst registry.Writer, i *Image, from string, to registry.Ref, n *registry.Node) error {
	content := n.Content
	if content == nil {
		ref := registry.Ref{Repository: from, Digest: n.Descriptor.Digest}
		var err error
		if _, content, err = i.source.Manifest(ctx, ref); err != nil {
			return registry.SourceError(ref.String(), err)
		}
	}
	return dst.PutManifest(ctx, to, n.Descriptor, content)
}

// name points a tag at its manifest.
func (r *runner) name(ctx context.Context, dst registry.Writer, i *Image, n registry.Name) error {
	to := registry.Ref{Repository: i.repository(n.Ref.Repository), Tag: n.Ref.Tag}
	for k := range i.graph.Manifests {
		if node := &i.graph.Manifests[k]; node.Descriptor.Digest == n.Descriptor.Digest {
			return registry.DestinationError(to.String(), r.putManifest(ctx, dst, i, n.Ref.Repository, to, node))
		}
	}
	return fmt.Errorf("%s: %w: its manifest is not in the plan", to, registry.ErrIncomplete)
}

// moved is what the source's tag stands for now, when that is not what was planned.
// With a lock that is nobody's concern.
func (r *runner) moved(ctx context.Context, i *Image) digest.Digest {
	if r.opts.Lock != nil || i.from.Tag == "" || ctx.Err() != nil {
		return ""
	}
	d, err := i.source.Resolve(ctx, i.from)
	if err != nil || d.Digest == i.Digest {
		return ""
	}
	return d.Digest
}

// note puts the end of an image into the report.
func (r *runner) note(res *Result, moved digest.Digest, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	res.Moved, res.ran = moved, true
	shut := (*closedError)(nil)
	switch {
	case err == nil:
		res.State = Copied
		r.opts.Progress(registry.Event{Kind: registry.Landed})
	case errors.As(err, &shut):
		until := shut.until.UTC()
		res.State, res.Until = Deferred, &until
		res.Error = "the link closed on the way; what came is kept"
	default:
		res.State, res.err, res.Error = Failed, err, oneLine(err)
		if moved != "" {
			res.Error += fmt.Sprintf(" (the tag has moved to %s since it was planned: run again)", short(moved))
		}
	}
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// deletions removes what the plan says, one by one; what is pinned stays.
func (r *runner) deletions(ctx context.Context) error {
	deleter, ok := r.dst.(registry.Deleter)
	failed := r.report.failedMirrors()
	for _, d := range r.plan.Deletions {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		res := Deleted{Mirror: d.Mirror, Name: d.Name, Digest: d.Digest, Reason: d.Reason}
		var err error
		switch {
		case !ok:
			err = errors.ErrUnsupported
		case slices.Contains(failed, d.Mirror):
			res.Error = "kept: not all of its mirror was copied"
		default:
			err = deleter.Delete(ctx, d.ref)
		}
		if err != nil && !errors.Is(err, registry.ErrNotFound) {
			res.Error = "kept: " + oneLine(err)
		}
		r.report.Deleted = append(r.report.Deleted, res)
	}
	return nil
}

// elapsed rounds a time for people.
func elapsed(from, to time.Time) time.Duration { return to.Sub(from).Round(time.Millisecond) }
