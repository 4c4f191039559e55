// Package version orders and chooses tags by the versions that they are.
package version

import (
	"cmp"
	"errors"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Range is a range of semantic versions: comparisons with = != > < >=
// <= ~ ^ that all have to hold, separated by spaces or commas, with || between
// alternatives. Pre-releases (1.2.0-rc.1, and so 1.2.0-alpine) are in range
// only when the same alternative mentions one, as in ">=1.2.0-0 <3".
type Range struct {
	text        string
	constraints *semver.Constraints
}

// ParseRange reads a range.
func ParseRange(text string) (Range, error) {
	text = strings.Join(strings.Fields(text), " ")
	if text == "" {
		return Range{}, errors.New("a range of versions is empty")
	}
	constraints, err := semver.NewConstraint(text)
	return Range{text, constraints}, err
}

// String is the range as it was written, with single spaces.
func (r Range) String() string { return r.text }

// Contains also tells a tag that is out of range from one that is no version.
func (r Range) Contains(tag string) (in, isVersion bool) {
	v, err := parse(tag)
	return err == nil && r.constraints.Check(v), err == nil
}

// parse takes one to three numbers, "v1.27" for v1.27.0. Tags cannot
// have the + of build metadata; Helm writes _ in its place.
// https://helm.sh/docs/topics/registries/
func parse(tag string) (*semver.Version, error) {
	return semver.NewVersion(strings.Replace(tag, "_", "+", 1))
}

// Compare orders tags from old to new: by their versions when both are versions,
// versions after all others, and else as CompareNames does.
func Compare(a, b string) int {
	x, errX := parse(a)
	y, errY := parse(b)
	switch {
	case errX == nil && errY == nil:
		return cmp.Or(x.Compare(y), CompareNames(a, b))
	case errX == nil:
		return 1
	case errY == nil:
		return -1
	}
	return CompareNames(a, b)
}

// CompareNames orders names byte by byte, but runs of digits by their value.
func CompareNames(a, b string) int {
	for restA, restB := a, b; ; {
		if restA == "" || restB == "" {
			// 1.01 and 1.1 are the same up to here.
			return cmp.Or(cmp.Compare(len(restA), len(restB)), cmp.Compare(a, b))
		}
		var x, y string
		x, restA = cutToken(restA)
		y, restB = cutToken(restB)
		if order := compareTokens(x, y); order != 0 {
			return order
		}
	}
}

// cutToken takes a run of digits, or one other byte, off a text that is not empty.
func cutToken(s string) (token, rest string) {
	rest = strings.TrimLeft(s, "0123456789")
	if rest == s {
		return s[:1], s[1:]
	}
	return s[:len(s)-len(rest)], rest
}

// compareTokens compares numbers of any length by their value.
func compareTokens(a, b string) int {
	if isDigit(a[0]) && isDigit(b[0]) {
		a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	}
	return cmp.Compare(a, b)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
