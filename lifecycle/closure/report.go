package closure

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/wants"
)

// told bounds the digests that an item's problems name.
const told = 3

// worse notes a problem, and the state if it is worse than what is known.
func (i *item) worse(s State, format string, args ...any) {
	if order[s] > order[i.State] {
		i.State = s
	}
	i.Problems = append(i.Problems, fmt.Sprintf(format, args...))
}

// tally is what of an item is not as it should be.
type tally struct {
	all, absent int
	bytes       int64 // of what is absent
	platforms   map[string]bool
	damaged     []string
	elsewhere   []string // repositories
	unlisted    []string
	listed      map[digest.Digest]bool // manifests
}

// examine says how an item is, by what was found.
func (i *item) examine() {
	if order[i.State] == 0 {
		i.State = Complete
	}
	t := i.tally()
	i.Missing += t.absent + len(t.damaged)
	i.Lacking += t.bytes
	if t.absent > 0 {
		i.worse(Missing, "%s%s missing, %s%s: %s", share(t.absent, t.all), isAre(t.absent), units.Bytes(t.bytes), t.forWhom(), i.cure())
	}
	for _, text := range few(t.damaged, "%d more are damaged") {
		i.worse(Damaged, "%s: bring it again: %s", text, i.cure())
	}
	if n := len(t.elsewhere); n > 0 {
		i.worse(Missing, "%s%s at the site, but not in %s, where hosts look: a bundle of the wants file puts %s there, and carries no bytes for that",
			share(n, t.all), isAre(n), i.repository, itThem(n))
	}
	for _, text := range few(t.unlisted, "%d more manifests and blobs are needed") {
		i.worse(Missing, "%s, which the definition does not list: build it again", text)
	}
	for _, b := range i.branches {
		i.compare(b)
	}
}

// few are the first of a list, and how many more there are.
func few(list []string, more string) []string {
	if len(list) <= told {
		return list
	}
	return append(slices.Clone(list[:told]), fmt.Sprintf(more, len(list)-told))
}

// compare says whether a name stands for what it should.
func (i *item) compare(b *branch) {
	switch {
	case b.tag.Tag == "" || b.stands == b.name.Digest:
	case b.stands != "":
		i.worse(Moved, "at the site %s is %s, the definition has %s: carry the definition's content again, or pin the image by its digest in the profile and build again",
			b.tag, b.stands, b.name.Digest)
	case i.State == Complete || i.State == Refused:
		i.worse(Missing, "its content is at the site, and the tag %s is not: a bundle of the wants file sets it", b.tag)
	}
}

func (i *item) cure() string {
	if i.Kind == definition.KindImage {
		return "carry it with 'landfall bundle create --wants'"
	}
	return "carry it with 'landfall bundle create --wants' and '--definition', or with 'landfall definition push'"
}

// tally goes through all that an item needs, each digest once.
func (i *item) tally() tally {
	t := tally{platforms: map[string]bool{}, listed: map[digest.Digest]bool{}}
	for _, b := range i.branches {
		for _, e := range b.entries {
			t.listed[e.digest] = t.listed[e.digest] || e.manifest
		}
	}
	seen := map[place]bool{}
	for _, b := range i.branches {
		for _, e := range b.entries {
			if e.state == absent {
				t.platforms[e.platform] = true
			}
			if seen[e.place] {
				continue
			}
			seen[e.place] = true
			t.add(e)
			t.children(i, e)
		}
	}
	return t
}

func (t *tally) add(e entry) {
	t.all++
	switch e.state {
	case absent:
		t.absent++
		t.bytes += e.descriptor.Size
	case damaged:
		t.damaged = append(t.damaged, fmt.Sprintf("%s %s is damaged (%s)", e.kind(), e.digest, e.cause))
		t.bytes += e.descriptor.Size
	case elsewhere:
		t.elsewhere = append(t.elsewhere, e.repository)
	case whole:
		if e.parsed == nil || e.blobs == nil {
			return
		}
		for _, b := range e.parsed.Blobs {
			if !slices.Contains(e.blobs, b.Digest) {
				t.unlisted = append(t.unlisted, fmt.Sprintf("manifest %s needs blob %s", e.digest, b.Digest))
			}
		}
	}
}

