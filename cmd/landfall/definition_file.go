package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/definitions"
)

// definitionSuffix is how the file with a definition's document is called. Beside it
// are NAME.def.tar with its charts, manifests and files, and NAME.def.yaml.sig with
// its signatures.
const definitionSuffix = ".def.yaml"

// contentFile is the file with a definition's charts, manifests and files. It is never
// the document, nor that of a document of another name.
func contentFile(path string) string {
	switch ext := filepath.Ext(path); ext {
	case ".yaml", ".yml":
		path = strings.TrimSuffix(path, ext)
	}
	return path + ".tar"
}

// maxDefinition bounds a document, in bytes.
const maxDefinition = 64 << 20

// shownDefinition is a definition with what is known of it, from a file or a site.
type shownDefinition struct {
	definition *definition.Definition
	document   []byte
	signatures []trust.Signature
	signers    []string             // ids of keys that were asked for, and have signed
	site       *definitions.Summary // what the site says of it; nil for a file
}

// openDefinition reads the definition of a file. When there are signatures beside it,
// they have to be of this document.
func openDefinition(path string) (*definition.Definition, error) {
	d, err := readDefinition(path, nil)
	if err != nil {
		return nil, err
	}
	return d.definition, nil
}

// readDefinition reads the definition of a file, which each of the keys has to have
// signed.
func readDefinition(path string, keys []trust.Key) (*shownDefinition, error) {
	document, err := readAtMost(path, maxDefinition)
	if err != nil {
		return nil, err
	}
	d := &shownDefinition{document: document}
	if d.signatures, err = readSignatures(path + ".sig"); err != nil {
		return nil, err
	}
	var untrusted error
	d.signers, untrusted = definition.Verify(document, d.signatures, keys)
	if d.definition, err = definition.Parse(path, document); err != nil {
		return nil, errors.Join(err, named(path, untrusted))
	}
	return d, named(path, untrusted)
}

// named puts a file's name before an error.
func named(path string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", path, err)
}

// readSignatures reads the signatures beside a document; none when there is no file.
func readSignatures(path string) ([]trust.Signature, error) {
	content, err := readAtMost(path, 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return definition.ParseSignatures(path, content)
}

// readAtMost reads a file of at most so many bytes.
func readAtMost(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return allAtMost(path, f, most)
}

// allAtMost reads all of something, of at most so many bytes.
func allAtMost(name string, r io.Reader, most int64) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(content)) > most {
		err = fmt.Errorf("%s: %w: larger than %d bytes", name, registry.ErrInvalid, most)
	}
	return content, err
}

// definitionContent opens the artifact of a file's definition, with its signatures.
func definitionContent(path string) (*definition.Content, func() error, error) {
	d, err := readDefinition(path, nil)
	if err != nil {
		return nil, nil, err
	}
	return d.content(path)
}

// content is the artifact of a file's definition.
func (d *shownDefinition) content(path string) (c *definition.Content, closeParts func() error, err error) {
	parts, closeParts, err := openParts(path, d.definition)
	if err != nil {
		return nil, nil, err
	}
	c, err = definition.Pack(d.document, parts, d.signatures)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", path, err), closeParts())
	}
	return c, closeParts, nil
}

// openParts opens the file beside a definition that has its parts.
func openParts(path string, d *definition.Definition) (map[digest.Digest]definition.Opened, func() error, error) {
	list := d.Parts()
	if len(list) == 0 {
		return nil, func() error { return nil }, nil
	}
	file := contentFile(path)
	b, err := bundle.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s: %w: it is not there, and has the %d charts, manifests and files of %s: put it beside that, or build the definition again",
			file, registry.ErrIncomplete, len(list), path)
	}
	if err != nil {
		return nil, nil, err
	}
	parts := map[digest.Digest]definition.Opened{}
	for _, p := range list {
		desc := registry.Descriptor{MediaType: p.MediaType, Digest: p.Digest, Size: p.Size}
		if offset, _, carried := b.EntryOf(p.Digest); !carried || offset < 0 {
			err := fmt.Errorf("%s: %w: it is without %s, %s, of %s: the two are of different builds; build the definition again", file, registry.ErrIncomplete, p.Path, p.Digest, path)
			return nil, nil, errors.Join(err, b.Close())
		}
		parts[p.Digest] = func() (io.ReadCloser, error) { return b.Blob(context.Background(), d.Repository, desc) } // of a file: nothing to be given up
	}
	return parts, b.Close, nil
}

