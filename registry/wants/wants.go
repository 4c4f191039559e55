// Package wants is the file in which a site says exactly what it is without, and
// what the connected side makes a bundle of: for a bundle that stands on content that
// is not there, or for a definition whose closure is not whole. It is data with a
// strict parser, and finds what is listed in any registry.Reader. Who finds out what
// is missing, and who carries it, are elsewhere.
//
// Nouns. A want is one blob or manifest. A pinned name is a name with the digest that
// it has to stand for; what a definition wants is reached from pinned names. An item
// is what of a definition a want is for.
package wants

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// The versions of the format.
const (
	OfBundle     = 1 // what a thin bundle needs; a manifest is wanted with all below and beside it
	OfDefinition = 2 // what a definition needs; every want stands for itself
)

// The kinds of what is wanted.
const (
	Blob     = "blob"
	Manifest = "manifest"
)

const (
	maxFile = 64 << 20 // bytes
	maxBlob = 1 << 50  // bytes
	maxText = 4096     // bytes of an item's name
)

// Wants is the exact list of what a site is missing.
type Wants struct {
	Bundle     string        `json:"bundle,omitempty"` // id; of OfBundle
	Format     int           `json:"format"`
	Definition *DefinitionID `json:"definition,omitempty"` // of OfDefinition
	Platforms  []string      `json:"platforms,omitempty"`  // what of indexes is wanted; all when empty
	Site       string        `json:"site,omitempty"`       // id: OfBundle, of the site that the bundle was made for; OfDefinition, of the one that wants
	Names      []Pinned      `json:"names,omitempty"`      // ascending; of OfDefinition
	Wants      []Want        `json:"wants"`                // ascending by digest; at least one, or one name
}

// DefinitionID says which definition it is.
type DefinitionID struct {
	Name       string        `json:"name"`
	Version    string        `json:"version"`
	Document   digest.Digest `json:"document"`             // of the canonical document
	Repository string        `json:"repository,omitempty"` // of its own artifact, when something of it is wanted
}

// Pinned is a name that has to be at the site, and stand for a digest.
type Pinned struct {
	Name      string        `json:"name"` // REPOSITORY:TAG, or REPOSITORY@DIGEST
	Digest    digest.Digest `json:"digest"`
	Platforms []string      `json:"platforms,omitempty"` // what of its index is wanted, if that is not what the list says
}

// Want is one blob or manifest.
type Want struct {
	Digest       digest.Digest `json:"digest"`
	Kind         string        `json:"kind"`
	Repositories []string      `json:"repositories"`   // ascending; where it is to be found
	Size         int64         `json:"size,omitempty"` // bytes; not of a manifest OfBundle: who lacks it cannot know
	For          []string      `json:"for,omitempty"`  // ascending; items, OfDefinition
}