// children adds what an index that is there has for hosts that need the item, and the
// definition does not list.
func (t *tally) children(i *item, e entry) {
	if e.state != whole || e.parsed == nil {
		return
	}
	for _, c := range registry.SelectChildren(registry.SelectChildren(e.parsed.Children, i.carried), i.platforms) {
		if t.listed[c.Digest] || c.Annotations[registry.AttestationSubject] != "" {
			continue
		}
		whose := ""
		if c.Platform != nil {
			whose = " for " + registry.PlatformString(*c.Platform)
		}
		t.unlisted = append(t.unlisted, fmt.Sprintf("manifest %s needs manifest %s%s", e.digest, c.Digest, whose))
	}
}

// forWhom names the platforms, unless all hosts are without something.
func (t *tally) forWhom() string {
	if t.platforms[""] || len(t.platforms) == 0 {
		return ""
	}
	var list []string
	for p := range t.platforms {
		list = append(list, p)
	}
	slices.Sort(list)
	return " for " + strings.Join(list, ", ")
}

func (n *need) kind() string {
	if n.manifest {
		return wants.Manifest
	}
	return wants.Blob
}

// share is "it" for all of one, "2 of 3 digests" else.
func share(n, all int) string {
	if all == 1 {
		return "it"
	}
	return fmt.Sprintf("%d of %s", n, count(all, "digest"))
}

func isAre(n int) string {
	if n == 1 {
		return " is"
	}
	return " are"
}

func itThem(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}

// report puts it all together.
func (c *checker) report() *Report {
	r := &Report{
		Name: c.definition.Name, Version: c.definition.Version, Document: digest.FromBytes(c.document),
		Platforms: texts(c.asked), State: Complete, Items: []Item{}, Deep: c.opts.Deep,
	}
	names := map[string]wants.Pinned{}
	for _, i := range c.items {
		r.Items = append(r.Items, i.Item)
		if order[i.State] > order[r.State] {
			r.State = i.State
		}
		for _, b := range i.branches {
			if b.lacks() {
				names[b.name.Name] = b.name
			}
		}
	}
	slices.SortFunc(r.Items, func(a, b Item) int {
		return cmp.Or(cmp.Compare(bool01(a.State == Complete), bool01(b.State == Complete)), strings.Compare(a.Name, b.Name), strings.Compare(a.Kind, b.Kind))
	})
	for _, n := range names {
		r.Names = append(r.Names, n)
	}
	slices.SortFunc(r.Names, func(a, b wants.Pinned) int { return strings.Compare(a.Name, b.Name) })
	c.sum(r)
	return r
}

func bool01(b bool) int {
	if b {
		return 1
	}
	return 0
}

// lacks reports whether a name has to be brought.
func (b *branch) lacks() bool {
	return b.tag.Tag != "" && b.stands != b.name.Digest || slices.ContainsFunc(b.entries, func(e entry) bool { return e.state != whole })
}

// sum counts digests, each once, and lists those that have to be carried.
func (c *checker) sum(r *Report) {
	lacks := map[digest.Digest]*Lack{}
	seen := map[digest.Digest]bool{}
	for _, n := range c.needs {
		if !seen[n.digest] {
			seen[n.digest] = true
			r.Digests++
			r.Bytes += n.descriptor.Size
		}
	}
	for _, i := range c.items {
		for _, b := range i.branches {
			for _, e := range b.entries {
				if e.state != absent && e.state != damaged {
					continue
				}
				if lacks[e.digest] == nil {
					lacks[e.digest] = &Lack{Digest: e.digest, Kind: e.kind(), MediaType: e.descriptor.MediaType, Size: e.descriptor.Size}
					r.Lacking += e.descriptor.Size
				}
				l := lacks[e.digest]
				l.Repositories, l.For = append(l.Repositories, e.repository), append(l.For, i.Name)
			}
		}
	}
	for _, l := range lacks {
		l.Repositories, l.For = once(l.Repositories), once(l.For)
		r.Missing = append(r.Missing, *l)
	}
	slices.SortFunc(r.Missing, func(a, b Lack) int { return cmp.Compare(a.Digest, b.Digest) })
}

// once is a list ascending, each text once.
func once(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}
