package bundle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// The kinds of what is wanted.
const (
	WantBlob     = "blob"
	WantManifest = "manifest" // with all below and beside it: who lacks it cannot know what that is
)

const (
	wantsFormat = 1
	maxWants    = 64 << 20 // bytes of a file
)

// Wants is the exact list of what a site is missing for a bundle.
type Wants struct {
	Bundle    string   `json:"bundle"` // id
	Format    int      `json:"format"` // 1
	Platforms []string `json:"platforms,omitempty"`
	Site      string   `json:"site,omitempty"` // id of the site that the bundle was made for
	Wants     []Want   `json:"wants"`          // ascending by digest, at least one
}

// Want is one blob or manifest.
type Want struct {
	Digest       digest.Digest `json:"digest"`
	Kind         string        `json:"kind"`
	Repositories []string      `json:"repositories"`   // ascending; where it is to be found
	Size         int64         `json:"size,omitempty"` // of a blob, bytes
}

// Marshal is the file that ParseWants reads.
func (w *Wants) Marshal() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(w)
	return b.Bytes(), err
}

// ParseWants reads a wants file; errors begin with name.
func ParseWants(name string, content []byte) (*Wants, error) {
	w, err := parseWants(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: not a wants file: %w", name, registry.ErrInvalid, err)
	}
	return w, nil
}

func parseWants(content []byte) (*Wants, error) {
	if len(content) > maxWants {
		return nil, fmt.Errorf("larger than %d bytes", maxWants)
	}
	var version struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(content, &version); err != nil {
		return nil, err
	}
	if version.Format != wantsFormat {
		return nil, fmt.Errorf("format version %d, this program reads version %d", version.Format, wantsFormat)
	}
	w := &Wants{}
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(w); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return w, w.check()
}

func (w *Wants) check() error {
	if !isID(w.Bundle) || w.Site != "" && !isID(w.Site) {
		return fmt.Errorf("bundle %.40q or site %.40q is not an id", w.Bundle, w.Site)
	}
	if _, err := w.platforms(); err != nil {
		return err
	}
	if len(w.Wants) == 0 {
		return errors.New("it wants nothing")
	}
	for i, want := range w.Wants {
		if err := want.check(); err != nil {
			return fmt.Errorf("wants[%d]: %w", i, err)
		}
		if i > 0 && w.Wants[i-1].Digest >= want.Digest {
			return fmt.Errorf("wants[%d]: out of order or listed twice", i)
		}
	}
	return nil
}

func (w *Wants) platforms() (list []registry.Platform, err error) {
	for _, text := range w.Platforms {
		p, err := registry.ParsePlatform(text)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

func (w *Want) check() error {
	if _, err := registry.ParseDigest(w.Digest.String()); err != nil {
		return err
	}
	if w.Kind != WantBlob && w.Kind != WantManifest {
		return fmt.Errorf("kind %.40q (%s, %s)", w.Kind, WantBlob, WantManifest)
	}
	if w.Size < 0 || w.Size > maxContent || w.Kind == WantManifest && w.Size != 0 {
		return fmt.Errorf("size %d", w.Size)
	}
	if len(w.Repositories) == 0 || !ascending(w.Repositories) {
		return errors.New("repositories are missing or out of order")
	}
	for _, r := range w.Repositories {
		if _, err := registry.ParseName(r + "@" + w.Digest.String()); err != nil {
			return err
		}
	}
	return nil
}

// Find looks for what is wanted and returns it as a graph without names.
func (w *Wants) Find(ctx context.Context, src registry.Reader, opts registry.WalkOptions) (*registry.Graph, error) {
	var refs []registry.Ref
	var err error
	if opts.Platforms, err = w.platforms(); err != nil {
		return nil, err
	}
	for _, want := range w.Wants {
		for _, repository := range want.Repositories {
			if want.Kind == WantManifest {
				refs = append(refs, registry.Ref{Repository: repository, Digest: want.Digest})
			}
		}
	}
	g := &registry.Graph{}
	if len(refs) > 0 {
		if g, err = registry.Walk(ctx, src, refs, opts); err != nil {
			return nil, err
		}
		g.Names = nil
	}
	at := map[digest.Digest]int{}
	for i, n := range g.Blobs {
		at[n.Descriptor.Digest] = i
	}
	for _, want := range w.Wants {
		if want.Kind != WantBlob {
			continue
		}
		i, known := at[want.Digest]
		if !known {
			i = len(g.Blobs)
			g.Blobs = append(g.Blobs, registry.Node{Descriptor: registry.Descriptor{Digest: want.Digest, Size: want.Size}})
		}
		n := &g.Blobs[i]
		n.Repositories = append(slices.Clone(n.Repositories), want.Repositories...)
		slices.Sort(n.Repositories)
		n.Repositories = slices.Compact(n.Repositories)
	}
	return g, nil
}
