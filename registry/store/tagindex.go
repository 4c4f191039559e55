package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"sync"

	"github.com/opencontainers/go-digest"
)

// The cache's second tier knows what tags point at: hosts ask for a tag first,
// and there are more tags than manifests fit into memory. An entry takes some 80
// bytes. It is filled in the background, and kept as exact as the first tier.
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
	if r.digest.Algorithm() != digest.SHA256 || !known && len(i.entries) >= maxIndexedTags {
		return false
	}
	var sum [sha256.Size]byte
	_, err := hex.Decode(sum[:], []byte(r.digest.Encoded()))
	if err == nil {
		i.entries[key] = sum
	}
	return err == nil
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

// loader fills the second tier in the background.
type loader struct {
	mu      sync.Mutex // held while a load is begun or ended
	running sync.WaitGroup
	stop    context.CancelFunc // of the load that runs; nil before the first
}

// loadTags begins to load, anew if it was under way.
func (s *Store) loadTags() {
	s.endLoading()
	l := &s.loading
	l.mu.Lock()
	defer l.mu.Unlock()
	var ctx context.Context
	ctx, l.stop = context.WithCancel(context.Background())
	l.running.Go(func() { _ = s.readTags(ctx) }) // tags that it leaves out are read one by one
}

// endLoading waits until nothing is loaded any more.
func (s *Store) endLoading() {
	l := &s.loading
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stop != nil {
		l.stop()
		l.running.Wait()
	}
}

// loadTries is how often a page is read because something changed meanwhile: on
// a site that is written to all the time, some tags are left out.
const loadTries = 5

func (s *Store) readTags(ctx context.Context) error {
	var last tagRow
	for n := page; n == page; {
		var rows []tagRow
		for try := 0; try < loadTries; try++ {
			generation := s.cache.generation.Load()
			var err error
			if rows, err = s.tagsAfter(ctx, last); err != nil {
				return err
			}
			if s.cache.putTags(generation, rows...) {
				break
			}
			if s.cache.tagsFull() {
				return nil
			}
		}
		if n = len(rows); n > 0 {
			last = rows[n-1]
		}
	}
	return nil
}

func (s *Store) tagsAfter(ctx context.Context, last tagRow) (rows []tagRow, err error) {
	var r tagRow
	err = each(ctx, s.db.Read, []any{&r.repository, &r.path, &r.tag, &r.digest}, func() { rows = append(rows, r) },
		`SELECT t.repository_id, r.path, t.name, t.digest FROM tags t JOIN repositories r ON r.id = t.repository_id
		WHERE (t.repository_id, t.name) > (?, ?) ORDER BY t.repository_id, t.name LIMIT ?`, last.repository, last.tag, page)
	return rows, err
}
