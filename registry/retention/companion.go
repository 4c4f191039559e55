package retention

import (
	"regexp"
	"strings"

	"github.com/opencontainers/go-digest"
)

// The OCI distribution-spec ("Referrers Tag Schema") makes sha256-<hex> of a
// digest and cuts the hexadecimal part at 64, so that sha512 fits into a tag;
// cosign adds a suffix.
var companionPattern = regexp.MustCompile(`\A(sha(?:256|512)-[a-f0-9]{64})(?:\.sig|\.att|\.sbom)?\z`)

const companionHex = 64

// subject is the companion tag, without suffix, of what the tag belongs to;
// empty for all other tags. One that is made from its own digest belongs to
// nothing else: it is an image that somebody tagged so.
func subject(t Tag) string {
	m := companionPattern.FindStringSubmatch(t.Name)
	if m == nil || t.Name == companionTag(t.Digest) {
		return ""
	}
	return m[1]
}

// subjects are the companion tags of all that a kept tag keeps.
func (t Tag) subjects() []string {
	list := []string{companionTag(t.Digest)}
	for _, d := range t.Children {
		list = append(list, companionTag(d))
	}
	return list
}

// companionTag is where the referrers of d are listed; any text is taken.
func companionTag(d digest.Digest) string {
	algorithm, hex, _ := strings.Cut(string(d), ":")
	return algorithm + "-" + hex[:min(len(hex), companionHex)]
}

// follow settles the companions, the decisions without a reason. A companion
// may have companions itself (a signature of an SBOM), so that each that is
// kept is looked at for what it keeps in turn.
func follow(list []Decision) {
	kept, waiting := untagged(list)
	for ; len(kept) > 0; kept = kept[1:] {
		d := list[kept[0]]
		for _, s := range d.subjects() {
			for _, i := range waiting[s] {
				list[i].settle(true, "belongs to "+d.Name+", which is kept")
				kept = append(kept, i)
			}
			delete(waiting, s)
		}
	}
	for s, rest := range waiting {
		for _, i := range rest {
			list[i].settle(false, "belongs to "+s+", which no kept tag names")
		}
	}
}

// untagged keeps the companions whose subject no tag names. It returns what is
// kept so far, and by subject the companions that wait for theirs.
func untagged(list []Decision) (kept []int, waiting map[string][]int) {
	tagged := map[string]bool{}
	for _, d := range list {
		for _, s := range d.subjects() {
			tagged[s] = true
		}
	}
	waiting = map[string][]int{}
	for i, d := range list {
		s := subject(d.Tag)
		switch {
		case d.Keep:
			kept = append(kept, i)
		case d.Reason != "":
		case tagged[s]:
			waiting[s] = append(waiting[s], i)
		default:
			list[i].settle(true, "belongs to "+s+", which no tag names")
			kept = append(kept, i)
		}
	}
	return kept, waiting
}

func (d *Decision) settle(keep bool, reason string) { d.Keep, d.Reason = keep, reason }
