package definitions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/version"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/registry/trust"
)

// Names are the tags of the site whose artifact is a definition.
func (s *Definitions) names(ctx context.Context) ([]store.FoundName, error) {
	const page = 500
	var list []store.FoundName
	for after := ""; ; after = list[len(list)-1].String() {
		found, err := s.store.FindNames(ctx, store.FindOptions{ArtifactType: definition.ArtifactType, After: after, Limit: page})
		if err != nil {
			return nil, err
		}
		if list = append(list, found...); len(found) < page {
			return list, nil
		}
	}
}

// List tells of all definitions that the site has, by name, then version, the newest
// first. One that cannot be read is listed with its problem.
func (s *Definitions) List(ctx context.Context) ([]Summary, error) {
	names, err := s.names(ctx)
	if err != nil {
		return nil, err
	}
	policy, err := s.store.TrustPolicy(ctx)
	if err != nil {
		return nil, err
	}
	platforms, err := s.platforms(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]Summary, 0, len(names))
	for _, n := range names {
		one, err := s.summarize(ctx, n, policy)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			one.Problem = err.Error()
		} else if one.Gate, err = s.lastGate(ctx, one.Document, platforms); err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	s.forget(names)
	slices.SortStableFunc(list, func(a, b Summary) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), version.Compare(b.Version, a.Version))
	})
	return list, nil
}

// facts are what a list tells of a definition, which never changes.
type facts struct {
	Summary
	document registry.Descriptor
}

// learn reads a definition once.
func (s *Definitions) learn(ctx context.Context, ref registry.Ref, d digest.Digest) (*facts, error) {
	s.mu.Lock()
	f := s.facts[d]
	s.mu.Unlock()
	if f != nil {
		return f, nil
	}
	st, err := s.read(ctx, ref, d)
	if err != nil {
		return nil, err
	}
	of := st.Definition
	f = &facts{document: registry.Descriptor{MediaType: definition.TypeDocument, Digest: digest.FromBytes(st.Document), Size: int64(len(st.Document))}}
	f.Summary = Summary{Name: of.Name, Version: of.Version, Document: f.document.Digest, Kubernetes: of.Kubernetes, Platforms: append([]string{}, of.Platforms...),
		Layers: len(of.Layers), Images: len(of.Images), Size: of.Size()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.facts[d] = f
	return f, nil
}

// forget lets go of what is known of definitions that are gone.
func (s *Definitions) forget(names []store.FoundName) {
	there := map[digest.Digest]bool{}
	for _, n := range names {
		there[n.Digest] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.facts, func(d digest.Digest, _ *facts) bool { return !there[d] })
}

func (s *Definitions) summarize(ctx context.Context, n store.FoundName, policy *trust.Policy) (Summary, error) {
	ref := registry.Ref{Repository: n.Repository, Tag: n.Tag}
	f, err := s.learn(ctx, ref, n.Digest)
	if err != nil {
		name := n.Repository[strings.LastIndexByte(n.Repository, '/')+1:]
		return Summary{Reference: n.String(), Name: name, Version: n.Tag, Digest: n.Digest, Updated: n.Updated, Platforms: []string{}, Signers: []string{}}, err
	}
	sum := f.Summary
	sum.Reference, sum.Digest, sum.Updated, sum.Signers = n.String(), n.Digest, n.Updated, []string{}
	signatures, err := definition.Signatures(ctx, s.store, ref.ByDigest(n.Digest))
	if err != nil || len(signatures) == 0 {
		return sum, err
	}
	sum.Signatures = len(signatures)
	document, err := registry.ReadBlob(ctx, s.store, n.Repository, f.document)
	if err == nil {
		sum.Signers = signers(document, signatures, policy)
	}
	return sum, err
}

// signers are the owners of trusted keys that have signed a document.
func signers(document []byte, signatures []trust.Signature, policy *trust.Policy) []string {
	owners, now := []string{}, time.Now()
	for _, k := range policy.Keys() {
		if k.Revoked != nil || now.Before(k.NotBefore) || !k.NotAfter.IsZero() && now.After(k.NotAfter) {
			continue
		}
		// What others have signed besides is no fault here.
		for _, one := range signatures {
			if k.Verify(document, one) == nil {
				owners = append(owners, k.Owner)
				break
			}
		}
	}
	slices.Sort(owners)
	return slices.Compact(owners)
}

// Definitions that are kept read: at most so many, with so many bytes of documents, of
// which each takes several times as much memory; the last one in any case.
const (
	cached      = 8
	cachedBytes = 16 << 20
)

// remember keeps a definition read.
func (s *Definitions) remember(st *Stored) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cache = append(slices.DeleteFunc(s.cache, func(have *Stored) bool { return have.Digest == st.Digest }), st)
	bytes := 0
	for i, have := range slices.Backward(s.cache) {
		if bytes += len(have.Document); i < len(s.cache)-1 && (bytes > cachedBytes || len(s.cache)-i > cached) {
			s.cache = slices.Delete(s.cache, 0, i+1)
			break
		}
	}
}

