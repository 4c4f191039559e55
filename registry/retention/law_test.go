package retention_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry/retention"
)

// What holds for every rule and every repository, tried on random ones.
func TestLaws(t *testing.T) {
	t.Parallel()
	for seed := range uint64(1000) {
		random := rand.New(rand.NewPCG(seed, 0))
		tags, clauses := randomTags(random), randomClauses(random)
		immutable := ""
		if random.IntN(3) == 0 {
			immutable = ", immutable: ['v1.*']"
		}
		some := 1 + random.IntN(len(clauses))
		few := ruleOf(t, "keep: {"+strings.Join(clauses[:some], ", ")+"}"+immutable+"")
		all := ruleOf(t, "keep: {"+strings.Join(clauses, ", ")+"}"+immutable+"")
		plan := few.Plan(tags, noon)
		holdsAll(t, tags, plan)
		holdsPins(t, few, plan)
		holdsAgain(t, few, plan)
		holdsOrder(t, few, tags, plan, random)
		for i, d := range all.Plan(tags, noon) {
			if plan[i].Keep && !d.Keep {
				t.Errorf("%s is kept by %v and not with %v", d.Name, clauses[:some], clauses)
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d: %v\n%s", seed, clauses, strings.Join(said(plan), "\n"))
		}
	}
}

// Kept and removed together are what was there, by name, each with a reason.
func holdsAll(t *testing.T, tags []retention.Tag, plan []retention.Decision) {
	t.Helper()
	var got []retention.Tag
	for _, d := range plan {
		got = append(got, d.Tag)
		if d.Reason == "" {
			t.Errorf("%s has no reason", d.Name)
		}
	}
	want := slices.SortedFunc(slices.Values(tags), func(a, b retention.Tag) int { return cmp.Compare(a.Name, b.Name) })
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Nothing pinned, immutable, or belonging to what is kept is ever removed.
func holdsPins(t *testing.T, r *retention.Rule, plan []retention.Decision) {
	t.Helper()
	kept := map[string]bool{}
	for _, d := range plan {
		for _, held := range append([]digest.Digest{d.Digest}, d.Children...) {
			kept[companionOf(held)] = kept[companionOf(held)] || d.Keep
		}
	}
	for _, d := range plan {
		_, immutable := r.Immutable(d.Name)
		subject, _, _ := strings.Cut(d.Name, ".")
		belongs := kept[subject] && d.Name != companionOf(d.Digest)
		if !d.Keep && (d.Pinned != "" || immutable || belongs) {
			t.Errorf("%s is removed", d.Name)
		}
	}
}

// Planning what is kept removes nothing.
func holdsAgain(t *testing.T, r *retention.Rule, plan []retention.Decision) {
	t.Helper()
	var kept []retention.Tag
	for _, d := range plan {
		if d.Keep {
			kept = append(kept, d.Tag)
		}
	}
	for _, d := range r.Plan(kept, noon) {
		if !d.Keep {
			t.Errorf("%s is removed the second time: %s", d.Name, d.Reason)
		}
	}
}

// The order in which tags are given changes nothing.
func holdsOrder(t *testing.T, r *retention.Rule, tags []retention.Tag, plan []retention.Decision, random *rand.Rand) {
	t.Helper()
	tags = slices.Clone(tags)
	random.Shuffle(len(tags), func(i, j int) { tags[i], tags[j] = tags[j], tags[i] })
	if diff := gocmp.Diff(plan, r.Plan(tags, noon)); diff != "" {
		t.Errorf("in another order: (-want +got)\n%s", diff)
	}
}

// randomTags have few contents, few times and all kinds of names, each once.
func randomTags(random *rand.Rand) []retention.Tag {
	letters := []string{"a", "b", "c", "d", "e", "f"}
	letter := func() string { return letters[random.IntN(len(letters))] }
	names := []string{"latest", "edge", "v1.0", "v1.1", "v1.9", "v1.10", "v1.10-rc.1", "2", "2.0", "02.0"}
	for _, l := range letters {
		names = append(names, companion(l, ""), companion(l, ".sig"), companion(l, ".att"))
	}
	random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	var tags []retention.Tag
	for _, name := range names[:random.IntN(len(names))] {
		t := tag(name, letter(), random.IntN(8)-1)
		if random.IntN(10) == 0 {
			t.Pinned = "pinned"
		}
		if random.IntN(5) == 0 {
			t.Children = []digest.Digest{image(letter()), image(letter())}
		}
		if random.IntN(20) == 0 {
			t.Updated = time.Time{}
		}
		tags = append(tags, t)
	}
	return tags
}

func randomClauses(random *rand.Rand) []string {
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	clauses := []string{
		"last: " + pick("1", "2", "5"),
		"tags: [" + pick("latest", "v1.*", "^v", "nothing", ".*") + "]",
		"semver: " + pick("'>=1.2'", "'1.1 - 2'", "'>=0.0.0-0'"),
		"younger: " + pick("1h", "3h", "1d"),
	}
	random.Shuffle(len(clauses), func(i, j int) { clauses[i], clauses[j] = clauses[j], clauses[i] })
	return clauses
}
