package store

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry"
)

// names are what a search finds, as text.
func (k *kit) names(opts FindOptions) (list []string) {
	k.t.Helper()
	found, err := k.FindNames(k.t.Context(), opts)
	k.must(err)
	for _, n := range found {
		list = append(list, n.String())
	}
	return list
}

func (k *kit) repositoryNames(opts FindOptions) (list []string) {
	k.t.Helper()
	found, err := k.FindRepositories(k.t.Context(), opts)
	k.must(err)
	for _, r := range found {
		list = append(list, r.Name)
	}
	return list
}

// browsed is a kit with names that are easily confused.
func browsed(t testing.TB) *kit {
	k := newKit(t, noLease)
	for _, name := range []string{"10.0.0.5:5000/team/app:v1", "a/b:x", "a/b-c:x", "a/b/c:x_y", "a/b/c:xzy", "docker.io/library/nginx:1.25", "docker.io/library/nginx:1.26-Alpine"} {
		r, err := registry.ParseName(name)
		k.must(err)
		k.image(r, nil, "config of "+name, "layer")
	}
	k.image(ref("untagged", ""), nil, "config", "layer")
	k.blob("blobs/only", "blob")
	return k
}

// Words are found wherever they are, and only what they say.
func TestFindNames(t *testing.T) {
	t.Parallel()
	k := browsed(t)
	all := []string{"10.0.0.5:5000/team/app:v1", "a/b:x", "a/b-c:x", "a/b/c:x_y", "a/b/c:xzy", "docker.io/library/nginx:1.25", "docker.io/library/nginx:1.26-Alpine"}
	for _, c := range []struct {
		opts FindOptions
		want []string
	}{
		{FindOptions{}, all},
		{FindOptions{Query: "NGINX alpine"}, all[6:]},
		{FindOptions{Query: "alpine nginx"}, all[6:]},
		{FindOptions{Query: "nginx:1.2"}, all[5:]},
		{FindOptions{Query: "5000/"}, all[:1]},
		{FindOptions{Query: "b_c"}, nil},
		{FindOptions{Query: "x_y"}, all[3:4]},
		{FindOptions{Query: "%"}, nil},
		{FindOptions{Query: `\`}, nil},
		{FindOptions{Query: "nosuch"}, nil},
		{FindOptions{Repository: "a/b"}, all[1:2]},
		{FindOptions{Repository: "10.0.0.5:5000/team/app"}, all[:1]},
		{FindOptions{Repository: "10.0.0.5_5000/team/app"}, all[:1]},
		{FindOptions{Repository: "a/b/c", Query: "xz"}, all[4:5]},
		{FindOptions{Repository: "a/b/c", After: "a/b/c:x_y"}, all[4:5]},
		{FindOptions{Repository: "a/b/c", After: "a/b:zzz"}, all[3:5]},
		{FindOptions{Repository: "a/b/c", After: "docker.io/library/nginx:1.25"}, nil},
		{FindOptions{Repository: "nosuch"}, nil},
		{FindOptions{After: "docker.io/library/nginx"}, all[5:]},
		{FindOptions{After: all[6]}, nil},
		{FindOptions{May: func(r string) bool { return strings.HasPrefix(r, "a/b/") }}, all[3:5]},
		{FindOptions{May: func(r string) bool { return !strings.HasPrefix(r, "a/b/") }}, slices.Concat(all[:3], all[5:])},
		{FindOptions{May: func(string) bool { return false }}, nil},
		{FindOptions{May: func(r string) bool { return r != "a/b" }, Repository: "a/b"}, nil},
		{FindOptions{May: func(r string) bool { return r != "a/b" }, After: "a/b:a"}, all[2:]},
	} {
		want := slices.Clone(c.want)
		slices.SortFunc(want, func(a, b string) int {
			ra, rb := strings.LastIndexByte(a, ':'), strings.LastIndexByte(b, ':')
			if n := strings.Compare(registry.RepositoryPath(a[:ra]), registry.RepositoryPath(b[:rb])); n != 0 {
				return n
			}
			return strings.Compare(a[ra:], b[rb:])
		})
		if have := k.names(c.opts); !slices.Equal(have, want) {
			t.Errorf("%+v: %q, want %q", c.opts, have, want)
		}
		var paged []string
		for opts := c.opts; ; opts.After = paged[len(paged)-1] {
			opts.Limit = 1
			next := k.names(opts)
			if paged = append(paged, next...); len(next) == 0 {
				break
			}
		}
		if !slices.Equal(paged, want) {
			t.Errorf("%+v by pages: %q, want %q", c.opts, paged, want)
		}
	}
	for _, query := range []string{strings.Repeat("x ", maxWords+1), strings.Repeat("x", maxQuery+1)} {
		if _, err := k.FindNames(t.Context(), FindOptions{Query: query}); !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("%.20q: %v", query, err)
		}
	}
}

// More repositories than one page of them, every third of which is told of.
func TestFindAmongMany(t *testing.T) {
	t.Parallel()
	k := newKit(t, Options{})
	fillMany(k, 2*page+5, 1)
	may := func(r string) bool { return strings.HasSuffix(r, "0") }
	want := 2 * page / 10
	if have := k.names(FindOptions{May: may, Limit: 5000}); len(have) != want {
		t.Errorf("%d names, want %d", len(have), want)
	}
	if have := k.repositoryNames(FindOptions{May: may, Limit: 5000}); len(have) != want {
		t.Errorf("%d repositories, want %d", len(have), want)
	}
	if have := k.repositoryNames(FindOptions{May: may, Limit: 7}); len(have) != 7 {
		t.Errorf("%d repositories, want 7", len(have))
	}
}

func TestFindRepositories(t *testing.T) {
	t.Parallel()
	k := browsed(t)
	k.image(ref("a/b/c", "another"), nil, "config", "layer")
	found, err := k.FindRepositories(t.Context(), FindOptions{Query: "B/C"})
	k.must(err)
	if len(found) != 1 || found[0].Name != "a/b/c" || found[0].Tags != 3 || found[0].Manifests != 3 || found[0].Updated.IsZero() {
		t.Errorf("%+v", found)
	}
	all := []string{"10.0.0.5:5000/team/app", "a/b", "a/b-c", "a/b/c", "docker.io/library/nginx", "untagged"}
	for _, c := range []struct {
		opts FindOptions
		want []string
	}{
		{FindOptions{}, all},
		{FindOptions{Limit: 2}, all[:2]},
		{FindOptions{After: "a/b/c"}, all[4:]},
		{FindOptions{After: "10.0.0.5:5000/team/app"}, all[1:]},
		{FindOptions{Query: "a b -"}, all[2:3]},
		{FindOptions{Query: "1.25"}, nil},
		{FindOptions{Repository: "10.0.0.5_5000/team/app"}, all[:1]},
		{FindOptions{May: func(r string) bool { return r == "untagged" }}, all[5:]},
	} {
		have := k.repositoryNames(c.opts)
		slices.Sort(have)
		if !slices.Equal(have, c.want) {
			t.Errorf("%+v: %q, want %q", c.opts, have, c.want)
		}
	}
}

// What is looked at can be collected; what is damaged can still be looked at.
func TestLook(t *testing.T) {
	t.Parallel()
	k := newKit(t, Options{Lease: 1 << 40})
	d := k.image(ref("a", "v1"), nil, "config", "layer")
	k.image(ref("a", "v2"), nil, "config", "layer")
	k.forgetLeases()
	r, err := k.Look(t.Context(), ref("a", "v1"))
	k.must(err)
	if r.Digest != d.Digest || r.Size != d.Size || r.MediaType != d.MediaType || r.Repository != "a" || r.Arrived.IsZero() || len(r.Content) == 0 ||
		len(r.Tags) != 2 || r.Tags[1].Name != "v2" || r.Tags[0].Updated.IsZero() {
		t.Errorf("%+v", r)
	}
	_, err = k.FindNames(t.Context(), FindOptions{})
	k.must(err)
	_, err = k.Sharing(t.Context(), "a", []digest.Digest{layerOf("layer").Digest})
	k.must(err)
	if k.guard.isLeased(d.Digest) || k.guard.isLeased(layerOf("layer").Digest) {
		t.Error("it is leased")
	}
	k.exec(`UPDATE manifests SET content = 'x', annotations = 'y'`)
	if r, err = k.Look(t.Context(), at("a", d)); err != nil || r.Damaged == "" || r.Content != nil || len(r.Tags) != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	damaged, err := k.Damaged(t.Context())
	k.must(err)
	if len(damaged) != 1 {
		t.Errorf("%+v", damaged)
	}
	for _, r := range []registry.Ref{ref("a", "v3"), ref("b", "v1"), at("a", layerOf("layer")), {Repository: "a"}} {
		if _, err := k.Look(t.Context(), r); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%s: %v", r, err)
		}
	}
}

func TestSharing(t *testing.T) {
	t.Parallel()
	k := newKit(t, noLease)
	k.image(ref("a", "v1"), nil, "config a", "base", "only")
	k.image(ref("a", "v2"), nil, "config a2", "base")
	k.image(ref("b", "v1"), nil, "config b", "base")
	k.blob("c", "loose")
	k.exec(`INSERT INTO damaged (digest, kind, cause, found_at) VALUES (?, 'blob', 'bad', 1)`, layerOf("only").Digest.String())
	var ask []digest.Digest
	for _, text := range []string{"base", "only", "loose", "absent"} {
		ask = append(ask, layerOf(text).Digest)
	}
	have, err := k.Sharing(t.Context(), "a", ask)
	k.must(err)
	want := map[digest.Digest]Share{
		ask[0]: {Size: 4, Manifests: 3, Repositories: 2, Held: true},
		ask[1]: {Size: 4, Manifests: 1, Repositories: 1, Held: true, Damaged: "bad"},
		ask[2]: {Size: 5, Repositories: 1},
	}
	if !reflect.DeepEqual(have, want) {
		t.Errorf("%+v", have)
	}
}

func TestSizeOf(t *testing.T) {
	t.Parallel()
	k := newKit(t, noLease)
	one := k.image(ref("a", ""), nil, "config 1", "base", "only 1")
	two := k.image(ref("a", ""), nil, "config 2", "base", "only 2")
	absent, _ := imageOf(nil, "config of nobody")
	index := k.index(ref("a", "v1"), nil, one, two, absent)
	k.image(ref("b", "v1"), nil, "config b", "base")
	for _, c := range []struct {
		d    registry.Descriptor
		want Extent
	}{
		{index, Extent{3, 5, index.Size + one.Size + two.Size + 32, 32, 28}},
		{one, Extent{1, 3, one.Size + 18, 18, 14}},
	} {
		if have, err := k.SizeOf(t.Context(), "a", c.d.Digest); err != nil || have != c.want {
			t.Errorf("%+v, %v, want %+v", have, err, c.want)
		}
	}
	for _, r := range []registry.Ref{at("b", one), at("nosuch", one), at("a", absent)} {
		if _, err := k.SizeOf(t.Context(), r.Repository, r.Digest); !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("%s: %v", r, err)
		}
	}
}

// What a deletion will lead to is told before: who refuses, what goes, whom it
// is missed by.
func TestLosing(t *testing.T) {
	t.Parallel()
	k := newKit(t, noLease)
	one := k.image(ref("a", ""), nil, "config 1", "base")
	index := k.index(ref("a", "v1"), nil, one)
	k.image(ref("a", ""), &index, "signature")
	k.put(ref("a", "v2"), index, k.contentOf(index))
	k.image(ref("b", "v1"), nil, "config b", "base")
	l, err := k.Losing(t.Context(), ref("a", "v1"))
	k.must(err)
	if l.Digest != index.Digest || l.Kept != index.Digest || l.Manifests != 0 || l.Bytes != 0 || !slices.Equal(l.Tags, []string{"v1"}) || l.Refused != nil {
		t.Errorf("a tag of two: %+v", l)
	}
	if l, err = k.Losing(t.Context(), at("a", index)); err != nil || l.Kept != "" || l.Manifests != 3 || l.Blobs != 2 || l.Bytes != 17 || !slices.Equal(l.Tags, []string{"v1", "v2"}) {
		t.Errorf("an index: %+v, %v", l, err)
	}
	if l, err = k.Losing(t.Context(), at("a", one)); err != nil || !slices.Equal(l.Breaks, []string{"a:v1"}) || l.Manifests != 1 || l.Bytes != 8 {
		t.Errorf("a child: %+v, %v", l, err)
	}
	_, err = k.Pin(t.Context(), ref("a", "v1"), "cluster/x", "it runs")
	k.must(err)
	for _, r := range []registry.Ref{ref("a", "v1"), at("a", one), {Repository: "a", Tag: "other", Digest: index.Digest}} {
		pinned := (*PinnedError)(nil)
		if l, err := k.Losing(t.Context(), r); err != nil || !errors.As(l.Refused, &pinned) || pinned.Owner != "cluster/x" {
			t.Errorf("%s: %+v, %v", r, l, err)
		}
	}
	if _, err := k.Losing(t.Context(), ref("a", "v9")); !errors.Is(err, registry.ErrNotFound) {
		t.Error(err)
	}
}

func (k *kit) contentOf(d registry.Descriptor) []byte {
	k.t.Helper()
	_, content, err := k.ManifestOf(k.t.Context(), d.Digest)
	k.must(err)
	return content
}

// Losing tells what a deletion and a collection then do, whatever shape the
// content has.
func TestLosingComesTrue(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 1))
		k := newKit(t, noLease)
		names := k.tangle(random)
		k.collect(CollectOptions{Now: true})
		for len(names) > 0 {
			i := random.IntN(len(names))
			r := names[i]
			names = slices.Delete(names, i, i+1)
			if random.IntN(2) == 0 {
				if d, err := k.Resolve(t.Context(), r); err == nil {
					r = at(r.Repository, d)
				}
			}
			l, err := k.Losing(t.Context(), r)
			if errors.Is(err, registry.ErrNotFound) || err == nil && len(l.Breaks) > 0 {
				continue // a collection keeps what refers to what an index misses
			}
			k.must(err)
			before := k.number(`SELECT count(*) FROM repository_manifests`)
			k.must(k.Delete(t.Context(), r))
			bytes := k.collect(CollectOptions{Now: true}).Bytes
			bytes += k.collect(CollectOptions{Now: true}).Bytes // what was kept by what has just been erased
			went := before - k.number(`SELECT count(*) FROM repository_manifests`)
			if l.Bytes != bytes || int64(l.Manifests) != went {
				t.Fatalf("seed %d, %s: told %+v; %d manifests went and %d bytes", seed, r, l, went, bytes)
			}
		}
	}
}

// tangle puts images, indexes and referrers that share much into two repositories.
// No manifest is in both: a collection goes on through manifests that only another
// repository has.
func (k *kit) tangle(random *rand.Rand) (names []registry.Ref) {
	put := map[string][]registry.Descriptor{}
	for i := range 12 {
		r := ref(string("ab"[random.IntN(2)]), "")
		if random.IntN(2) == 0 {
			r.Tag = fmt.Sprint("v", i)
			names = append(names, r)
		}
		have := put[r.Repository]
		var subject *registry.Descriptor
		if len(have) > 0 && random.IntN(3) == 0 {
			subject = &have[random.IntN(len(have))]
		}
		var d registry.Descriptor
		if len(have) > 1 && random.IntN(3) == 0 {
			d = k.index(r, subject, have[random.IntN(len(have))], have[random.IntN(len(have))])
		} else {
			d = k.image(r, subject, fmt.Sprint("config ", r.Repository, random.IntN(8)), fmt.Sprint("layer ", random.IntN(5)))
		}
		put[r.Repository] = append(have, d)
	}
	return names
}

// Whatever is asked for, what is found has it, and nothing else goes wrong.
// Names are found by the artifact type of their manifests, or by how that begins, also
// page by page and with words.
func TestFindByArtifactType(t *testing.T) {
	t.Parallel()
	k := browsed(t)
	config := k.blob("a/def", "{}")
	for tag, artifactType := range map[string]string{"v1": "application/x.def.v1", "v2": "application/x.def.v2", "sig": "application/x.def_v1"} {
		content := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":%q,"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":%q,"size":2},"layers":[]}`,
			artifactType, config.Digest)
		k.put(ref("a/def", tag), registry.Descriptor{MediaType: "application/vnd.oci.image.manifest.v1+json", Digest: digest.FromBytes(content), Size: int64(len(content))}, content)
	}
	for _, c := range []struct {
		opts FindOptions
		want []string
	}{
		{FindOptions{ArtifactType: "application/x.def.v1"}, []string{"a/def:v1"}},
		{FindOptions{ArtifactType: "application/x.def.v*"}, []string{"a/def:v1", "a/def:v2"}},
		{FindOptions{ArtifactType: "application/x.def_*"}, []string{"a/def:sig"}},
		{FindOptions{ArtifactType: "application/x.def.v*", After: "a/def:v1"}, []string{"a/def:v2"}},
		{FindOptions{ArtifactType: "application/x.def.v*", Limit: 1}, []string{"a/def:v1"}},
		{FindOptions{ArtifactType: "application/x.def.v*", Query: "def v2"}, []string{"a/def:v2"}},
		{FindOptions{ArtifactType: "application/x.def.v*", Repository: "a/b"}, nil},
		{FindOptions{ArtifactType: "application/x.def.v*", May: func(r string) bool { return r != "a/def" }}, nil},
		{FindOptions{ArtifactType: "nosuch"}, nil},
	} {
		if got := k.names(c.opts); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %q, want %q", c.opts, got, c.want)
		}
	}
}

