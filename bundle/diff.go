package bundle

import (
	"github.com/opencontainers/go-digest"
)

// Difference is what one bundle has over another.
type Difference struct {
	Added   []Name   `json:"added"`   // names only in the second
	Removed []Name   `json:"removed"` // names only in the first
	Changed []Change `json:"changed"` // names in both that stand for something else
	OnlyA   Amount   `json:"onlyA"`   // content only in the first
	OnlyB   Amount   `json:"onlyB"`   // content only in the second
	Shared  Amount   `json:"shared"`
}

// Change is a name that moved.
type Change struct {
	Name string        `json:"name"`
	From digest.Digest `json:"from"`
	To   digest.Digest `json:"to"`
}

// Amount counts blobs and manifests.
type Amount struct {
	Count int   `json:"count"`
	Bytes int64 `json:"bytes"`
}

func (a *Amount) add(bytes int64) {
	a.Count++
	a.Bytes += bytes
}

// Diff compares two bundles by their headers alone.
func Diff(a, b *Header) Difference {
	diff := Difference{Added: []Name{}, Removed: []Name{}, Changed: []Change{}}
	was := map[string]digest.Digest{}
	for _, n := range a.Names {
		was[n.Name] = n.Digest
	}
	for _, n := range b.Names {
		switch from, known := was[n.Name]; {
		case !known:
			diff.Added = append(diff.Added, n)
		case from != n.Digest:
			diff.Changed = append(diff.Changed, Change{n.Name, from, n.Digest})
		}
		delete(was, n.Name)
	}
	for _, n := range a.Names {
		if _, gone := was[n.Name]; gone {
			diff.Removed = append(diff.Removed, n)
		}
	}
	diff.compareContent(a, b)
	return diff
}

func (diff *Difference) compareContent(a, b *Header) {
	had := a.carried()
	for _, e := range b.places() {
		if had[e.digest] {
			diff.Shared.add(e.size)
		} else {
			diff.OnlyB.add(e.size)
		}
		delete(had, e.digest)
	}
	for _, e := range a.places() {
		if had[e.digest] {
			diff.OnlyA.add(e.size)
		}
	}
}
