package store

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/opencontainers/go-digest"
)

// The cache's second tier knows what tags point at: hosts ask for a tag first,
// and there are more tags than manifests fit into memory. An entry takes some 80
// bytes. It is kept as exact as the first tier.
const maxIndexedTags = 250_000

// tagIndex is what tags point at, by fingerprint of repository and tag.
type tagIndex struct {
	hash    func(text string) fingerprint
	entries map[fingerprint][sha256.Size]byte
}

func newTagIndex(hash func(string) fingerprint) tagIndex {
	return tagIndex{hash, map[fingerprint][sha256.Size]byte{}}
}

func (i *tagIndex) key(path, tag string) fingerprint { return pair(i.hash(path), i.hash(tag)) }

// get is the digest of a tag.
func (i *tagIndex) get(path, tag string) (digest.Digest, bool) {
	sum, ok := i.entries[i.key(path, tag)]
	if !ok {
		return "", false
	}
	return digest.NewDigestFromEncoded(digest.SHA256, hex.EncodeToString(sum[:])), true
}

// put adds a tag while there is room. Digests of other algorithms are not kept.
func (i *tagIndex) put(r tagRow) bool {
	key := i.key(r.path, r.tag)
	_, known := i.entries[key]
	sum, ok := sumOf(r.digest)
	if ok = ok && (known || len(i.entries) < maxIndexedTags); ok {
		i.entries[key] = sum
	}
	return ok
}

func (i *tagIndex) remove(path, tag string) { delete(i.entries, i.key(path, tag)) }

// tagged is the digest of a tag, if the second tier knows it.
func (c *cache) tagged(path, tag string) (digest.Digest, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tags.get(path, tag)
}

// tagRow is what a tag of a repository points at.
type tagRow struct {
	repository int64
	path, tag  string
	digest     digest.Digest
}

// putTags keeps rows unless something changed since generation was read, and
// reports whether all are there.
func (c *cache) putTags(generation uint64, rows ...tagRow) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.generation.Load() == generation
	for _, r := range rows {
		all = all && c.tags.put(r)
	}
	return all
}

// tagsFull reports whether there is no room for another tag.
func (c *cache) tagsFull() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.tags.entries) >= maxIndexedTags
}