// read reads a definition by its artifact's digest, or has it already. Bytes at the
// site that are not what they should be are found all the same: the gate looks there.
func (s *Definitions) read(ctx context.Context, ref registry.Ref, d digest.Digest) (*Stored, error) {
	s.mu.Lock()
	i := slices.IndexFunc(s.cache, func(st *Stored) bool { return st.Digest == d })
	if i >= 0 {
		st := *s.cache[i]
		s.mu.Unlock()
		st.Ref = ref
		return &st, nil
	}
	s.mu.Unlock()
	parsed, document, err := definition.Load(ctx, s.store, registry.Ref{Repository: ref.Repository, Digest: d})
	if err != nil {
		return nil, err // it names the reference
	}
	st := &Stored{Ref: ref, Digest: d, Definition: parsed, Document: document}
	s.remember(st)
	return st, nil
}

// Get is the definition of a name: a reference as the site lists it, NAME:VERSION or,
// for its highest version, NAME. ErrNotFound when there is none; ErrConflict when the
// name fits several.
func (s *Definitions) Get(ctx context.Context, name string) (*Stored, error) {
	names, err := s.names(ctx)
	if err != nil {
		return nil, err
	}
	found, err := pick(names, name)
	if err != nil {
		return nil, err
	}
	return s.read(ctx, registry.Ref{Repository: found.Repository, Tag: found.Tag}, found.Digest)
}

// pick finds the one that is meant.
func pick(names []store.FoundName, text string) (n store.FoundName, err error) {
	if ref, err := registry.ParseName(text); err == nil && ref.Digest != "" {
		for _, n := range names {
			if n.Digest == ref.Digest && n.Repository == ref.Repository && (ref.Tag == "" || ref.Tag == n.Tag) {
				return n, nil
			}
		}
	}
	short, tag, _ := strings.Cut(strings.ReplaceAll(text, "+", "_"), ":")
	var fitting []store.FoundName
	for _, n := range names {
		if n.String() == text || n.Repository == text {
			fitting = append(fitting, n)
		} else if path := "/" + n.Repository; strings.HasSuffix(path, "/"+short) && (tag == "" || tag == n.Tag) {
			fitting = append(fitting, n)
		}
	}
	if i := slices.IndexFunc(fitting, func(n store.FoundName) bool { return n.String() == text }); i >= 0 {
		return fitting[i], nil
	}
	for _, other := range fitting {
		if other.Repository != fitting[0].Repository {
			return n, fmt.Errorf("%s: %w: it can be %s or %s: say which", text, registry.ErrConflict, fitting[0], other)
		}
	}
	if len(fitting) == 0 {
		return n, fmt.Errorf("definition %.200s: %w: 'landfall definition ls' lists those that are at the site", text, registry.ErrNotFound)
	}
	return slices.MaxFunc(fitting, func(a, b store.FoundName) int { return version.Compare(a.Tag, b.Tag) }), nil
}

// Why says for which reasons images of a definition are there.
func (s *Definitions) Why(ctx context.Context, name, image string) ([]definition.Image, error) {
	st, err := s.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	return st.Definition.Why(image)
}

// Diff says how one definition differs from another, and how many bytes of the other
// the site does not have.
func (s *Definitions) Diff(ctx context.Context, from, to string) (*definition.Difference, error) {
	a, err := s.Get(ctx, from)
	if err != nil {
		return nil, err
	}
	b, err := s.Get(ctx, to)
	if err != nil {
		return nil, err
	}
	has, err := s.holdings(ctx, b.Definition)
	if err != nil {
		return nil, err
	}
	return definition.Diff(a.Definition, b.Definition, has), nil
}

// holdings says which digests of a definition the site has, in any repository.
func (s *Definitions) holdings(ctx context.Context, d *definition.Definition) (has func(digest.Digest) bool, err error) {
	there := map[digest.Digest]bool{}
	var blobs []registry.Descriptor
	for e := range definition.Graph(d, nil) {
		if _, seen := there[e.Descriptor.Digest]; seen {
			continue
		}
		there[e.Descriptor.Digest] = !e.Manifest
		if !e.Manifest {
			blobs = append(blobs, e.Descriptor)
			continue
		}
		_, _, err := s.store.ManifestOf(ctx, e.Descriptor.Digest)
		if err != nil && !errors.Is(err, registry.ErrNotFound) {
			return nil, err
		}
		there[e.Descriptor.Digest] = err == nil
	}
	missing, err := s.store.MissingBlobs(ctx, blobs)
	if err != nil {
		return nil, err
	}
	for _, b := range missing {
		there[b.Digest] = false
	}
	return func(d digest.Digest) bool { return there[d] }, nil
}
