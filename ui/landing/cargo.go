package landing

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/archive"
	"github.com/landfall-dev/landfall/registry/attach"
	"github.com/landfall-dev/landfall/registry/trust"
	"github.com/landfall-dev/landfall/ui/upload"
)

// cargo is what a file brings: the content of a bundle, or of an archive of images.
type cargo struct {
	registry.Reader
	graph   *registry.Graph // what it carries
	kind    upload.Kind
	id      string
	key     string // tells landings apart
	name    string // of the file, for people
	size    int64  // bytes of the file
	bundle  *bundle.Reader
	archive *archive.Archive // nil when it is a bundle
	medium  io.Closer
	explain func(error) error // tells a medium that was removed from one that is bad; nil: nobody can
	uploads []string          // that it is read from, with those of its signatures
	signed  []json.RawMessage // signatures from files beside it
}

// Close lets go of the file.
func (c *cargo) Close() error { return c.medium.Close() }

func bundleCargo(r *bundle.Reader) *cargo {
	h := r.Header()
	// The same content can come twice, with another place in its channel.
	key := fmt.Sprintf("%s %s %d", h.ID, h.Channel, h.Sequence)
	return &cargo{Reader: r, graph: r.Graph(), kind: upload.Bundle, id: h.ID, key: key, size: r.Size(), bundle: r, medium: r}
}

func archiveCargo(a *archive.Archive, medium io.Closer) *cargo {
	kind := upload.DockerArchive
	if a.Layout() {
		kind = upload.OCIArchive
	}
	return &cargo{Reader: a, graph: a.Graph(), kind: kind, id: a.ID(), key: a.ID(), size: a.Size(), archive: a, medium: medium}
}

// readCargo reads what a medium has. The medium is the cargo's now, and closed when it
// has none.
func readCargo(ctx context.Context, m bundle.Medium, name string) (*cargo, error) {
	if isBundle(m) {
		r, err := bundle.OpenMedium(m)
		if err == nil && name != "" {
			r.Close()
			return nil, fmt.Errorf("%w: name %s: a bundle has its names", registry.ErrInvalid, name)
		}
		if err != nil {
			return nil, err
		}
		return bundleCargo(r), nil
	}
	a, err := archive.Open(ctx, m.Name(), m, m.Size(), archive.Options{Name: name})
	if err != nil {
		m.Close()
		return nil, err
	}
	return archiveCargo(a, m), nil
}

// isBundle tells bundles from other tar files by the names of the first entries. What
// cannot be told, package bundle is to explain.
func isBundle(m bundle.Medium) bool {
	r := tar.NewReader(io.NewSectionReader(m, 0, m.Size()))
	for _, name := range []string{"oci-layout", "index.json", "landfall/bundle.json"} {
		h, err := r.Next()
		if err != nil {
			return true
		}
		if h.Name != name {
			return false
		}
	}
	return true
}

// verify proves every byte that counts.
func (c *cargo) verify(ctx context.Context, progress func(bytes int64)) error {
	if c.bundle != nil {
		return c.bundle.Verify(ctx, progress)
	}
	return c.archive.Verify(ctx, progress)
}

// admission is cargo that may land.
type admission struct {
	verdict *trust.Verdict
	medium  attach.Medium // nil: hosts cannot pull before all is in the store
	land    func(ctx context.Context, dst registry.Writer, opts registry.CopyOptions) error
}

// admit judges cargo by the site's policy. Nothing is changed yet.
func (l *Landing) admit(ctx context.Context, c *cargo, opts bundle.LandOptions) (*admission, error) {
	if c.bundle == nil {
		return l.admitArchive(ctx, c, opts)
	}
	a, err := bundle.Admit(ctx, l.store, c.bundle, opts)
	if err != nil {
		return nil, err
	}
	admitted := &admission{verdict: a.Verdict, land: a.Land}
	if c.bundle.Attachable() {
		admitted.medium = a
	}
	return admitted, nil
}

// admitArchive judges an archive like a push: nobody has signed it as a whole. Its
// images need the signatures that the policy asks for.
func (l *Landing) admitArchive(ctx context.Context, c *cargo, opts bundle.LandOptions) (*admission, error) {
	if len(opts.Keys) > 0 {
		return nil, fmt.Errorf("%s: %w: an archive of images is not signed, and signatures were asked for", c.kind, registry.ErrUntrusted)
	}
	if err := l.store.MayPush(ctx); err != nil {
		return nil, err
	}
	state, err := l.store.TrustState(ctx)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if state.Newest.After(now) {
		now = state.Newest
	}
	images, err := l.judgeImages(ctx, c, now)
	if err == nil && opts.Verify {
		err = c.archive.Verify(ctx, nil)
	}
	if err != nil {
		return nil, err
	}
	verdict := &trust.Verdict{Signers: []string{}, Now: now, Warnings: []string{"it is an archive of images, which nobody has signed as a whole: it was let in like a push"}}
	return &admission{verdict: verdict, land: func(ctx context.Context, dst registry.Writer, opts registry.CopyOptions) error {
		opts.BeforeCommit = func(b registry.Batch) {
			if r, ok := b.(trust.Rememberer); ok {
				r.Remember(nil, images)
			}
		}
		return registry.Copy(ctx, dst, c, c.graph, opts)
	}}, nil
}

// judgeImages tries the signatures of all names that the policy has a rule for, with
// what the archive has. All that is refused is reported, joined.
func (l *Landing) judgeImages(ctx context.Context, c *cargo, now time.Time) (list []trust.ImageVerdict, err error) {
	policy, err := l.store.TrustPolicy(ctx)
	if err != nil {
		return nil, err
	}
	var refused []error
	for _, n := range c.graph.Names {
		rule := policy.ImageRule(n.Ref.Repository)
		if rule == nil || registry.IsSignatureTag(n.Ref.Tag) {
			continue
		}
		verdict, err := rule.JudgeImage(ctx, c, n.Ref.Repository, n.Descriptor.Digest, now)
		if err != nil {
			return nil, fmt.Errorf("signatures of %s: %w", n.Ref, err)
		}
		list = append(list, verdict)
		refused = append(refused, verdict.Refused(rule))
	}
	return list, errors.Join(refused...)
}