// definitionSite is where definitions are looked up by name.
type definitionSite struct {
	registry.Reader
	known  *definitions.Definitions // of the store that is here
	client *api.Client              // else
}

// openDefinitions opens what a site knows of definitions. It makes nothing.
func (f *siteFlags) openDefinitions(ctx context.Context) (s *definitionSite, closeSite func() error, err error) {
	if err := f.mustExist(); err != nil {
		return nil, nil, err
	}
	local, server, err := f.find(ctx)
	if err != nil {
		return nil, nil, err
	}
	if local != nil {
		known, err := openKnown(ctx, local, definitions.Options{})
		if err != nil {
			return nil, nil, errors.Join(err, local.Close())
		}
		return &definitionSite{Reader: local, known: known}, local.Close, nil
	}
	client, err := f.dial(server)
	if err != nil {
		return nil, nil, err
	}
	r, err := f.dialRegistry(server, nil)
	if err != nil {
		return nil, nil, errors.Join(err, client.Close())
	}
	return &definitionSite{Reader: r, client: client}, func() error { return errors.Join(r.Close(), client.Close()) }, nil
}

// list are the definitions of the site.
func (s *definitionSite) list(ctx context.Context) ([]definitions.Summary, error) {
	if s.client != nil {
		return s.client.Definitions(ctx)
	}
	return s.known.List(ctx)
}

// document is that of a definition of the site.
func (s *definitionSite) document(ctx context.Context, name string) ([]byte, error) {
	if s.client != nil {
		return s.client.Definition(ctx, name)
	}
	found, err := s.known.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	return found.Document, nil
}

// find reads a definition of the site, which each of the keys has to have signed.
func (s *definitionSite) find(ctx context.Context, name string, keys []trust.Key) (*shownDefinition, error) {
	document, err := s.document(ctx, name)
	if err != nil {
		return nil, err
	}
	d := &shownDefinition{document: document}
	if d.definition, err = definition.Parse(name, document); err != nil {
		return nil, err
	}
	list, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].Document == digest.FromBytes(document) {
			d.site = &list[i]
		}
	}
	if d.site != nil {
		ref, err := registry.ParseName(d.site.Reference)
		if err != nil {
			return nil, err
		}
		if d.signatures, err = definition.Signatures(ctx, s, ref); err != nil {
			return nil, err
		}
	}
	d.signers, err = definition.Verify(document, d.signatures, keys)
	return d, named(name, err)
}

// definitionFlags say which definition is meant: of a file, or by name at a site.
type definitionFlags struct {
	*siteFlags
	keys []string // files
}

func addDefinitionFlags(c *cobra.Command) *definitionFlags {
	f := &definitionFlags{siteFlags: addSiteFlags(c)}
	c.Flags().StringArrayVar(&f.keys, "key", nil, "want this public `key` file to have signed the definition; may be repeated")
	return f
}

// read reads definitions; the site is opened when one of them is there.
func (f *definitionFlags) read(ctx context.Context, texts ...string) (list []*shownDefinition, err error) {
	var keys []trust.Key
	for _, path := range f.keys {
		k, err := readKey(path)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	var s *definitionSite
	for _, text := range texts {
		var d *shownDefinition
		if isDefinitionPath(text) {
			d, err = readDefinition(text, keys)
		} else {
			if s == nil {
				var closeSite func() error
				if s, closeSite, err = f.openDefinitions(ctx); err != nil {
					return nil, err
				}
				defer func() { err = errors.Join(err, closeSite()) }()
			}
			d, err = s.find(ctx, text, keys)
		}
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}
