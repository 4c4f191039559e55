package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// mirror is what the part sync copies. A tag is an image; its layers are those
// of a base, those of its repository, and its own. A repository moves from one
// base to the next over its tags, as releases do, and all move along the same
// ones.
type mirror struct {
	repositories, tags int
	bases              [][]layers
	repository, tag    []layers

	kills                      int // of a run into a store
	tinyRepositories, tinyTags int // of the run that finds nothing new
}

// fullMirror is 5.3 GiB of images in 1.33 GiB of blobs.
var fullMirror = mirror{
	repositories: 12, tags: 5,
	bases: [][]layers{
		{{1, 16 * mib}, {1, 6 * mib}, {1, 2 * mib}},
		{{1, 32 * mib}, {1, 8 * mib}, {1, 2 * mib}},
		{{1, 128 * mib}, {1, 8 * mib}, {1, 2 * mib}},
	},
	repository: []layers{{1, 16 * mib}, {1, 4 * mib}, {1, mib}},
	tag:        []layers{{1, 14 * mib}, {1, mib}},
	kills:      10, tinyRepositories: 10, tinyTags: 50,
}

var smallMirror = mirror{
	repositories: 3, tags: 2,
	bases: [][]layers{
		{{1, 4 * mib}, {1, mib}},
		{{1, 2 * mib}, {1, mib}},
	},
	repository: []layers{{1, mib}, {1, 256 * kib}},
	tag:        []layers{{1, mib}, {1, 128 * kib}},
	kills:      3, tinyRepositories: 2, tinyTags: 5,
}

// mirrored makes the images of a mirror.
func (c *content) mirrored(m mirror) error {
	var bases [][]layer
	for _, sizes := range m.bases {
		base, err := c.all(sizes)
		if err != nil {
			return err
		}
		bases = append(bases, base)
	}
	for r := range m.repositories {
		common, err := c.all(m.repository)
		if err != nil {
			return err
		}
		for tag := range m.tags {
			own, err := c.all(m.tag)
			if err != nil {
				return err
			}
			base := bases[tag*len(bases)/m.tags]
			name := fmt.Sprintf("bench/app-%02d:v%d", r+1, tag+1)
			if err := c.image(name, slices.Concat(base, common, own)...); err != nil {
				return err
			}
		}
	}
	return nil
}

// all makes layers of several sizes.
func (c *content) all(sizes []layers) (made []layer, err error) {
	for _, l := range sizes {
		some, err := c.layers(l)
		if err != nil {
			return nil, err
		}
		made = append(made, some...)
	}
	return made, nil
}

// unchanging makes the tiny images of the run that finds nothing new. What
// counts there is their number, so a repository's images differ in their
// configuration only.
func (c *content) unchanging(m mirror) error {
	for r := range m.tinyRepositories {
		layers, err := c.layers(layers{2, kib})
		if err != nil {
			return err
		}
		for tag := range m.tinyTags {
			if err := c.image(fmt.Sprintf("bench/tiny-%02d:v%d", r+1, tag+1), layers...); err != nil {
				return err
			}
		}
	}
	return nil
}

// pushShared pushes all images to a registry that mounts blobs across
// repositories: each blob is sent once.
func (c *content) pushShared(ctx context.Context, host string) error {
	return connections(ctx, host, 1, func(to *client) error {
		has := map[string]string{} // the first repository of each digest
		for _, i := range c.images {
			if err := c.pushImageShared(to, i, has); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *content) pushImageShared(to *client, i image, has map[string]string) error {
	m, repository := i.parsed(), i.repository()
	for _, d := range append(m.Layers, m.Config) {
		hash := d.Digest.String()
		var err error
		switch has[hash] {
		case "":
			err = c.pushFile(to, repository, d, pushWhole)
			has[hash] = repository
		case repository:
		default:
			_, err = to.ask("POST", "/v2/"+repository+"/blobs/uploads/?mount="+hash+"&from="+has[hash], nil, 0, octets, "201 Created")
		}
		if err != nil {
			return err
		}
	}
	body := strings.NewReader(string(i.manifest))
	_, err := to.ask("PUT", "/v2/"+repository+"/manifests/"+i.tag(), body, body.Size(), string(m.MediaType), "201 Created")
	return err
}

// parsed is the image's manifest, which this program wrote.
func (i image) parsed() (m v1.Manifest) {
	if err := json.Unmarshal(i.manifest, &m); err != nil {
		panic(err)
	}
	return m
}

func (i image) repository() string { path, _, _ := strings.Cut(i.name, ":"); return path }
func (i image) tag() string        { _, tag, _ := strings.Cut(i.name, ":"); return tag }

// repositories are the images' repositories, in order.
func (c *content) repositories() (list []string) {
	for _, i := range c.images {
		if r := i.repository(); len(list) == 0 || list[len(list)-1] != r {
			list = append(list, r)
		}
	}
	return list
}

// blobBytes is the size of all layers and configurations, each digest once.
func (c *content) blobBytes() (bytes int64) {
	seen := map[v1.Hash]bool{}
	for _, i := range c.images {
		m := i.parsed()
		for _, d := range append(m.Layers, m.Config) {
			if !seen[d.Digest] {
				bytes += d.Size
			}
			seen[d.Digest] = true
		}
	}
	return bytes
}

// forget removes the files of the blobs, when a registry has them.
func (c *content) forget() error { return os.RemoveAll(c.dir) }
