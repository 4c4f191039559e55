// Package retention is a site's policy of what it keeps: which tags may go,
// which may never change, and how much room repositories may take. It is data
// and pure functions. It reads no store and removes nothing: who runs a plan,
// and frees what no name needs any more, is elsewhere.
//
// Nouns. A policy is a list of rules and a list of quotas, written by people
// as YAML or JSON. A rule is for the repositories that its globs match; the
// first rule that matches a repository decides alone. A rule's keep has
// clauses, and one clause that keeps a tag is enough. A plan is what a rule
// says of each tag of one repository, with the reason. A companion is a tag
// made from a digest, as cosign and the referrers tag schema of the OCI
// distribution-spec write them; it belongs to that digest, its subject.
//
// Repositories are named by their original full names throughout.
package retention

import (
	"strings"

	"github.com/landfall-dev/landfall/internal/match"
)

// Policy is a parsed policy. The zero Policy has no rules and no quotas.
type Policy struct {
	rules  []Rule
	quotas []Quota
}

// Rule says what is kept in the repositories that it is for. A nil Rule
// stands for no rule: it keeps everything and fixes nothing.
type Rule struct {
	repositories []match.Glob
	keep         []clause // empty: all
	immutable    []match.Pattern
}

// Quota is the room that the repositories under a prefix have together.
type Quota struct {
	Prefix string // ends on an element's border; "" is the whole site
	Size   int64  // bytes, at least 1
}

// Empty reports whether the policy says nothing.
func (p *Policy) Empty() bool { return len(p.rules) == 0 && len(p.quotas) == 0 }

// Rule returns the first rule that matches the repository, nil when none does.
func (p *Policy) Rule(repository string) *Rule {
	for i := range p.rules {
		for _, g := range p.rules[i].repositories {
			if g.Match(repository) {
				return &p.rules[i]
			}
		}
	}
	return nil
}

// Quotas returns all quotas that the repository falls under, in the policy's
// order.
func (p *Policy) Quotas(repository string) []Quota {
	var list []Quota
	for _, q := range p.quotas {
		if q.Prefix == "" || strings.HasPrefix(repository+"/", q.Prefix+"/") {
			list = append(list, q)
		}
	}
	return list
}

// Immutable returns the pattern that forbids to move or delete the tag once
// it is set. Companions are never immutable: clients rewrite them with every
// signature that they add.
func (r *Rule) Immutable(tag string) (pattern string, ok bool) {
	if r == nil || companionPattern.MatchString(tag) {
		return "", false
	}
	for _, p := range r.immutable {
		if p.Match(tag) {
			return p.String(), true
		}
	}
	return "", false
}
