package powerloss

import (
	"maps"
	"math"
	"slices"
	"sync"
)

// never is the position of what did not happen.
const never = math.MaxInt64

// name is a tag at the site.
type name struct{ repository, tag string }

// change is what an operation does to a name: it shows the digest then, or is
// gone when that is "".
type change struct {
	name
	digest string
}

// deed is one operation of the workload.
type deed struct {
	kind    string
	changes []change
	whole   bool  // its changes are seen all or none
	from    int64 // when it began
	acked   int64 // when its success was known; never, when it was not
}

// attachment is an artifact that an image's referrers must list.
type attachment struct {
	repository, subject, digest string
	acked                       int64
}

// loose is a blob that was acknowledged and that no manifest names.
type loose struct {
	repository string
	content    []byte
	acked      int64
}

// ledger notes what is attempted and what is acknowledged, and when. Changes
// of one name come one after the other.
type ledger struct {
	now func() int64 // the position; ascending

	mu          sync.Mutex // protects the fields below
	deeds       []*deed
	attachments []attachment
	loose       []loose
	images      map[string]*image // by digest: whatever was pushed
}

func newLedger(now func() int64) *ledger {
	return &ledger{now: now, images: map[string]*image{}}
}

// do runs an operation and notes when it began and when it was acknowledged.
func (l *ledger) do(kind string, run func() error, changes ...change) error {
	return l.doDeed(&deed{kind: kind, changes: changes}, run)
}

func (l *ledger) doDeed(d *deed, run func() error) error {
	l.mu.Lock()
	d.from, d.acked = l.now(), never
	l.deeds = append(l.deeds, d)
	l.mu.Unlock()
	if err := run(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	d.acked = l.now()
	return nil
}

// learn keeps an image for those who want to push it again.
func (l *ledger) learn(i *image) *image {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.images[i.Digest] = i
	return i
}

func (l *ledger) image(digest string) *image {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.images[digest]
}

func (l *ledger) attached(repository, subject, digest string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attachments = append(l.attachments, attachment{repository, subject, digest, l.now()})
}

func (l *ledger) pushedLoose(repository string, content []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loose = append(l.loose, loose{repository, content, l.now()})
}

// allowed are, by name, the digests that a cut may leave: what was
// acknowledged last, and whatever was begun after it.
func (l *ledger) allowed(cut int64) map[name][]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	allowed := map[name][]string{}
	for _, d := range l.deeds {
		for _, c := range d.changes {
			switch {
			case d.acked <= cut:
				allowed[c.name] = []string{c.digest}
			case d.from >= cut:
			case allowed[c.name] == nil:
				allowed[c.name] = []string{"", c.digest}
			default:
				allowed[c.name] = append(allowed[c.name], c.digest)
			}
		}
	}
	return allowed
}

// current is what the names of a repository show when nothing is under way.
func (l *ledger) current(repository string) map[name]string {
	current := map[name]string{}
	for n, digests := range l.allowed(never - 1) {
		if last := digests[len(digests)-1]; n.repository == repository && last != "" {
			current[n] = last
		}
	}
	return current
}

// underWay are the operations that a cut interrupts.
func (l *ledger) underWay(cut int64) []*deed {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.deeds), func(d *deed) bool { return d.from >= cut || d.acked <= cut })
}

// touchedSince are the names that operations begun after d have to do with: an
// operation that was never acknowledged is under way for ever.
func (l *ledger) touchedSince(d *deed, cut int64) map[name]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	touched := map[name]bool{}
	for _, later := range l.deeds[slices.Index(l.deeds, d)+1:] {
		for _, c := range later.changes {
			touched[c.name] = touched[c.name] || later.from < cut
		}
	}
	return touched
}

// settle forgets what led here: what is seen now was promised.
func (l *ledger) settle(seen map[name]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.now()
	d := &deed{kind: "settled", from: at, acked: at}
	for n, digest := range seen {
		d.changes = append(d.changes, change{n, digest})
	}
	l.deeds, l.loose = []*deed{d}, nil
	maps.DeleteFunc(l.images, func(digest string, _ *image) bool { return !slices.Contains(slices.Collect(maps.Values(seen)), digest) })
	l.attachments = slices.DeleteFunc(l.attachments, func(a attachment) bool {
		for n, digest := range seen {
			if n.repository == a.repository && digest == a.subject {
				return false
			}
		}
		return true // nothing holds it any more
	})
}
