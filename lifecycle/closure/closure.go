// Package closure is the gate: it proves against a store that all that a definition
// reaches is there, whole and allowed, for each platform that the site has, and lists
// exactly what is not. It changes nothing at the site but that bytes which turn out to
// be damaged go into quarantine, and carries nothing: what its report wants is carried
// by a bundle.
//
// Nouns. An item is what of a definition can be incomplete by itself: an image, a part,
// the definition's own artifact. A lack is a digest that is not at the site, or not
// whole. What is elsewhere is at the site, but not in the repository where hosts look
// for it: then a name has to be brought, and no bytes.
package closure

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/registry/trust"
	"github.com/landfall-dev/landfall/registry/wants"
)

// State is how it is about an item or the whole.
type State string

// The states, each worse than the one before.
const (
	Complete State = "complete"
	Refused  State = "refused" // it is there, and the site's policy does not allow it
	Moved    State = "moved"   // the name stands for another digest at the site
	Missing  State = "missing"
	Damaged  State = "damaged" // bytes are there that are not what they should be
)

var order = map[State]int{Complete: 0, Refused: 1, Moved: 2, Missing: 3, Damaged: 4}

// Site is what is asked. *store.Store is one, and Empty.
type Site interface {
	registry.Reader
	registry.Checker
	Anywhere
	// TrustPolicy is the policy in force; the zero Policy without one.
	TrustPolicy(ctx context.Context) (*trust.Policy, error)
	// TrustState has the newest time that is certain.
	TrustState(ctx context.Context) (trust.State, error)
}

// Anywhere is content by its digest, whichever repository it belongs to.
type Anywhere interface {
	// ManifestOf is a manifest with its exact bytes; ErrNotFound without it.
	ManifestOf(ctx context.Context, d digest.Digest) (registry.Descriptor, []byte, error)
	// MissingBlobs returns the blobs that are not there, whole and of their size.
	MissingBlobs(ctx context.Context, blobs []registry.Descriptor) ([]registry.Descriptor, error)
	// Damaged lists what is in quarantine.
	Damaged(ctx context.Context) ([]store.Damage, error)
	// Prove reads a blob. ErrDigest says that it is damaged, and was put into quarantine.
	Prove(ctx context.Context, d digest.Digest) error
}

var _ Site = (*store.Store)(nil)

// Report is what the gate found.
type Report struct {
	Name      string         `json:"name"`
	Version   string         `json:"version"`
	Document  digest.Digest  `json:"document"`
	Platforms []string       `json:"platforms"`         // that were checked, ascending
	State     State          `json:"state"`             // the worst of the items
	Items     []Item         `json:"items"`             // those that are not complete first, then by name
	Missing   []Lack         `json:"missing,omitempty"` // ascending by digest
	Names     []wants.Pinned `json:"names,omitempty"`   // that have to be brought, ascending
	Digests   int            `json:"digests"`           // that were proven or looked for
	Bytes     int64          `json:"bytes"`             // of the closure for these platforms
	Lacking   int64          `json:"lacking"`           // bytes that are missing
	Deep      bool           `json:"deep"`              // every byte was read
}

// KindDefinition is the kind of the artifact itself, or of what concerns the definition
// as a whole. The other kinds of items are those of package definition.
const KindDefinition = "definition"

// Item is an image or a part of the definition.
type Item struct {
	Name     string        `json:"name"` // image, or LAYER/PATH of a part
	Kind     string        `json:"kind"` // image, chart, manifest, file, definition
	Digest   digest.Digest `json:"digest,omitempty"`
	State    State         `json:"state"`
	Problems []string      `json:"problems,omitempty"` // with the cure
	Missing  int           `json:"missing,omitempty"`  // digests
	Lacking  int64         `json:"lacking,omitempty"`  // bytes
}

// Lack is a digest that is not there, or not whole.
type Lack struct {
	Digest       digest.Digest `json:"digest"`
	Kind         string        `json:"kind"` // blob, manifest
	MediaType    string        `json:"mediaType,omitempty"`
	Size         int64         `json:"size"`         // bytes
	Repositories []string      `json:"repositories"` // ascending; that have to have it
	For          []string      `json:"for"`          // items, ascending
}

