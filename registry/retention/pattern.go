package retention

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// pattern is an RE2 regular expression over tags. It matches the whole tag:
// "latest" is not "latest-alpine". One that starts with ^ or ends in $ says
// itself what it is anchored to, so that ^v1\. are the tags that start so;
// read as a whole tag it would keep none of them.
type pattern struct {
	text string
	re   *regexp.Regexp
}

func (c *compiler) pattern(text string) (pattern, error) {
	if text == "" {
		return pattern{}, errors.New("no tag is empty")
	}
	// By itself first: "a)(b" is no expression, whatever it is put into.
	if _, err := syntax.Parse(text, syntax.Perl); err != nil {
		return pattern{}, err
	}
	expression := text
	if !strings.HasPrefix(text, "^") && !strings.HasSuffix(text, "$") {
		expression = `\A(?:` + text + `)\z`
	}
	re, err := c.compile(expression)
	return pattern{text, re}, err
}

func (p pattern) matches(tag string) bool { return p.re.MatchString(tag) }

// versionRange is a range of semantic versions: comparisons with = != > < >=
// <= ~ ^ that all have to hold, separated by spaces or commas, with || between
// alternatives. Pre-releases (1.2.0-rc.1, and so 1.2.0-alpine) are in range
// only when the same alternative mentions one, as in ">=1.2.0-0 <3".
type versionRange struct {
	text        string
	constraints *semver.Constraints
}

func parseRange(text string) (versionRange, error) {
	text = strings.Join(strings.Fields(text), " ")
	if text == "" {
		return versionRange{}, errors.New("a range of versions is empty")
	}
	constraints, err := semver.NewConstraint(text)
	return versionRange{text, constraints}, err
}

// contains also tells a tag that is out of range from one that is no version.
func (r versionRange) contains(tag string) (in, version bool) {
	v, err := parseVersion(tag)
	return err == nil && r.constraints.Check(v), err == nil
}

// parseVersion takes one to three numbers, "v1.27" for v1.27.0. Tags cannot
// have the + of build metadata; Helm writes _ in its place.
// https://helm.sh/docs/topics/registries/
func parseVersion(tag string) (*semver.Version, error) {
	return semver.NewVersion(strings.Replace(tag, "_", "+", 1))
}
