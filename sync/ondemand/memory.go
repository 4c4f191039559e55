package ondemand

import (
	"container/list"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

// key is a tag or a digest in a repository, by its path.
type key struct{ path, reference string }

// known is a manifest that may be given to clients: it was let in, or is at the site.
type known struct {
	at         key
	descriptor registry.Descriptor
	content    []byte
	manifest   *registry.Manifest

	// Protected by the memory's lock.
	names    []registry.Ref // that wait for it
	verdicts []trust.ImageVerdict
	attached bool      // what is attached to it was brought, or
	tried    time.Time // was last asked for
}

// subject is the manifest that k is attached to, nil when it is none that is known.
func (m *memory) subject(k *known) *known {
	if k.manifest.Subject == nil {
		return nil
	}
	return m.get(key{k.at.path, k.manifest.Subject.Digest.String()})
}

// tagged is what a tag stood for when an upstream was asked.
type tagged struct {
	digest digest.Digest // "": the site's answer counts
	asked  time.Time
}

// memory keeps what is known within a bound; what was not used for longest goes,
// with the names that wait for it: they are asked for again.
type memory struct {
	limit int64

	mu    sync.Mutex // protects the fields below
	size  int64
	order *list.List            // of *item; the last used first
	items map[key]*list.Element // by tag or digest
	above map[key][]key         // indexes that name a manifest
	blobs map[key][]key         // manifests that name a blob
}

// item is one thing in memory.
type item struct {
	at    key
	known *known // nil for a tag
	tag   tagged
}

// fixedCost is what anything in memory takes, in bytes, besides its content.
const fixedCost = 512

func (i *item) cost() int64 {
	if i.known == nil {
		return fixedCost
	}
	m := i.known.manifest
	return fixedCost + 2*int64(len(i.known.content)) + fixedCost*int64(len(m.Blobs)+len(m.Children))
}

func newMemory(limit int64) *memory {
	return &memory{limit: limit, order: list.New(), items: map[key]*list.Element{}, above: map[key][]key{}, blobs: map[key][]key{}}
}

// find is the item of a key, used now; nil when there is none. The caller holds mu.
func (m *memory) find(k key) *item {
	e := m.items[k]
	if e == nil {
		return nil
	}
	m.order.MoveToFront(e)
	return e.Value.(*item)
}

// add puts an item in and others out. The caller holds mu.
func (m *memory) add(i *item) {
	m.items[i.at] = m.order.PushFront(i)
	m.size += i.cost()
	for m.size > m.limit && m.order.Len() > 1 {
		last := m.order.Back().Value.(*item)
		m.order.Remove(m.order.Back())
		delete(m.items, last.at)
		m.size -= last.cost()
		if last.known != nil {
			m.forgetEdges(last.known)
		}
	}
}

// get is a manifest that is known, nil when it is not.
func (m *memory) get(k key) *known {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := m.find(k); i != nil {
		return i.known
	}
	return nil
}

// put makes a manifest known, and returns the one that is.
func (m *memory) put(k *known) *known {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := m.find(k.at); i != nil {
		return i.known
	}
	m.add(&item{at: k.at, known: k})
	for _, c := range k.manifest.Children {
		below := key{k.at.path, c.Digest.String()}
		m.above[below] = append(m.above[below], k.at)
	}
	for _, b := range k.manifest.Blobs {
		below := key{k.at.path, b.Digest.String()}
		m.blobs[below] = append(m.blobs[below], k.at)
	}
	return k
}

func (m *memory) forgetEdges(k *known) {
	for _, c := range k.manifest.Children {
		cut(m.above, key{k.at.path, c.Digest.String()}, k.at)
	}
	for _, b := range k.manifest.Blobs {
		cut(m.blobs, key{k.at.path, b.Digest.String()}, k.at)
	}
}

// cut takes one edge to an upper manifest away.
func cut(edges map[key][]key, from, to key) {
	rest := edges[from]
	if i := slices.Index(rest, to); i >= 0 {
		rest = slices.Delete(rest, i, i+1)
	}
	if edges[from] = rest; len(rest) == 0 {
		delete(edges, from)
	}
}

// parents are the indexes that name a manifest, as far as they are known.
func (m *memory) parents(k key) []*known { return m.over(m.above, k) }

// naming are the manifests that name a blob, as far as they are known.
func (m *memory) naming(k key) []*known { return m.over(m.blobs, k) }

func (m *memory) over(edges map[key][]key, k key) (list []*known) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, above := range edges[k] {
		if i := m.find(above); i != nil && i.known != nil && !slices.Contains(list, i.known) {
			list = append(list, i.known)
		}
	}
	return list
}

// indexes are those of a repository that were used last, up to most.
func (m *memory) indexes(path string, most int) (list []*known) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for e := m.order.Front(); e != nil && len(list) < most; e = e.Next() {
		if k := e.Value.(*item).known; k != nil && k.at.path == path && len(k.manifest.Children) > 0 {
			list = append(list, k)
		}
	}
	return list
}

// tag is what a tag stood for; the zero value when that is not known.
func (m *memory) tag(k key) tagged {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := m.find(k); i != nil {
		return i.tag
	}
	return tagged{}
}

func (m *memory) setTag(k key, t tagged) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := m.find(k); i != nil {
		i.tag = t
		return
	}
	m.add(&item{at: k, tag: t})
}

// wait makes a name wait for its root.
func (m *memory) wait(root *known, name registry.Ref) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.Contains(root.names, name) {
		root.names = append(root.names, name)
	}
}

// waiting are the names that wait for a root, without those that stand for
// something else by now.
func (m *memory) waiting(root *known) []registry.Ref {
	m.mu.Lock()
	defer m.mu.Unlock()
	root.names = slices.DeleteFunc(root.names, func(n registry.Ref) bool {
		i := m.find(key{root.at.path, n.Tag})
		return i != nil && i.tag.digest != root.descriptor.Digest
	})
	return slices.Clone(root.names)
}

// settle ends the wait of names.
func (m *memory) settle(root *known, names []registry.Ref) {
	m.mu.Lock()
	defer m.mu.Unlock()
	root.names = slices.DeleteFunc(root.names, func(n registry.Ref) bool { return slices.Contains(names, n) })
}

// locked runs f, which reads or changes what the lock protects of a known.
func (m *memory) locked(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}