// Wants is the list of what has to be carried; nil when carrying would mend nothing.
// Who writes it puts the id of the site in, when that is known.
func (r *Report) Wants(d *definition.Definition) *wants.Wants {
	if len(r.Names) == 0 {
		return nil
	}
	w := &wants.Wants{
		Format:     wants.OfDefinition,
		Definition: &wants.DefinitionID{Name: r.Name, Version: r.Version, Document: r.Document},
		Names:      r.Names,
		Wants:      []wants.Want{},
	}
	have, _ := registry.ParsePlatforms(d.Platforms) // Check has proven both
	asked, _ := registry.ParsePlatforms(r.Platforms)
	for i, p := range asked {
		if registry.Offers(have, p) {
			w.Platforms = append(w.Platforms, r.Platforms[i])
		}
	}
	for _, n := range r.Names {
		if n.Name == d.Ref().String() {
			w.Definition.Repository = d.Repository
		}
	}
	for _, l := range r.Missing {
		w.Wants = append(w.Wants, wants.Want{Digest: l.Digest, Kind: l.Kind, Repositories: l.Repositories, Size: l.Size, For: l.For})
	}
	return w
}

// Err is nil when all is complete, ErrUntrusted when all that is wrong is that the
// policy refuses something, else ErrIncomplete.
func (r *Report) Err() error {
	switch r.State {
	case Complete:
		return nil
	case Refused:
		return fmt.Errorf("definition %s %s: %w: the site's trust policy refuses %d of %s", r.Name, r.Version, registry.ErrUntrusted, r.bad(), count(len(r.Items), "item"))
	}
	return fmt.Errorf("definition %s %s: %w: %d of %s%s not ready at the site", r.Name, r.Version, registry.ErrIncomplete, r.bad(), count(len(r.Items), "item"), isAre(r.bad()))
}

// bad counts the items that are not complete.
func (r *Report) bad() (n int) {
	for _, i := range r.Items {
		if i.State != Complete {
			n++
		}
	}
	return n
}

// Summary is the report in one line.
func (r *Report) Summary() string {
	name := r.Name + " " + r.Version
	if r.State == Complete {
		return fmt.Sprintf("%s: complete: %s, %s in %s%s", name, count(len(r.Items), "item"), units.Bytes(r.Bytes), count(r.Digests, "digest"), forPlatforms(r.Platforms))
	}
	text := fmt.Sprintf("%s: %d of %s%s", name, r.bad(), count(len(r.Items), "item"), isAre(r.bad()))
	if r.State == Refused {
		return text + " refused by the trust policy"
	}
	text += " incomplete"
	if n := len(r.Missing); n > 0 {
		text += fmt.Sprintf(": %s in %s%s missing", units.Bytes(r.Lacking), count(n, "digest"), isAre(n))
	}
	return text
}

func forPlatforms(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return " for " + strings.Join(list, ", ")
}

// count is "1 item", "2 items".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Empty is a site that has nothing yet and no policy.
type Empty struct{}

var _ Site = Empty{}

// Resolve implements registry.Reader.
func (Empty) Resolve(_ context.Context, ref registry.Ref) (registry.Descriptor, error) {
	return registry.Descriptor{}, fmt.Errorf("%s: %w", ref, registry.ErrNotFound)
}

// Manifest implements registry.Reader.
func (Empty) Manifest(_ context.Context, ref registry.Ref) (registry.Descriptor, []byte, error) {
	return registry.Descriptor{}, nil, fmt.Errorf("%s: %w", ref, registry.ErrNotFound)
}

// Blob implements registry.Reader.
func (Empty) Blob(_ context.Context, repository string, d registry.Descriptor) (io.ReadCloser, error) {
	return nil, fmt.Errorf("%s@%s: %w", repository, d.Digest, registry.ErrNotFound)
}

// Referrers implements registry.Reader.
func (Empty) Referrers(context.Context, string, digest.Digest) ([]registry.Descriptor, error) {
	return nil, nil
}

// Missing implements registry.Checker.
func (Empty) Missing(_ context.Context, _ string, blobs []registry.Descriptor) ([]registry.Descriptor, error) {
	return blobs, nil
}

// ManifestOf implements Anywhere.
func (Empty) ManifestOf(_ context.Context, d digest.Digest) (registry.Descriptor, []byte, error) {
	return registry.Descriptor{}, nil, fmt.Errorf("manifest %s: %w", d, registry.ErrNotFound)
}

// MissingBlobs implements Anywhere.
func (Empty) MissingBlobs(_ context.Context, blobs []registry.Descriptor) ([]registry.Descriptor, error) {
	return blobs, nil
}

// Damaged implements Anywhere.
func (Empty) Damaged(context.Context) ([]store.Damage, error) { return nil, nil }

// Prove implements Anywhere.
func (Empty) Prove(_ context.Context, d digest.Digest) error {
	return fmt.Errorf("blob %s: %w", d, registry.ErrNotFound)
}

// TrustPolicy implements Site.
func (Empty) TrustPolicy(context.Context) (*trust.Policy, error) { return &trust.Policy{}, nil }

// TrustState implements Site.
func (Empty) TrustState(context.Context) (trust.State, error) { return trust.State{}, nil }
