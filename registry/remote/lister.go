package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/registry"
)

// pageSize is how many names are asked for at once.
const pageSize = 1000

// What is read of a registry that finds no end.
const (
	maxPages   = 10_000
	maxListing = 256 << 20 // bytes
)

// Repositories lists the server's catalog by original names. ErrInvalid
// without Options.Server: then Catalog lists what one host has.
func (r *Registry) Repositories(ctx context.Context, after string) iter.Seq2[string, error] {
	return listing(after, func() ([]string, error) {
		if r.server == nil {
			return nil, fmt.Errorf("list repositories: %w: no server is set whose catalog could be read", registry.ErrInvalid)
		}
		paths, err := r.catalog(ctx, r.server)
		for i, path := range paths {
			paths[i] = registry.RepositoryName(path)
		}
		return paths, err
	})
}

// Catalog lists the repositories of one host by their full names, those after a
// name only (OCI distribution-spec of the Docker registry, "Listing Repositories").
func (r *Registry) Catalog(ctx context.Context, host, after string) iter.Seq2[string, error] {
	return listing(after, func() ([]string, error) {
		h, err := r.hostOf(host)
		if err != nil {
			return nil, err
		}
		paths, err := r.catalog(ctx, h)
		for i, path := range paths {
			paths[i] = host + "/" + path
		}
		return paths, err
	})
}

// catalog is the paths of a host, without the prefix of the endpoint.
func (r *Registry) catalog(ctx context.Context, h *host) ([]string, error) {
	c := &call{what: "repositories of " + h.name, target: target{host: h}, method: http.MethodGet, path: "_catalog", needs: []access{{}}, header: http.Header{}}
	paths, err := r.pages(ctx, c)
	if err != nil || c.endpoint.prefix == "" {
		return paths, err
	}
	var below []string
	for _, path := range paths {
		if rest, ok := strings.CutPrefix(path, c.endpoint.prefix); ok {
			below = append(below, rest)
		}
	}
	return below, nil
}

// Tags lists a repository's tags.
func (r *Registry) Tags(ctx context.Context, repository, after string) iter.Seq2[string, error] {
	return listing(after, func() ([]string, error) {
		c, err := r.call(http.MethodGet, repository, "tags/list", "tags of "+repository)
		if err != nil {
			return nil, err
		}
		tags, err := r.pages(ctx, c)
		// What is no tag cannot be asked for; some list digests here.
		return slices.DeleteFunc(tags, func(s string) bool { return !registry.ValidTag(s) }), err
	})
}

// listing yields names in ascending order, those greater than after.
//
// It has all names before it yields the first. Registries order them by time
// of push, by locale or not at all, and take "last" for a position in their
// own order: a first page that looks sorted proves nothing about the next, and
// a list that starts at "last" may lack names that are greater.
func listing(after string, all func() ([]string, error)) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		names, err := all()
		if err != nil {
			yield("", err)
			return
		}
		registry.Names(names, after)(yield)
	}
}

// pages reads a listing to its end: to the last Link, or, from a registry that
// sends none with a full page, until "last" brings nothing new.
func (r *Registry) pages(ctx context.Context, c *call) ([]string, error) {
	var names []string
	known := map[string]bool{}
	c.query = "n=" + strconv.Itoa(pageSize)
	for read := (budget{}); read.has(); {
		resp, body, err := r.document(ctx, c, maxDocument, http.StatusOK)
		if err != nil {
			return nil, err
		}
		read.spend(body)
		page, err := c.names(body)
		if err != nil {
			return nil, err
		}
		before := len(names)
		for _, name := range page {
			if !known[name] {
				known[name] = true
				names = append(names, name)
			}
		}
		next := nextPage(c, resp)
		if next == nil && len(page) >= pageSize {
			next = lastPage(c, page[len(page)-1])
		}
		if next == nil || len(names) == before {
			return names, nil
		}
		c.url = next
	}
	return nil, c.endless()
}

func lastPage(c *call, last string) *url.URL {
	u := *c.address()
	u.RawQuery = url.Values{"n": {strconv.Itoa(pageSize)}, "last": {last}}.Encode()
	return &u
}

// names of one page, of either listing.
func (c *call) names(body []byte) ([]string, error) {
	var page struct {
		Repositories []string `json:"repositories"`
		Tags         []string `json:"tags"`
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return nil, fmt.Errorf("%s: %w: %s answers with something else than a list: %v", c.what, registry.ErrInvalid, c.who(), err)
	}
	return append(page.Repositories, page.Tags...), nil
}

// budget is what was read of one listing.
type budget struct{ pages, bytes int }

func (b *budget) spend(page []byte) { b.pages, b.bytes = b.pages+1, b.bytes+len(page) }
func (b *budget) has() bool         { return b.pages < maxPages && b.bytes < maxListing }

func (c *call) endless() error {
	return fmt.Errorf("%s: %w: %s lists more than %d pages or %d bytes", c.what, registry.ErrInvalid, c.who(), maxPages, maxListing)
}