// Marshal is the file that Parse reads.
func (w *Wants) Marshal() ([]byte, error) {
	written := *w
	if w.Format == OfDefinition && w.Wants == nil {
		written.Wants = []Want{}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(&written)
	return b.Bytes(), err
}

// Parse reads a wants file. ErrInvalid begins with name, and says what is wrong.
func Parse(name string, content []byte) (*Wants, error) {
	w, err := parse(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: not a wants file: %w", name, registry.ErrInvalid, err)
	}
	return w, nil
}

func parse(content []byte) (*Wants, error) {
	if len(content) > maxFile {
		return nil, fmt.Errorf("larger than %d bytes", maxFile)
	}
	var version struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(content, &version); err != nil {
		return nil, err
	}
	if version.Format != OfBundle && version.Format != OfDefinition {
		return nil, fmt.Errorf("format version %d, this program reads versions %d and %d: use a newer landfall", version.Format, OfBundle, OfDefinition)
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
	if err := w.check(); err != nil {
		return nil, err
	}
	if w.Format == OfDefinition {
		return w, w.checkForm(content)
	}
	return w, nil
}

// checkForm: one list has one form, so that what somebody changed is noticed.
func (w *Wants) checkForm(content []byte) error {
	again, err := w.Marshal()
	if err == nil && !bytes.Equal(again, content) {
		err = errors.New("it is not as Landfall writes it: take the file of 'landfall definition check --wants' as it is")
	}
	return err
}

func (w *Wants) check() error {
	if w.Site != "" && !isID(w.Site) {
		return fmt.Errorf("site %.40q is not an id", w.Site)
	}
	if _, err := registry.ParsePlatforms(w.Platforms); err != nil {
		return err
	}
	check := w.checkBundle
	if w.Format == OfDefinition {
		check = w.checkDefinition
	}
	if err := check(); err != nil {
		return err
	}
	for i, want := range w.Wants {
		if err := want.check(w.Format); err != nil {
			return fmt.Errorf("wants[%d]: %w", i, err)
		}
		if i > 0 && w.Wants[i-1].Digest >= want.Digest {
			return fmt.Errorf("wants[%d]: out of order or listed twice", i)
		}
	}
	return nil
}

// checkBundle proves what only a list OfBundle has.
func (w *Wants) checkBundle() error {
	switch {
	case !isID(w.Bundle):
		return fmt.Errorf("bundle %.40q is not an id", w.Bundle)
	case w.Definition != nil || w.Names != nil:
		return fmt.Errorf("it has members that format version %d does not have", OfBundle)
	case len(w.Wants) == 0:
		return errors.New("it wants nothing")
	}
	return nil
}

// checkDefinition proves what only a list OfDefinition has.
func (w *Wants) checkDefinition() error {
	d := w.Definition
	switch {
	case w.Bundle != "":
		return fmt.Errorf("it has members that format version %d does not have", OfDefinition)
	case d == nil || !isText(d.Name) || !isText(d.Version):
		return errors.New("definition is without name or version")
	case !ascending(w.Platforms):
		return errors.New("platforms are out of order or listed twice")
	case len(w.Names) == 0:
		return errors.New("it wants nothing")
	}
	if _, err := registry.ParseDigest(d.Document.String()); err != nil {
		return fmt.Errorf("definition: document: %w", err)
	}
	if d.Repository != "" {
		if _, err := registry.ParseName(d.Repository + "@" + d.Document.String()); err != nil {
			return fmt.Errorf("definition: repository: %w", err)
		}
	}
	for i, n := range w.Names {
		if err := n.check(); err != nil {
			return fmt.Errorf("names[%d]: %w", i, err)
		}
		if i > 0 && w.Names[i-1].Name >= n.Name {
			return fmt.Errorf("names[%d]: out of order or listed twice", i)
		}
	}
	return nil
}

func (n *Pinned) check() error {
	if _, err := registry.ParseDigest(n.Digest.String()); err != nil {
		return err
	}
	ref, err := registry.ParseName(n.Name)
	switch {
	case err != nil:
		return err
	case ref.String() != n.Name:
		return fmt.Errorf("name %q is not in canonical form", n.Name)
	case ref.Tag != "" && ref.Digest != "" || ref.Digest != "" && ref.Digest != n.Digest:
		return fmt.Errorf("name %s: want a tag alone, or the digest %s alone", n.Name, n.Digest)
	case !ascending(n.Platforms):
		return errors.New("platforms are out of order or listed twice")
	}
	_, err = registry.ParsePlatforms(n.Platforms)
	return err
}

func (w *Want) check(format int) error {
	if _, err := registry.ParseDigest(w.Digest.String()); err != nil {
		return err
	}
	if w.Kind != Blob && w.Kind != Manifest {
		return fmt.Errorf("kind %.40q (%s, %s)", w.Kind, Blob, Manifest)
	}
	if !w.fits(format) {
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
	if (len(w.For) > 0) != (format == OfDefinition) || !ascending(w.For) || slices.ContainsFunc(w.For, func(s string) bool { return !isText(s) }) {
		return errors.New("for is missing, out of order, or too much")
	}
	return nil
}

// fits reports whether the size can be.
func (w *Want) fits(format int) bool {
	switch {
	case w.Kind == Blob:
		return w.Size >= 0 && w.Size <= maxBlob
	case format == OfBundle:
		return w.Size == 0
	}
	return w.Size > 0 && w.Size <= registry.MaxManifestSize
}

// Bytes is the sum of what is wanted, as far as it is known.
func (w *Wants) Bytes() (n int64) {
	for _, want := range w.Wants {
		n += want.Size
	}
	return n
}

// AddReferrers adds what of a graph refers to manifests that are wanted: signatures of
// a definition, which it cannot list itself.
func (w *Wants) AddReferrers(g *registry.Graph) {
	for _, n := range g.Manifests {
		if n.Manifest.Subject == nil {
			continue
		}
		of, wanted := w.search(n.Manifest.Subject.Digest)
		if !wanted {
			continue
		}
		w.add(Want{Digest: n.Descriptor.Digest, Kind: Manifest, Size: n.Descriptor.Size, Repositories: n.Repositories, For: w.Wants[of].For})
		for _, b := range n.Manifest.Blobs {
			w.add(Want{Digest: b.Digest, Kind: Blob, Size: b.Size, Repositories: n.Repositories, For: w.Wants[of].For})
		}
	}
}

func (w *Wants) search(d digest.Digest) (place int, found bool) {
	return slices.BinarySearchFunc(w.Wants, d, func(have Want, d digest.Digest) int { return strings.Compare(string(have.Digest), string(d)) })
}

func (w *Wants) add(want Want) {
	if at, found := w.search(want.Digest); !found {
		w.Wants = slices.Insert(w.Wants, at, want)
	}
}

// Have is what a bundle that is made of the list does without, since the site has it;
// nil when such a bundle carries all that Find finds.
func (w *Wants) Have() func(digest.Digest) bool {
	if w.Format != OfDefinition {
		return nil
	}
	wanted := make(map[digest.Digest]bool, len(w.Wants))
	for _, want := range w.Wants {
		wanted[want.Digest] = true
	}
	return func(d digest.Digest) bool { return !wanted[d] }
}

// Selected are the platforms of the list, parsed; none choose everything.
func (w *Wants) Selected() []registry.Platform {
	list, _ := registry.ParsePlatforms(w.Platforms) // Parse has proven them, Find does
	return list
}

// isID: 32 hexadecimal digits.
func isID(text string) bool {
	return len(text) == 32 && strings.Trim(text, "0123456789abcdef") == ""
}

// isText: a name that can be shown on one line.
func isText(s string) bool {
	return s != "" && len(s) <= maxText && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// ascending: in order, and nothing twice.
func ascending(list []string) bool {
	for i := 1; i < len(list); i++ {
		if list[i-1] >= list[i] {
			return false
		}
	}
	return true
}
