package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/parallel"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/registry"
)

// Lack is what a target is without, or has in another form than it should.
type Lack struct {
	Repository string        // original name
	Digest     digest.Digest // of a manifest or blob
	Items      []string      // images and parts that need it
	Err        error
}

// LackError lists all that a target is without. It is an ErrIncomplete.
type LackError struct {
	Source string
	Lacks  []Lack
}

const maxNamed = 3 // lacks that an error names

// Error implements error.
func (e *LackError) Error() string {
	var texts []string
	for _, l := range e.Lacks[:min(maxNamed, len(e.Lacks))] {
		texts = append(texts, fmt.Sprintf("%s@%s of %s: %v", l.Repository, l.Digest, strings.Join(l.Items, ", "), l.Err))
	}
	if more := len(e.Lacks) - maxNamed; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("source %s: %v: %s", e.Source, registry.ErrIncomplete, strings.Join(texts, "; "))
}

// Is makes it an ErrIncomplete.
func (e *LackError) Is(target error) bool { return target == registry.ErrIncomplete }

// need is something that has to be at the target.
type need struct {
	repository string
	tag        string // that has to stand for the digest; empty: none has to
	descriptor registry.Descriptor
	manifest   bool
}

// verifier proves one definition at a target.
type verifier struct {
	*Target
	progress func(proven int)

	mu     sync.Mutex // protects the fields below
	proven int
	lacks  []Lack
}

// Verify proves that every manifest and blob of a definition's closure is at the target,
// by digest: manifests by their bytes, blobs by what the target says of them; and that
// names stand for what they should. It returns how many digests it has proven. A
// *LackError lists all that is not there. The site is not asked.
func (t *Target) Verify(ctx context.Context, c Content, progress func(proven int)) (proven int, err error) {
	v := &verifier{Target: t, progress: progress}
	needs, items, err := v.needs(ctx, c)
	if err != nil {
		return 0, t.explain(err)
	}
	err = parallel.Do(ctx, t.opts.Jobs, needs, func(ctx context.Context, n need) error { return v.prove(ctx, n, items[n.key()]) })
	if err != nil {
		return v.proven, t.explain(err)
	}
	if len(v.lacks) == 0 {
		return v.proven, nil
	}
	slices.SortFunc(v.lacks, func(a, b Lack) int {
		return strings.Compare(a.Repository+a.Digest.String(), b.Repository+b.Digest.String())
	})
	return v.proven, &LackError{Source: t.spec.URL, Lacks: v.lacks}
}

// key tells needs apart, but for their tags.
func (n *need) key() string { return n.repository + "@" + n.descriptor.Digest.String() }

// needs lists what has to be there, each once, and for what.
func (v *verifier) needs(ctx context.Context, c Content) (list []need, items map[string][]string, err error) {
	items = map[string][]string{}
	add := func(item string, n need) {
		key := n.key()
		if items[key] == nil || n.tag != "" {
			list = append(list, n)
		}
		if !slices.Contains(items[key], item) {
			items[key] = append(items[key], item)
		}
	}
	for i := range c.Definition.Images {
		m := &c.Definition.Images[i]
		if ref := m.Ref(); ref.Tag != "" {
			add(m.Name, need{repository: ref.Repository, tag: ref.Tag, descriptor: registry.Descriptor{Digest: m.Digest}, manifest: true})
		}
	}
	for e := range definition.Graph(c.Definition, nil) {
		n := need{repository: e.Repository, tag: e.Tag, descriptor: e.Descriptor, manifest: e.Manifest}
		if e.Kind != definition.KindImage {
			n.repository = c.Ref.Repository
		}
		add(e.Item, n)
	}
	own := need{repository: c.Ref.Repository, tag: c.Ref.Tag, descriptor: registry.Descriptor{Digest: c.Digest}, manifest: true}
	add(c.Ref.String(), own)
	blobs, err := v.artifact(ctx, c)
	for _, b := range blobs {
		add(c.Ref.String(), need{repository: c.Ref.Repository, descriptor: registry.Bare(b)})
	}
	return list, items, err
}

// artifact are the blobs of the definition's artifact; none when it is not there, which
// is told of when it is looked for itself.
func (v *verifier) artifact(ctx context.Context, c Content) ([]registry.Descriptor, error) {
	d, content, err := v.remote.Manifest(ctx, registry.Ref{Repository: v.spec.Repository(c.Ref.Repository), Digest: c.Digest})
	if lacking(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	parsed, err := registry.ParseManifest(d.MediaType, content)
	if err != nil {
		return nil, err
	}
	return parsed.Blobs, nil
}

// lacking reports whether an error says that content is not there as it should be.
func lacking(err error) bool { return errors.Is(err, registry.ErrNotFound) || registry.WrongBytes(err) }

// prove looks for one thing.
func (v *verifier) prove(ctx context.Context, n need, items []string) error {
	err := v.look(ctx, n)
	if err != nil && !lacking(err) {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		v.lacks = append(v.lacks, Lack{n.repository, n.descriptor.Digest, items, err})
		return nil
	}
	if v.proven++; v.progress != nil {
		v.progress(v.proven)
	}
	return nil
}

func (v *verifier) look(ctx context.Context, n need) error {
	repository, d := v.spec.Repository(n.repository), n.descriptor
	if !n.manifest {
		ok, err := v.remote.Exists(ctx, repository, d)
		if err == nil && !ok {
			err = fmt.Errorf("blob %w, or of another size", registry.ErrNotFound)
		}
		return err
	}
	if n.tag != "" {
		have, err := v.remote.Resolve(ctx, registry.Ref{Repository: repository, Tag: n.tag})
		if err == nil && have.Digest != d.Digest {
			err = fmt.Errorf("tag %s: %w: it stands for %s there", n.tag, registry.ErrDigest, have.Digest)
		}
		if err != nil {
			return err
		}
	}
	_, _, err := v.remote.Manifest(ctx, registry.Ref{Repository: repository, Digest: d.Digest}) // it proves the bytes
	return err
}
