package store

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"sync"

	"github.com/opencontainers/go-digest"
)

const (
	// maxSpill bounds the spill's file, in bytes.
	maxSpill = 256 << 20
	// maxSpilled bounds one manifest in it, in bytes.
	maxSpilled = 16 << 10
)

// spill holds manifests in a file without a name, which the system keeps in
// memory as long as it has room: reading there costs a tenth of a look into the
// database. Content does not change under its digest, so nothing in it is ever
// out of date; who reads it proves it, and has to know that a repository has it.
type spill struct {
	mu     sync.RWMutex // protects the fields below
	file   *os.File     // nil: there is none, or it failed
	end    int64
	places map[[sha256.Size]byte]spilled
}

type spilled struct {
	offset    int64
	size      int32
	mediaType string
}

// openSpill makes the file in a folder. Without one there is no spill.
func openSpill(dir string) *spill {
	f, err := os.CreateTemp(dir, "spill-")
	if err != nil {
		return &spill{}
	}
	os.Remove(f.Name())
	return &spill{file: f, places: map[[sha256.Size]byte]spilled{}}
}

// put keeps a manifest if there is room for it.
func (s *spill) put(m manifest) {
	sum, ok := sumOf(m.Digest)
	size := int64(len(m.content))
	if !ok || size == 0 || size > maxSpilled {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.places[sum]; known || s.file == nil || s.end+size > maxSpill {
		return
	}
	if _, err := s.file.WriteAt(m.content, s.end); err != nil {
		s.drop() // the disk is full: others need the room
		return
	}
	s.places[sum] = spilled{s.end, int32(size), m.MediaType}
	s.end += size
}

// get is a manifest as it was put, if the disk kept it well.
func (s *spill) get(d digest.Digest) (m manifest, ok bool) {
	sum, ok := sumOf(d)
	if !ok {
		return m, false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	at, ok := s.places[sum]
	if !ok {
		return m, false
	}
	content := make([]byte, at.size)
	if _, err := s.file.ReadAt(content, at.offset); err != nil || sha256.Sum256(content) != sum {
		return m, false
	}
	m.MediaType, m.Digest, m.Size, m.content = at.mediaType, d, int64(at.size), content
	return m, true
}

// drop gives the file's room back. The caller holds mu.
func (s *spill) drop() {
	if s.file != nil {
		s.file.Close()
	}
	s.file, s.places = nil, nil
}

func (s *spill) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop()
}

// sumOf is a SHA-256 digest's bytes; false for another algorithm.
func sumOf(d digest.Digest) (sum [sha256.Size]byte, ok bool) {
	if d.Algorithm() != digest.SHA256 {
		return sum, false
	}
	_, err := hex.Decode(sum[:], []byte(d.Encoded()))
	return sum, err == nil
}
