package mirror

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/internal/parallel"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/chartrepo"
	"github.com/landfall-dev/landfall/sync/config"
)

// chooser finds out what one mirror means at its sources.
type chooser struct {
	mirror *config.Mirror
	source *source
	lock   *Lock
	now    time.Time

	mu     sync.Mutex // protects the fields below
	images []Image
	have   map[string][]string // all tags of the repositories that were looked at
	left   int
	errs   []error
}

// companion is a tag made from a digest: it comes and goes with what it belongs to
// (OCI distribution-spec, "Referrers Tag Schema"; cosign adds a suffix).
var companion = regexp.MustCompile(`\Asha(256|512)-[a-f0-9]{64}(\.(sig|att|sbom))?\z`)

// open is the mirror with those of its sources whose links are open, and when the
// first of the others opens; nil when none is.
func open(cfg *config.File, m *config.Mirror, now time.Time) (*config.Mirror, *time.Time) {
	var opens *time.Time
	shut := func(host string) bool {
		open, change := cfg.Registry(host).Windows.Open(now)
		if change = change.UTC(); !open && (opens == nil || change.Before(*opens)) {
			opens = &change
		}
		return !open
	}
	if m.Charts != nil {
		if u, err := url.Parse(m.Charts.URL); err == nil && shut(u.Host) {
			return nil, opens
		}
		return m, nil
	}
	part := *m
	part.Sources = slices.DeleteFunc(slices.Clone(m.Sources), func(s config.Source) bool { return shut(s.Host) })
	if len(part.Sources) == 0 {
		return nil, opens
	}
	return &part, opens
}

// choose fills in images, with what each stands for where that is known already.
func (c *chooser) choose(ctx context.Context, up Upstream) {
	repositories, err := c.repositories(ctx, up)
	if err != nil {
		c.errs = append(c.errs, err)
	}
	_ = parallel.Do(ctx, requests, repositories, func(ctx context.Context, repository string) error {
		if err := c.tags(ctx, repository); err != nil {
			c.mu.Lock()
			c.errs = append(c.errs, err)
			c.mu.Unlock()
		}
		return nil
	})
}