func FuzzFindNames(f *testing.F) {
	k := browsed(f)
	f.Add("nginx 1", "", "")
	f.Add("%_", "a/b:x", "a/b/c")
	f.Add(`\ '`, "::", "10.0.0.5:5000/team/app")
	f.Add("\xff", "\xff", "\x00")
	f.Add("\x00", "0", "")
	f.Fuzz(func(t *testing.T, query, after, repository string) {
		opts := FindOptions{Query: query, After: after, Repository: repository, Limit: 3}
		found, err := k.FindNames(t.Context(), opts)
		if err != nil && !errors.Is(err, registry.ErrInvalid) {
			t.Fatal(err)
		}
		for _, n := range found {
			for _, word := range strings.Fields(strings.ToLower(query)) {
				if !strings.Contains(strings.ToLower(n.String()), word) {
					t.Errorf("%q finds %s", query, n)
				}
			}
		}
		if _, err := k.FindRepositories(t.Context(), opts); err != nil && !errors.Is(err, registry.ErrInvalid) {
			t.Fatal(err)
		}
	})
}

// fillMany makes repositories with tags that each point at a manifest of their own
// and share most of their eight blobs.
func fillMany(k *kit, repositories, tags int) {
	k.t.Helper()
	content := make([]byte, 1500)
	k.must(k.db.Write(k.t.Context(), func(tx *sql.Tx) error {
		for r := 1; r <= repositories; r++ {
			path := fmt.Sprintf("registry%d.example/team%03d/app%05d", r%7, r%100, r)
			for tag := range tags {
				d := digest.FromString(fmt.Sprint(path, tag)).String()
				at := r * tag
				for _, s := range []struct {
					query string
					args  []any
				}{
					{`INSERT INTO repositories (id, path, name) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, []any{r, path, path}},
					{`INSERT INTO manifests (digest, media_type, artifact_type, annotations, content, created_at) VALUES (?, ?, ?, '{}', ?, 1)`,
						[]any{d, registry.ManifestTypes[2], "application/vnd.oci.image.config.v1+json", content}},
					{`INSERT INTO repository_manifests (repository_id, digest, linked_at) VALUES (?, ?, 1)`, []any{r, d}},
					{`INSERT INTO tags (repository_id, name, digest, updated_at) VALUES (?, ?, ?, ?)`, []any{r, fmt.Sprintf("v%d.%d-build%06d", tag/10, tag%10, at), d, at}},
				} {
					if _, err := tx.Exec(s.query, s.args...); err != nil {
						return err
					}
				}
				for blob := range 8 {
					b := digest.FromString(fmt.Sprint("blob", (r+tag)%(1+blob*blob*blob*20))).String()
					if _, err := tx.Exec(`INSERT INTO blobs (digest, size, created_at) VALUES (?, 1000, 1) ON CONFLICT DO NOTHING`, b); err != nil {
						return err
					}
					if _, err := tx.Exec(`INSERT INTO manifest_references (manifest, digest, kind) VALUES (?, ?, 'blob') ON CONFLICT DO NOTHING`, d, b); err != nil {
						return err
					}
					if _, err := tx.Exec(`INSERT INTO repository_blobs (repository_id, digest) VALUES (?, ?) ON CONFLICT DO NOTHING`, r, b); err != nil {
						return err
					}
				}
			}
		}
		return nil
	}))
}

// A page out of 100,000 tags, in a site of many repositories and in one of few.
func BenchmarkBrowse(b *testing.B) {
	for _, shape := range []struct{ repositories, tags int }{{2000, 50}, {10, 10_000}} {
		k := newKit(b, Options{})
		fillMany(k, shape.repositories, shape.tags)
		names := k.names(FindOptions{Limit: 100_000})
		last := names[len(names)-50]
		r, err := registry.ParseName(names[777])
		k.must(err)
		record, err := k.Look(b.Context(), r)
		k.must(err)
		refs := []digest.Digest{}
		for blob := range 8 {
			refs = append(refs, digest.FromString(fmt.Sprint("blob", blob)))
		}
		half := func(r string) bool { return r[len(r)-1]%2 == 0 }
		prefix := func(r string) bool { return strings.HasPrefix(r, "registry5.example/team005") }
		for name, do := range map[string]func() error{
			"first":  func() error { _, err := k.FindNames(b.Context(), FindOptions{}); return err },
			"last":   func() error { _, err := k.FindNames(b.Context(), FindOptions{After: last}); return err },
			"common": func() error { _, err := k.FindNames(b.Context(), FindOptions{Query: "team app v1"}); return err },
			"rarest": func() error { _, err := k.FindNames(b.Context(), FindOptions{Query: "nosuch"}); return err },
			"rare3":  func() error { _, err := k.FindNames(b.Context(), FindOptions{Query: "team app nosuch"}); return err },
			"half":   func() error { _, err := k.FindNames(b.Context(), FindOptions{May: half}); return err },
			"type":   func() error { _, err := k.FindNames(b.Context(), FindOptions{ArtifactType: "nosuch"}); return err },
			"prefix": func() error { _, err := k.FindNames(b.Context(), FindOptions{May: prefix}); return err },
			"prefixrare": func() error {
				_, err := k.FindNames(b.Context(), FindOptions{May: prefix, Query: "nosuch"})
				return err
			},
			"halfrare":     func() error { _, err := k.FindNames(b.Context(), FindOptions{May: half, Query: "nosuch"}); return err },
			"repository":   func() error { _, err := k.FindNames(b.Context(), FindOptions{Repository: r.Repository}); return err },
			"repositories": func() error { _, err := k.FindRepositories(b.Context(), FindOptions{}); return err },
			"sharing":      func() error { _, err := k.Sharing(b.Context(), r.Repository, refs); return err },
			"size":         func() error { _, err := k.SizeOf(b.Context(), r.Repository, record.Digest); return err },
			"look":         func() error { _, err := k.Look(b.Context(), r); return err },
			"losing":       func() error { _, err := k.Losing(b.Context(), r); return err },
		} {
			b.Run(fmt.Sprintf("%dx%d/%s", shape.repositories, shape.tags, name), func(b *testing.B) {
				for b.Loop() {
					k.must(do())
				}
			})
		}
	}
}
