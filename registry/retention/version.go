package retention

import (
	"errors"
	"strings"

	"github.com/Masterminds/semver/v3"
)

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