// repositories are those that the sources mean, each once.
func (c *chooser) repositories(ctx context.Context, up Upstream) (list []string, err error) {
	var errs []error
	switch {
	case c.lock != nil && !c.lock.knows(c.mirror.Name):
		errs = append(errs, fmt.Errorf("%w: mirror %s is not in the lock: make it anew", registry.ErrInvalid, c.mirror.Name))
	case c.lock != nil:
		list = c.lock.repositories(c.mirror)
	case c.mirror.Charts != nil:
		list, err = c.charts(ctx, up)
		errs = append(errs, err)
	default:
		for _, s := range c.mirror.Sources {
			if s.Glob == nil {
				list = append(list, s.Name)
				continue
			}
			for name, err := range up.Catalog(ctx, s.Host, "") {
				if err != nil {
					errs = append(errs, fmt.Errorf("%s: %w", s, err))
					break
				}
				if s.Match(name) {
					list = append(list, name)
				}
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list), errors.Join(errs...)
}

// charts opens a chart repository, which is the source from then on.
func (c *chooser) charts(ctx context.Context, up Upstream) (list []string, err error) {
	repo, err := chartrepo.Open(ctx, up, c.mirror.Charts.URL, c.mirror.Charts.Hosts...)
	if err != nil {
		return nil, err
	}
	c.source = newSource(repo)
	for name, err := range repo.Repositories(ctx, "") {
		if err != nil {
			return nil, err
		}
		if c.mirror.Charts.Takes(name[strings.LastIndexByte(name, '/')+1:]) {
			list = append(list, name)
		}
	}
	return list, errors.Join(repo.Problems()...)
}

// tags chooses the tags of a repository.
func (c *chooser) tags(ctx context.Context, repository string) error {
	if c.lock != nil {
		c.locked(repository)
		return nil
	}
	t := c.mirror.Tags
	all, err := c.source.list(ctx, repository)
	if errors.Is(err, registry.ErrNotFound) && !c.named(repository) { // it went since the catalog was read
		all, err = nil, nil
	}
	if err != nil && t.Listed() {
		return err
	}
	chosen, left := slices.Clone(t.Names), 0
	for _, tag := range all {
		switch {
		case slices.Contains(t.Names, tag):
		case companion.MatchString(tag):
		case t.Match(tag):
			chosen = append(chosen, tag)
		default:
			left++
		}
	}
	matched := len(chosen)
	images, err := c.dated(ctx, repository, chosen)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left += left + matched - len(images)
	c.have[repository] = all
	c.images = append(c.images, images...)
	return nil
}

// named reports whether a repository is a source by its own name: then it has to
// be there.
func (c *chooser) named(repository string) bool {
	return slices.ContainsFunc(c.mirror.Sources, func(s config.Source) bool { return s.Name == repository })
}

// locked takes what the lock has of a repository.
func (c *chooser) locked(repository string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.lock.of(c.mirror.Name, repository) {
		c.images = append(c.images, Image{from: registry.Ref{Repository: repository, Tag: e.tag}, Digest: e.digest})
		c.have[repository] = append(c.have[repository], e.tag)
	}
}

// dated leaves out what is too old, and what is not among the newest versions.
func (c *chooser) dated(ctx context.Context, repository string, tags []string) ([]Image, error) {
	t := c.mirror.Tags
	images := make([]Image, len(tags))
	young := make([]bool, len(tags))
	numbers := make([]int, len(tags))
	for i, tag := range tags {
		images[i] = Image{from: registry.Ref{Repository: repository, Tag: tag}}
		young[i], numbers[i] = true, i
	}
	if t.Dated() {
		if err := parallel.Do(ctx, requests, numbers, func(ctx context.Context, i int) error {
			if slices.Contains(t.Names, tags[i]) {
				return nil
			}
			created, d, err := c.created(ctx, images[i].from)
			if errors.Is(err, registry.ErrNotFound) {
				return nil // that is told of the image
			}
			images[i].Digest, young[i] = d, created.After(t.After(c.now))
			return err
		}); err != nil {
			return nil, err
		}
	}
	var left []string
	for i, tag := range tags {
		if young[i] && !slices.Contains(t.Names, tag) {
			left = append(left, tag)
		}
	}
	taken := set(append(t.Newest(left), t.Names...))
	return slices.DeleteFunc(images, func(i Image) bool { return !taken[i.from.Tag] }), nil
}

func set(list []string) map[string]bool {
	in := make(map[string]bool, len(list))
	for _, s := range list {
		in[s] = true
	}
	return in
}

// created is when an image was made, by what it says itself: its annotation, or
// its config (image-spec, "Pre-Defined Annotation Keys" and "Image Configuration");
// of an index, its first image's.
func (c *chooser) created(ctx context.Context, ref registry.Ref) (time.Time, digest.Digest, error) {
	d, content, err := c.source.Manifest(ctx, ref)
	if err != nil {
		return time.Time{}, "", err
	}
	m, err := registry.ParseManifest(d.MediaType, content)
	if err != nil {
		return time.Time{}, d.Digest, fmt.Errorf("%s: %w", ref, err)
	}
	if at, err := time.Parse(time.RFC3339, m.Annotations[ocispec.AnnotationCreated]); err == nil {
		return at, d.Digest, nil
	}
	if len(m.Children) > 0 {
		at, _, err := c.created(ctx, ref.ByDigest(m.Children[0].Digest))
		return at, d.Digest, err
	}
	at, err := c.configured(ctx, ref.Repository, m)
	return at, d.Digest, err
}

// maxConfig bounds the config of an image that is read, in bytes.
const maxConfig = 4 << 20

// configured is the zero time for what says nothing.
func (c *chooser) configured(ctx context.Context, repository string, m *registry.Manifest) (time.Time, error) {
	if len(m.Blobs) == 0 || m.Blobs[0].Size > maxConfig {
		return time.Time{}, nil
	}
	content, err := registry.ReadBlob(ctx, c.source, repository, m.Blobs[0])
	if err != nil {
		return time.Time{}, err
	}
	var config struct {
		Created time.Time `json:"created"`
	}
	if json.Unmarshal(content, &config) != nil {
		return time.Time{}, nil
	}
	return config.Created, nil
}
