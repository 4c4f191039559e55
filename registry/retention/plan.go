package retention

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/internal/version"
)

// Tag is a tag of a repository as a plan sees it.
type Tag struct {
	Name    string
	Digest  digest.Digest
	Updated time.Time // last change; the future counts as now
	Pinned  string    // why it is kept whatever the rule says; empty: it is not
	// Children are the manifests that Digest needs, when it is an index: a kept
	// tag keeps their companions too.
	Children []digest.Digest
}

// Decision is what becomes of a tag, and why in plain words.
type Decision struct {
	Tag
	Keep   bool
	Reason string // never empty
}

// Plan decides about all tags of one repository and returns them by name in
// ascending byte order. What is pinned or immutable is kept. Companions are
// kept exactly when a kept tag names or needs their subject, or no tag does and
// it is none of the plan's business; clauses do not see them. Among tags that
// changed at the same time, as an import changes them, the greater name is the
// newer, with numbers compared as numbers: 1.10 before 1.9.
//
// Planning again what a plan keeps, at the same time, removes nothing.
func (r *Rule) Plan(tags []Tag, now time.Time) []Decision {
	tags = slices.SortedStableFunc(slices.Values(tags), func(a, b Tag) int {
		return cmp.Compare(a.Name, b.Name)
	})
	list := make([]Decision, len(tags))
	for i, c := range candidates(tags, now) {
		list[i].Tag = tags[i]
		list[i].Keep, list[i].Reason = r.decide(c)
	}
	follow(list)
	return list
}

// decide leaves the reason empty when the tag has to follow its subject.
func (r *Rule) decide(c candidate) (keep bool, reason string) {
	switch pattern, fixed := r.Immutable(c.Name); {
	case c.Pinned != "":
		return true, c.Pinned
	case r == nil:
		return true, "no rule"
	case fixed:
		return true, "immutable " + pattern
	case len(r.keep) == 0:
		return true, "the rule keeps all"
	case subject(c.Tag) != "":
		return false, ""
	}
	var against []string
	for _, clause := range r.keep {
		ok, reason := clause.keeps(c)
		if ok {
			return true, reason
		}
		against = append(against, reason)
	}
	return false, strings.Join(against, ", ")
}

// candidates ranks tags from 1, the newest; companions have no rank.
func candidates(tags []Tag, now time.Time) []candidate {
	list := make([]candidate, len(tags))
	var order []*candidate
	for i, t := range tags {
		list[i] = candidate{Tag: t, age: max(0, now.Sub(t.Updated))}
		if subject(t) == "" {
			order = append(order, &list[i])
		}
	}
	slices.SortStableFunc(order, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(a.age, b.age), version.CompareNames(b.Name, a.Name))
	})
	for i, c := range order {
		c.rank = i + 1
	}
	return list
}
