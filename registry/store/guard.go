package store

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// guard knows what a collection must leave alone although no root in the
// database reaches it: what somebody was told is here (a lease), and what
// comes while the collection runs.
//
// A collection first marks what is live, then cuts: from then on what is not
// live is as good as gone for everybody, and is taken out in steps. So nobody
// can begin to rely on something that is half gone. One lock makes all answers
// exact.
//
// Sets hold fingerprints: 16 bytes instead of a digest's 71 and a path.
type guard struct {
	seeds [2]maphash.Seed
	start time.Time // has the clock that nobody can set
	lease time.Duration

	mu      sync.Mutex // protects the fields below
	leases  map[fingerprint]age
	prune   int                 // so many leases may there be before old ones are looked for
	holds   map[*hold]bool      // imports and backups under way: no lease ends before they do
	live    liveSet             // after the cut: what stays; nil otherwise
	ended   uint64              // how many collections have ended
	arrived map[occurrence]bool // while marking: what came or was leased, true once it is marked; nil otherwise
}

// occurrence is a manifest in a repository; without one, wherever it is.
type occurrence struct {
	path   string
	digest digest.Digest
}

// liveSet is a set of content in repositories, by pair.
type liveSet map[fingerprint]struct{}

// fingerprint stands for a text; two that are equal by chance do not happen
// within 128 bits.
type fingerprint [2]uint64

func newGuard(lease time.Duration) *guard {
	return &guard{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, lease: lease,
		start: time.Now(), leases: map[fingerprint]age{}, prune: 4096, holds: map[*hold]bool{}}
}

// age is a time since the guard's start: a third of a time.Time.
type age time.Duration

func (g *guard) now() age { return age(time.Since(g.start)) }

func (g *guard) hash(text string) fingerprint {
	return fingerprint{maphash.String(g.seeds[0], text), maphash.String(g.seeds[1], text)}
}

// pair stands for content in a repository.
func pair(path, digest fingerprint) fingerprint {
	const odd = 0x9e3779b97f4a7c15 // so that a path and a digest are not exchangeable
	return fingerprint{path[0]*odd ^ digest[0], path[1]*odd ^ digest[1]}
}

// errAskAgain: a collection has ended between a question and its answer.
var errAskAgain = errors.New("a collection has ended meanwhile")

// ask runs a question, which reads the database and then asks for an answer,
// until no collection ends in between.
func (g *guard) ask(question func(epoch uint64) error) error {
	for {
		if err := question(g.epoch()); err != errAskAgain {
			return err
		}
	}
}

// epoch is the time between the ends of two collections.
func (g *guard) epoch() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.ended
}

// answerBlob decides whether a repository's blob, which was seen in the
// database in an epoch, may be said to be here, and leases it if so.
// ErrNotFound if not, errAskAgain when the epoch is over.
func (g *guard) answerBlob(path string, d digest.Digest, epoch uint64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.hash(string(d))
	return g.answer(path, d, epoch, g.leased(h))
}

// answerManifest is answerBlob for a manifest. After the cut a lease from
// another repository does not count: what the manifest needs goes.
func (g *guard) answerManifest(path string, d digest.Digest, epoch uint64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.answer(path, d, epoch, false)
}

func (g *guard) answer(path string, d digest.Digest, epoch uint64, leased bool) error {
	if epoch != g.ended {
		return errAskAgain
	}
	h := g.hash(string(d))
	if g.live != nil && !leased && !g.live.has(pair(g.hash(path), h)) {
		return registry.ErrNotFound
	}
	g.leases[h] = g.now()
	g.note(occurrence{"", d})
	if len(g.leases) > g.prune {
		cutoff := g.cutoff()
		maps.DeleteFunc(g.leases, func(_ fingerprint, at age) bool { return at < cutoff })
		g.prune = max(4096, 2*len(g.leases))
	}
	return nil
}

