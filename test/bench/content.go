package main

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// content is a set of images whose blobs lie in a folder, ready to be served
// by an upstream:
//
//	DIR/sha256/HEX    a layer or a config
//
// A layer is a real tar in a real gzip stream, of incompressible bytes that
// are the same in every run.
type content struct {
	dir    string
	made   uint64 // layers so far; the seed of the next one
	images []image
}

type image struct {
	name     string // bench/x:v1
	manifest manifest
	layers   []layer
}

type layer struct {
	v1.Descriptor
	diffID v1.Hash
}

// layers makes count new layers of about size bytes each.
func (c *content) layers(l layers) ([]layer, error) {
	var made []layer
	for range l.count {
		one, err := c.layer(l.size)
		if err != nil {
			return nil, err
		}
		made = append(made, one)
	}
	return made, nil
}

func (c *content) layer(size int64) (layer, error) {
	c.made++
	raw := sha256.New()
	d, err := c.blob(types.OCILayer, func(w io.Writer) error {
		zip, err := gzip.NewWriterLevel(w, gzip.NoCompression)
		if err != nil {
			return err
		}
		return archive(zip, raw, c.made, size)
	})
	return layer{d, digest(raw)}, err
}

// archive writes a tar of one file of noise, and feeds its bytes to raw too.
func archive(zip io.WriteCloser, raw hash.Hash, seed uint64, size int64) error {
	t := tar.NewWriter(io.MultiWriter(zip, raw))
	head := &tar.Header{Name: fmt.Sprintf("data/%d", seed), Mode: 0o644, Size: size}
	if err := t.WriteHeader(head); err != nil {
		return err
	}
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	if _, err := io.CopyN(t, rand.NewChaCha8(key), size); err != nil {
		return err
	}
	if err := t.Close(); err != nil {
		return err
	}
	return zip.Close()
}

// blob stores what write writes under its digest.
func (c *content) blob(mediaType types.MediaType, write func(io.Writer) error) (v1.Descriptor, error) {
	if err := os.MkdirAll(filepath.Join(c.dir, "sha256"), 0o755); err != nil {
		return v1.Descriptor{}, err
	}
	f, err := os.CreateTemp(c.dir, "new-")
	if err != nil {
		return v1.Descriptor{}, err
	}
	defer f.Close()
	sum, buffer := sha256.New(), bufio.NewWriterSize(f, int(mib))
	if err := write(io.MultiWriter(buffer, sum)); err != nil {
		return v1.Descriptor{}, err
	}
	if err := buffer.Flush(); err != nil {
		return v1.Descriptor{}, err
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return v1.Descriptor{}, err
	}
	d := v1.Descriptor{MediaType: mediaType, Size: size, Digest: digest(sum)}
	return d, os.Rename(f.Name(), c.path(d.Digest))
}

func digest(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: fmt.Sprintf("%x", h.Sum(nil))}
}

func (c *content) path(h v1.Hash) string { return filepath.Join(c.dir, h.Algorithm, h.Hex) }

// image adds an image of the given layers.
func (c *content) image(name string, layers ...layer) error {
	config := v1.ConfigFile{Architecture: "amd64", OS: "linux", Author: name, RootFS: v1.RootFS{Type: "layers"}}
	m := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1}
	for _, l := range layers {
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, l.diffID)
		m.Layers = append(m.Layers, l.Descriptor)
	}
	var err error
	m.Config, err = c.blob(types.OCIConfigJSON, func(w io.Writer) error { return json.NewEncoder(w).Encode(config) })
	if err != nil {
		return err
	}
	raw, err := json.Marshal(m)
	c.images = append(c.images, image{name: name, manifest: raw, layers: layers})
	return err
}

// manifest is the bytes of an image manifest, for remote.Put.
type manifest []byte

func (m manifest) RawManifest() ([]byte, error)        { return m, nil }
func (m manifest) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

// push puts the manifests to an upstream that serves the content's blobs.
func (c *content) push(ctx context.Context, host string) error {
	for _, i := range c.images {
		ref, err := name.ParseReference(host+"/"+i.name, name.Insecure)
		if err != nil {
			return err
		}
		if err := remote.Put(ref, i.manifest, remote.WithContext(ctx)); err != nil {
			return fmt.Errorf("%s: %w", ref, err)
		}
	}
	return nil
}

// references is how often the images name bytes, each time counted.
func (c *content) references() (bytes int64) {
	for _, i := range c.images {
		for _, l := range i.layers {
			bytes += l.Size
		}
	}
	return bytes
}

// unique is the size of all content, each digest once.
func (c *content) unique() (bytes int64) {
	seen := map[v1.Hash]bool{}
	for _, i := range c.images {
		bytes += int64(len(i.manifest))
		for _, l := range i.layers {
			if !seen[l.Digest] {
				bytes += l.Size
			}
			seen[l.Digest] = true
		}
	}
	return bytes
}
