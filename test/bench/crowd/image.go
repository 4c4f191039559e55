package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	perRepository = 100 // images
	perImage      = 9   // layers
)

// image is one image of the crowd. No two have a blob in common.
type image struct {
	repository, tag string
	manifest        []byte
	digest          string // of manifest
	blobs           []blob // the config first
}

type blob struct {
	v1.Descriptor
	content []byte
}

// newImage makes image number n, the same each time.
func newImage(n int) *image {
	i := &image{
		repository: fmt.Sprintf("site.example/crowd/r%04d", n/perRepository),
		tag:        fmt.Sprintf("v%02d", n%perRepository),
	}
	author := fmt.Sprintf("%s:%s", i.repository, i.tag)
	config := fmt.Sprintf(`{"architecture":"amd64","os":"linux","author":%q,"rootfs":{"type":"layers","diff_ids":[]}}`, author)
	i.add(types.OCIConfigJSON, config)
	for l := range perImage {
		i.add(types.OCILayer, fmt.Sprintf("layer %d of %s, %s.", l, author, strings.Repeat("x", 60+(n+l)%90)))
	}
	m := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: i.blobs[0].Descriptor}
	for _, b := range i.blobs[1:] {
		m.Layers = append(m.Layers, b.Descriptor)
	}
	i.manifest, _ = json.Marshal(m) // cannot fail: strings and numbers only
	i.digest = sum(i.manifest).String()
	return i
}

func (i *image) add(mediaType types.MediaType, content string) {
	b := []byte(content)
	i.blobs = append(i.blobs, blob{v1.Descriptor{MediaType: mediaType, Size: int64(len(b)), Digest: sum(b)}, b})
}

func sum(b []byte) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: fmt.Sprintf("%x", sha256.Sum256(b))}
}

// write puts the blobs where the store looks for them:
// blobs/<algorithm>/<first two digits>/<hex>.
func (i *image) write(dir string) error {
	for _, b := range i.blobs {
		path := filepath.Join(dir, "blobs", b.Digest.Algorithm, b.Digest.Hex[:2], b.Digest.Hex)
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		if _, err := f.Write(b.content); err != nil {
			return errors.Join(err, f.Close())
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}
