package main

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// upstream is the connected side's registry.
type upstream struct {
	*http.Server
	address string
}

func startUpstream() (*upstream, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	handler := registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0)))
	u := &upstream{&http.Server{Handler: handler}, l.Addr().String()}
	go u.Serve(l)
	return u, nil
}

// image is what was pushed: a path with a tag, and its digest.
type image struct {
	path   string
	digest v1.Hash
}

type images []image

// pushImages builds the images from the binaries just compiled.
func (d *demo) pushImages(ctx context.Context) (images, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	var shared v1.Layer
	for _, arch := range []string{"amd64", "arm64"} {
		layer, err := fileLayer(d.binaries[arch], "usr/bin/landfall")
		if err != nil {
			return nil, err
		}
		built, err := buildImage(arch, []string{"/usr/bin/landfall"}, layer)
		if err != nil {
			return nil, err
		}
		if arch == "amd64" {
			shared = layer
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        built,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	note, err := contentLayer([]byte("A second image that shares its first layer.\n"), "etc/landfall-demo", 0o644)
	if err != nil {
		return nil, err
	}
	second, err := buildImage("amd64", []string{"/usr/bin/landfall", "serve"}, shared, note)
	if err != nil {
		return nil, err
	}
	return d.push(ctx, index, second)
}

func (d *demo) push(ctx context.Context, index v1.ImageIndex, second v1.Image) (images, error) {
	first := image{path: "landfall-dev/landfall:demo"}
	ref, err := name.ParseReference(d.upstream+"/"+first.path, name.Insecure)
	if err == nil {
		err = remote.WriteIndex(ref, index, remote.WithContext(ctx))
	}
	if err == nil {
		first.digest, err = index.Digest()
	}
	if err != nil {
		return nil, err
	}
	other := image{path: "landfall-dev/demo-service:1.0"}
	if ref, err = name.ParseReference(d.upstream+"/"+other.path, name.Insecure); err == nil {
		err = remote.Write(ref, second, remote.WithContext(ctx))
	}
	if err == nil {
		other.digest, err = second.Digest()
	}
	if err != nil {
		return nil, err
	}
	for _, p := range []image{first, other} {
		say("   pushed %s/%s  %s", d.upstream, p.path, p.digest)
	}
	return images{first, other}, nil
}

// names are the full references of the images.
func (l images) names(upstream string) (names []string) {
	for _, p := range l {
		names = append(names, upstream+"/"+p.path)
	}
	return names
}

func buildImage(arch string, entrypoint []string, layers ...v1.Layer) (v1.Image, error) {
	base := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	base = mutate.ConfigMediaType(base, types.OCIConfigJSON)
	built, err := mutate.AppendLayers(base, layers...)
	if err != nil {
		return nil, err
	}
	config, err := built.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", arch
	config.Config.Entrypoint = entrypoint
	return mutate.ConfigFile(built, config)
}

func fileLayer(file, as string) (v1.Layer, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return contentLayer(content, as, 0o755)
}

// contentLayer is a layer with one file.
func contentLayer(content []byte, as string, mode int64) (v1.Layer, error) {
	var b bytes.Buffer
	t := tar.NewWriter(&b)
	if err := t.WriteHeader(&tar.Header{Name: path.Clean(as), Size: int64(len(content)), Mode: mode}); err != nil {
		return nil, err
	}
	if _, err := t.Write(content); err != nil {
		return nil, err
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(
		func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer),
	)
}

// readLayers reads and proves all bytes of an image.
func readLayers(built v1.Image) error {
	if _, err := built.RawConfigFile(); err != nil {
		return err
	}
	layers, err := built.Layers()
	if err != nil {
		return err
	}
	for _, layer := range layers {
		r, err := layer.Compressed()
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, r)
		r.Close()
		if err != nil {
			return err
		}
	}
	return nil
}
