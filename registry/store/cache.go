package store

import (
	"container/list"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// cache keeps what is asked for often, bounded in bytes, least recently used
// out first. It can never be older than the database: whoever changes the
// database forgets the keys and advances the generation before readers see the
// change acknowledged, and what was read under an older generation is not kept.
type cache struct {
	limit      int64
	generation atomic.Uint64

	mu      sync.Mutex // protects the fields below
	size    int64
	order   *list.List // of *cached, most recent first
	entries map[cacheKey]*list.Element
	tags    tagIndex
}

// cacheKey is a manifest of a repository (by tag or digest), or a blob of it.
type cacheKey struct {
	repository string
	reference  string
	blob       bool
}

type cached struct {
	key cacheKey
	manifest
	blobSize int64
}

// manifest is a stored manifest with its exact bytes, which nobody changes.
type manifest struct {
	registry.Descriptor
	content []byte
}

func newCache(limit int64, hash func(string) fingerprint) *cache {
	return &cache{limit: limit, order: list.New(), entries: map[cacheKey]*list.Element{}, tags: newTagIndex(hash)}
}

func (c *cache) get(key cacheKey) (*cached, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[key]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached), true
}

// put keeps v unless something changed since generation was read.
func (c *cache) put(generation uint64, v *cached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation.Load() != generation {
		return
	}
	c.remove(v.key)
	c.entries[v.key] = c.order.PushFront(v)
	c.size += v.cost()
	for c.size > c.limit {
		c.remove(c.order.Back().Value.(*cached).key)
	}
}

// forget drops the keys and makes every read that is under way too old to be kept.
func (c *cache) forget(keys ...cacheKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation.Add(1)
	for _, key := range keys {
		c.remove(key)
		if !key.blob {
			c.tags.remove(key.repository, key.reference)
		}
	}
}

// forgetAll drops everything.
func (c *cache) forgetAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation.Add(1)
	c.size = 0
	c.order.Init()
	clear(c.entries)
	clear(c.tags.entries)
}

func (c *cache) remove(key cacheKey) {
	if e, ok := c.entries[key]; ok {
		c.size -= c.order.Remove(e).(*cached).cost()
		delete(c.entries, key)
	}
}

func (v *cached) cost() int64 {
	const overhead = 400 // map and list entries, the struct itself
	return overhead + int64(len(v.key.repository)+len(v.key.reference)+len(v.content))
}

func blobKey(path string, d digest.Digest) cacheKey {
	return cacheKey{repository: path, reference: d.String(), blob: true}
}

func manifestKey(path, reference string) cacheKey {
	return cacheKey{repository: path, reference: reference}
}
