package retention

import (
	"fmt"
	"time"

	"github.com/landfall-dev/landfall/internal/match"
	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/internal/version"
)

// candidate is a tag with what clauses need to know of it.
type candidate struct {
	Tag
	rank int           // 1 is the newest of the repository's tags
	age  time.Duration // since its last change, not below 0
}

// clause is one ground to keep a tag.
type clause interface {
	// keeps reports whether it does, and why or why not in words that can
	// stand alone and in a list.
	keeps(c candidate) (ok bool, reason string)
}

// newest keeps that many tags, those that changed last.
type newest int

func (n newest) keeps(c candidate) (bool, string) {
	if c.rank <= int(n) {
		return true, fmt.Sprintf("newest %d of %d", c.rank, n)
	}
	return false, fmt.Sprintf("not among the newest %d", n)
}

// patterns keeps the tags that one of them matches.
type patterns []match.Pattern

func (list patterns) keeps(c candidate) (bool, string) {
	for _, p := range list {
		if p.Match(c.Name) {
			return true, "matches " + p.String()
		}
	}
	return false, "matches no kept pattern"
}

// inRange keeps the tags that are versions of a range.
type inRange struct{ version.Range }

func (r inRange) keeps(c candidate) (bool, string) {
	switch in, isVersion := r.Contains(c.Name); {
	case in:
		return true, "in range " + r.String()
	case isVersion:
		return false, "not in range " + r.String()
	default:
		return false, "not a version in range " + r.String()
	}
}

// younger keeps the tags that changed less than that long ago.
type younger time.Duration

func (y younger) keeps(c candidate) (bool, string) {
	limit := time.Duration(y)
	if c.age < limit {
		return true, fmt.Sprintf("changed %s, younger than %s", units.Ago(c.age), units.Span(limit))
	}
	return false, fmt.Sprintf("changed %s, not younger than %s", units.Ago(c.age), units.Span(limit))
}