// lend leases what is about to be looked for, wherever it is.
func (g *guard) lend(d digest.Digest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.leases[g.hash(string(d))] = g.now()
	g.note(occurrence{"", d})
}

func (g *guard) note(o occurrence) {
	if _, known := g.arrived[o]; g.arrived != nil && !known {
		g.arrived[o] = false
	}
}

// arrive notes what a transaction that is about to commit makes part of a
// repository, or a root there: it stays.
func (g *guard) arrive(path string, d digest.Digest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := g.hash(string(d))
	g.leases[h] = g.now()
	g.note(occurrence{path, d})
	if g.live != nil {
		g.live[pair(g.hash(path), h)] = struct{}{}
	}
}

// keeps reports whether a collection that has cut must leave a manifest alone,
// and so all that it reaches. Leases were looked at before the cut.
func (g *guard) keeps(path string, d digest.Digest) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.live == nil || g.live.has(pair(g.hash(path), g.hash(string(d))))
}

// keepsBlob is keeps for a blob, which a lease alone protects, too.
func (g *guard) keepsBlob(path string, d digest.Digest) bool {
	return g.keeps(path, d) || g.isLeased(d)
}

// hasCut reports whether a collection has cut and not yet ended.
func (g *guard) hasCut() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.live != nil
}

// isLeased reports whether a lease protects d.
func (g *guard) isLeased(d digest.Digest) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.leased(g.hash(string(d)))
}

func (g *guard) leased(h fingerprint) bool {
	at, ok := g.leases[h]
	return ok && at >= g.cutoff()
}

// cutoff is the moment after which leases count.
func (g *guard) cutoff() age {
	cutoff := g.now() - age(g.lease)
	for h := range g.holds {
		cutoff = min(cutoff, h.since)
	}
	return cutoff
}

// HoldKind says for what content is held.
type HoldKind string

// What content is held for. An import keeps what it was told is here, and what
// it brings. A backup keeps all that its snapshot names, in the trash too.
const (
	HoldImport HoldKind = "import"
	HoldBackup HoldKind = "backup"
)

// hold is an import or a backup under way.
type hold struct {
	kind  HoldKind
	since age
}

// hold keeps every lease from ending until it is let go.
func (g *guard) hold(kind HoldKind) (release func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := &hold{kind, g.now()}
	g.holds[h] = true
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.holds, h)
	}
}

// Hold keeps content from being collected until release is called: an import by
// somebody else, or a backup, is under way. ErrInvalid for another kind.
func (s *Store) Hold(_ context.Context, kind HoldKind) (release func(), err error) {
	if kind != HoldImport && kind != HoldBackup {
		return nil, fmt.Errorf("%w: a hold for %q", registry.ErrInvalid, kind)
	}
	return s.guard.hold(kind), nil
}

// backedUp reports whether a backup is under way, and since when.
func (g *guard) backedUp() (since time.Time, yes bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	oldest := g.now()
	for h := range g.holds {
		if h.kind == HoldBackup {
			oldest, yes = min(oldest, h.since), true
		}
	}
	return g.start.Add(time.Duration(oldest)), yes
}

// startMarking begins to note what arrives.
func (g *guard) startMarking() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.arrived = map[occurrence]bool{}
}

// takeArrived returns what has arrived and was not returned before. When there
// is nothing and cut is given, cut decides from now on, and done is true.
func (g *guard) takeArrived(cut liveSet) (fresh []occurrence, done bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for o, marked := range g.arrived {
		if !marked {
			fresh = append(fresh, o)
			g.arrived[o] = true
		}
	}
	if len(fresh) == 0 && cut != nil {
		g.arrived, g.live = nil, cut
		return nil, true
	}
	return fresh, false
}

// end ends a collection: everything that is left is visible again.
func (g *guard) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.live != nil {
		g.ended++
	}
	g.arrived, g.live = nil, nil
}

func (l liveSet) has(key fingerprint) bool { _, ok := l[key]; return ok }
