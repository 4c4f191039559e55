package store

import (
	"context"
	"sync"
)

// loader brings tags, and the manifests that they point at, to where they are
// found fast. It runs in the background.
type loader struct {
	mu      sync.Mutex // held while a load is begun or ended
	running sync.WaitGroup
	stop    context.CancelFunc // of the load that runs; nil before the first
}

// warm begins to load, anew if it was under way.
func (s *Store) warm() {
	if !s.options.Warm {
		return
	}
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

// tagsAfter is a page of tags; their manifests are spilled.
func (s *Store) tagsAfter(ctx context.Context, last tagRow) (rows []tagRow, err error) {
	var r tagRow
	var m manifest
	err = each(ctx, s.db.Read, []any{&r.repository, &r.path, &r.tag, &m.Digest, &m.MediaType, &m.content}, func() {
		r.digest = m.Digest
		rows = append(rows, r)
		s.spill.put(m)
	}, `SELECT t.repository_id, r.path, t.name, t.digest, m.media_type, CASE WHEN length(m.content) <= ?4 THEN m.content END
		FROM tags t JOIN repositories r ON r.id = t.repository_id JOIN manifests m ON m.digest = t.digest
		WHERE (t.repository_id, t.name) > (?1, ?2) ORDER BY t.repository_id, t.name LIMIT ?3`, last.repository, last.tag, page, maxSpilled)
	return rows, err
}
