package retention_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry/retention"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// image is content by a letter.
func image(letter string) digest.Digest { return digest.FromString(letter) }

// companion is the tag that belongs to an image.
func companion(letter, suffix string) string { return companionOf(image(letter)) + suffix }

func companionOf(d digest.Digest) string { return strings.Replace(d.String(), ":", "-", 1) }

// tag changed so many hours before noon.
func tag(name, letter string, hours int) retention.Tag {
	return retention.Tag{Name: name, Digest: image(letter), Updated: noon.Add(-time.Duration(hours) * time.Hour)}
}

func pinned(t retention.Tag, reason string) retention.Tag {
	t.Pinned = reason
	return t
}

// said is a plan as lines: + or -, name, reason; digests by their letter.
func said(list []retention.Decision) []string {
	var lines []string
	for _, d := range list {
		line := map[bool]string{true: "+", false: "-"}[d.Keep] + " " + d.Name + ": " + d.Reason
		for _, letter := range []string{"a", "b", "c", "d"} {
			line = strings.ReplaceAll(line, companion(letter, ""), "<"+letter+">")
		}
		lines = append(lines, line)
	}
	return lines
}

func TestPlan(t *testing.T) {
	t.Parallel()
	four := []retention.Tag{tag("v1.0", "a", 96), tag("v1.1", "b", 72), tag("latest", "c", 1), tag("old", "d", 24*400)}
	for name, c := range map[string]struct {
		rule string
		tags []retention.Tag
		want []string
	}{
		"no tags": {"keep: {last: 1}", nil, nil},
		"all":     {"immutable: [old]", four[2:], []string{"+ latest: the rule keeps all", "+ old: immutable old"}},
		"last": {"keep: {last: 2}", four, []string{
			"+ latest: newest 1 of 2", "- old: not among the newest 2", "- v1.0: not among the newest 2", "+ v1.1: newest 2 of 2"}},
		"each ground": {`{keep: {last: 1, tags: ['v1\.0'], semver: '>=1.1', younger: 2w}, immutable: [x]}`, four, []string{
			"+ latest: newest 1 of 1",
			"- old: not among the newest 1, matches no kept pattern, not a version in range >=1.1, changed 400 days ago, not younger than 14 days",
			`+ v1.0: matches v1\.0`,
			"+ v1.1: in range >=1.1"}},
		"out of range": {"keep: {semver: '<1'}", four[:1], []string{"- v1.0: not in range <1"}},
		"the border of younger": {"keep: {younger: 72h}", four[:2], []string{
			"- v1.0: changed 4 days ago, not younger than 3 days", "- v1.1: changed 3 days ago, not younger than 3 days"}},
		"within younger": {"keep: {younger: 36h}", four[2:3], []string{"+ latest: changed 1 hour ago, younger than 36 hours"}},
		"the future is now": {"keep: {last: 1, younger: 90m}", []retention.Tag{tag("a", "a", -1000), tag("b", "b", 0), tag("c", "c", -1)}, []string{
			"+ a: changed just now, younger than 90 minutes", "+ b: changed just now, younger than 90 minutes", "+ c: newest 1 of 1"}},
		"changed together": {"keep: {last: 3}", []retention.Tag{tag("1.9", "a", 1), tag("1.10", "b", 1), tag("1.1", "c", 1), tag("1.01", "c", 1), tag("1.10-a", "c", 1)}, []string{
			"- 1.01: not among the newest 3", "- 1.1: not among the newest 3", "+ 1.10: newest 2 of 3", "+ 1.10-a: newest 1 of 3", "+ 1.9: newest 3 of 3"}},
		"pinned and immutable": {"{keep: {tags: [x]}, immutable: ['v.*']}", []retention.Tag{pinned(four[0], "runs in production"), four[1], pinned(four[2], "release 7")}, []string{
			"+ latest: release 7", "+ v1.0: runs in production", "+ v1.1: immutable v.*"}},
	} {
		if diff := cmp.Diff(c.want, said(ruleOf(t, c.rule).Plan(c.tags, noon))); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}

func TestPlanOfNoRule(t *testing.T) {
	t.Parallel()
	var none *retention.Rule
	got := said(none.Plan([]retention.Tag{tag("b", "b", 1), pinned(tag("a", "a", 1), "asked for"), tag(companion("c", ".sig"), "d", 1)}, noon))
	want := []string{"+ a: asked for", "+ b: no rule", "+ <c>.sig: no rule"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestCompanions(t *testing.T) {
	t.Parallel()
	index := tag("keep", "a", 9)
	index.Children = []digest.Digest{image("b")}
	wide := tag("keep", "a", 9)
	wide.Digest = digest.SHA512.FromString("a")
	for name, c := range map[string]struct {
		tags []retention.Tag
		want []string
	}{
		"follow their subject": {
			[]retention.Tag{tag("keep", "a", 9), tag("go", "b", 9), tag(companion("a", ".sig"), "c", 1), tag(companion("b", ".sig"), "d", 1), tag(companion("b", ""), "d", 1)},
			[]string{"- go: matches no kept pattern", "+ keep: matches keep|also", "- <b>: belongs to <b>, which no kept tag names",
				"- <b>.sig: belongs to <b>, which no kept tag names", "+ <a>.sig: belongs to keep, which is kept"}},
		"one of two names is enough": {
			[]retention.Tag{tag("go", "a", 9), tag("keep", "a", 9), tag("also", "a", 9), tag(companion("a", ".att"), "c", 1)},
			[]string{"+ also: matches keep|also", "- go: matches no kept pattern", "+ keep: matches keep|also", "+ <a>.att: belongs to also, which is kept"}},
		"of what has no tag": {
			[]retention.Tag{tag(companion("a", ".sbom"), "b", 1), tag(companion("b", ".sig"), "c", 1)},
			[]string{"+ <b>.sig: belongs to <a>.sbom, which is kept", "+ <a>.sbom: belongs to <a>, which no tag names"}},
		"of companions": {
			[]retention.Tag{tag("keep", "a", 9), tag(companion("a", ".att"), "b", 1), tag(companion("b", ".sig"), "c", 1), tag(companion("c", ""), "d", 1)},
			[]string{"+ keep: matches keep|also", "+ <c>: belongs to <b>.sig, which is kept",
				"+ <b>.sig: belongs to <a>.att, which is kept", "+ <a>.att: belongs to keep, which is kept"}},
		"of an index's children": {
			[]retention.Tag{index, tag("go", "b", 9), tag(companion("b", ".sig"), "c", 1)},
			[]string{"- go: matches no kept pattern", "+ keep: matches keep|also", "+ <b>.sig: belongs to keep, which is kept"}},
		"of sha512, cut at 64": {
			[]retention.Tag{wide, tag("sha512-"+wide.Digest.Encoded()[:64], "b", 1)},
			[]string{"+ keep: matches keep|also", "+ sha512-" + wide.Digest.Encoded()[:64] + ": belongs to keep, which is kept"}},
		"pinned": {
			[]retention.Tag{tag("go", "a", 9), pinned(tag(companion("a", ".sig"), "b", 1), "asked for")},
			[]string{"- go: matches no kept pattern", "+ <a>.sig: asked for"}},
		"named like one": {
			[]retention.Tag{tag(companion("a", ""), "a", 9), tag("sha256-abc.sig", "b", 1), tag(companion("c", ".txt"), "b", 1)},
			[]string{"- <c>.txt: matches no kept pattern", "- sha256-abc.sig: matches no kept pattern", "- <a>: matches no kept pattern"}},
		"in a ring, which no hash allows": {
			[]retention.Tag{tag(companion("a", ".sig"), "b", 1), tag(companion("b", ".sig"), "a", 1)},
			[]string{"- <b>.sig: belongs to <b>, which no kept tag names", "- <a>.sig: belongs to <a>, which no kept tag names"}},
	} {
		got := said(ruleOf(t, "keep: {tags: [keep|also]}").Plan(c.tags, noon))
		// Digests have no order that tells anything.
		slices.Sort(got)
		slices.Sort(c.want)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}

// Companions take no place among the newest.
func TestCompanionsAreNotNewest(t *testing.T) {
	t.Parallel()
	got := said(ruleOf(t, "keep: {last: 1}").Plan([]retention.Tag{
		tag("image", "a", 9), tag("older", "b", 10), tag(companion("a", ".sig"), "c", 1), tag(companion("b", ".sig"), "c", 0)}, noon))
	want := []string{"+ image: newest 1 of 1", "- older: not among the newest 1",
		"- <b>.sig: belongs to <b>, which no kept tag names", "+ <a>.sig: belongs to image, which is kept"}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Names without a digest, and digests of no known form, break nothing.
func TestPlanOfBadDigests(t *testing.T) {
	t.Parallel()
	for _, d := range []digest.Digest{"", "sha256", "sha256:", ":", "x:y"} {
		got := ruleOf(t, "keep: {last: 1}").Plan([]retention.Tag{{Name: "a", Digest: d}, {Name: companion("a", ".sig"), Digest: d}}, noon)
		if len(got) != 2 || !got[0].Keep || !got[1].Keep {
			t.Errorf("%q: %v", d, said(got))
		}
	}
}

// ruleOf is a rule for the repository a, from its fields but repositories.
func ruleOf(t *testing.T, text string) *retention.Rule {
	t.Helper()
	text = strings.TrimSuffix(strings.TrimPrefix(text, "{"), map[bool]string{true: "}"}[strings.HasPrefix(text, "{")])
	return parse(t, fmt.Sprintf("version: 1\nrules: [{repositories: [a], %s}]", text)).Rule("a")
}
