package archive_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/archive"
	"github.com/landfall-dev/landfall/registry/memory"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/store"
)

// An OCI archive holds exactly what went into it.
func TestLaw(t *testing.T) {
	t.Parallel()
	registrytest.Readers(t, func(t *testing.T, f *registrytest.Fixture) registry.Reader {
		l := newLayout(t)
		for _, n := range slices.Concat(f.Graph.Manifests, f.Graph.Blobs) {
			l.put(n.Descriptor, f.Content[n.Descriptor.Digest])
		}
		for _, n := range f.Graph.Names {
			l.list(n.Descriptor, refName(n.Ref.String()))
		}
		l.list(f.Signature, nil) // belongs to what has a name
		return open(t, tarOf(t, l.members()...), archive.Options{})
	})
}

// lands copies an archive into a store, twice, and proves that all can be pulled back
// from there.
func lands(t *testing.T, a *archive.Archive) {
	t.Helper()
	site, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	must(t, err)
	defer site.Close()
	g, err := registry.Walk(t.Context(), a, a.Refs(), registry.WalkOptions{Sparse: true})
	must(t, err)
	if !reflect.DeepEqual(texts(g), texts(a.Graph())) {
		t.Errorf("walking it gives %s, its graph is %s", texts(g), texts(a.Graph()))
	}
	must(t, registry.Copy(t.Context(), site, a, g, registry.CopyOptions{}))
	must(t, registry.Copy(t.Context(), site, a, a.Graph(), registry.CopyOptions{}))
	back := &memory.Registry{}
	g, err = registry.Walk(t.Context(), site, a.Refs(), registry.WalkOptions{Sparse: true})
	must(t, err)
	must(t, registry.Copy(t.Context(), back, site, g, registry.CopyOptions{}))
	for _, n := range a.Graph().Names {
		if d, err := back.Resolve(t.Context(), n.Ref); err != nil || d.Digest != n.Descriptor.Digest {
			t.Errorf("%s came back as %s, %v", n.Ref, d.Digest, err)
		}
	}
	must(t, a.Verify(t.Context(), nil))
}

// texts is all of a graph that counts.
func texts(g *registry.Graph) (list []string) {
	for _, n := range g.Names {
		list = append(list, n.Ref.String()+" "+n.Descriptor.Digest.String())
	}
	for _, n := range slices.Concat(g.Manifests, g.Blobs) {
		list = append(list, n.Descriptor.MediaType+" "+n.Descriptor.Digest.String()+" "+strings.Join(n.Repositories, " "))
	}
	return list
}

// What docker 20.10 has written: several images, layers that they share, one layer
// twice in an image, as a link.
func TestDockerSaved(t *testing.T) {
	t.Parallel()
	a := openFile(t, "testdata/docker-20.10.tar", archive.Options{})
	want := []string{"docker.io/library/one:1", "docker.io/library/two:latest", "example.com/team/one:2", "localhost/foo:1"}
	if got := names(a); !slices.Equal(got, want) {
		t.Errorf("names %q", got)
	}
	lands(t, a)
	two, err := registry.ParseRef("two")
	must(t, err)
	d, content, err := a.Manifest(t.Context(), two)
	must(t, err)
	m, err := registry.ParseManifest(d.MediaType, content)
	must(t, err)
	if m.MediaType != ocispec.MediaTypeImageManifest || len(m.Blobs) != 7 || m.Blobs[1].MediaType != ocispec.MediaTypeImageLayer {
		t.Errorf("%+v", m)
	}
	// The layer behind the link is the one of the other image.
	if m.Blobs[3].Digest != "sha256:637fb2f863462ef894a074a7787e07acdf05abac4216984940885572dc42661a" {
		t.Errorf("layers %+v", m.Blobs)
	}
}

// What ctr has exported: a layout with full names.
func TestCtrExported(t *testing.T) {
	t.Parallel()
	a := openFile(t, "testdata/ctr-1.6.tar", archive.Options{})
	want := []string{"docker.io/library/one:1", "docker.io/library/two:latest", "example.com/team/one:2", "localhost/foo:1"}
	if got := names(a); !slices.Equal(got, want) {
		t.Errorf("names %q", got)
	}
	lands(t, a)
	// The configs are the same as in the other archive, which came from the same images.
	other := openFile(t, "testdata/docker-20.10.tar", archive.Options{})
	for _, b := range other.Graph().Blobs {
		if got := bytesOf(t, a, "", b.Descriptor); digest.FromBytes(got) != b.Descriptor.Digest {
			t.Error(b.Descriptor)
		}
	}
}

// Since version 25, docker save writes a layout, and its old document beside it.
func TestDocker25(t *testing.T) {
	t.Parallel()
	l := newLayout(t)
	base, top := layer(t, "a", "a"), layer(t, "b", "b")
	named, tagged := l.image(base, top), l.image(base)
	l.list(named, map[string]string{"io.containerd.image.name": "docker.io/library/app:1", ocispec.AnnotationRefName: "1"})
	l.list(named, map[string]string{"io.containerd.image.name": "example.com/app:1", ocispec.AnnotationRefName: "1"})
	l.list(tagged, refName("latest")) // of what, the document says
	path := func(content []byte) string { return "blobs/sha256/" + digest.FromBytes(content).Encoded() }
	document := []saved{
		{path(config(t, base, top)), []string{"app:1", "example.com/app:1"}, []string{path(base), path(top)}},
		{path(config(t, base)), []string{"base"}, []string{path(base)}},
	}
	a := open(t, tarOf(t, l.members(file("manifest.json", asJSON(t, document)))...), archive.Options{})
	if got := names(a); !slices.Equal(got, []string{"docker.io/library/app:1", "docker.io/library/base:latest", "example.com/app:1"}) {
		t.Errorf("names %q", got)
	}
	lands(t, a)
}

// An index whose other platforms stayed behind is taken with what is there: images
// without a manifest, and images without their blobs, as containerd leaves them.
func TestSparse(t *testing.T) {
	t.Parallel()
	l := newLayout(t)
	there := l.image(layer(t, "a", "a"))
	before := len(l.entries)
	bare := l.image(layer(t, "b", "b"))
	l.entries = append(l.entries[:before], l.entries[len(l.entries)-1]) // the manifest alone
	absent := registry.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("x"), Size: 1}
	index := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: []registry.Descriptor{absent, there, bare}}
	index.SchemaVersion = 2
	d := l.blob(ocispec.MediaTypeImageIndex, asJSON(t, index))
	l.list(d, refName("quay.io/a/b:1"))
	a := open(t, tarOf(t, l.members()...), archive.Options{})
	if got := a.Graph().Manifests; len(got) != 2 || got[0].Descriptor.Digest != there.Digest {
		t.Errorf("%s", texts(a.Graph()))
	}
	lands(t, a)
	index.Manifests = []registry.Descriptor{absent, bare}
	l.index.Manifests = nil
	l.list(l.blob(ocispec.MediaTypeImageIndex, asJSON(t, index)), refName("quay.io/a/b:1"))
	if err := refuse(t, tarOf(t, l.members()...), archive.Options{}); !errors.Is(err, registry.ErrIncomplete) {
		t.Error(err)
	}
}

// Compressed layers keep their bytes. That they are whole shows in their names, or
// when they are uncompressed.
func TestCompressedLayers(t *testing.T) {
	t.Parallel()
	plain := layer(t, "a", strings.Repeat("a", 5000))
	packed := gzipped(t, plain)
	c := config(t, plain)
	archived := func(name string, layer []byte) []byte {
		return tarOf(t, file("config.json", c), file(name, layer),
			file("manifest.json", asJSON(t, []saved{{"config.json", []string{"a:1"}, []string{name}}})))
	}
	for _, name := range []string{digest.FromBytes(packed).Encoded() + ".tar.gz", "layer.tar.gz"} {
		a := open(t, archived(name, packed), archive.Options{})
		b := a.Graph().Blobs[1].Descriptor
		if b.MediaType != ocispec.MediaTypeImageLayerGzip || b.Digest != digest.FromBytes(packed) {
			t.Errorf("%s: %+v", name, b)
		}
		lands(t, a)
	}
	damaged := bytes.Clone(packed)
	damaged[len(damaged)/2] ^= 1
	for what, layer := range map[string][]byte{"another": gzipped(t, layerOf(t)), "damaged": damaged, "cut off": packed[:len(packed)-9], "no more than its start": packed[:4]} {
		if err := refuse(t, archived(digest.FromBytes(packed).Encoded()+".tar.gz", layer), archive.Options{}); !errors.Is(err, registry.ErrDigest) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := refuse(t, archived("l", []byte("\x28\xb5\x2f\xfd....")), archive.Options{}); !errors.Is(err, registry.ErrInvalid) {
		t.Error(err)
	}
}

func layerOf(t *testing.T) []byte { return layer(t, "another", "file") }

// What images are called that the archive has no name for.
func TestNames(t *testing.T) {
	t.Parallel()
	l := newLayout(t)
	one, two := l.image(layer(t, "a", "a")), l.image(layer(t, "b", "b"))
	with := func(listed ...registry.Descriptor) []byte {
		l.index.Manifests = listed
		return tarOf(t, l.members()...)
	}
	called := func(d registry.Descriptor, name string) registry.Descriptor {
		d.Annotations = refName(name)
		return d
	}
	for _, c := range []struct {
		listed []registry.Descriptor
		name   string
		want   string // names; none: refused
	}{
		{[]registry.Descriptor{called(one, "alpine:3")}, "", "docker.io/library/alpine:3"},
		{[]registry.Descriptor{called(one, "alpine:3"), one}, "", "docker.io/library/alpine:3"},
		{[]registry.Descriptor{called(one, "quay.io/a/b")}, "", "quay.io/a/b:latest"},
		{[]registry.Descriptor{called(one, "quay.io/a/b@"+one.Digest.String())}, "", "quay.io/a/b@" + one.Digest.String()},
		{[]registry.Descriptor{called(one, "quay.io/a/b@"+two.Digest.String())}, "", ""},
		{[]registry.Descriptor{called(one, "quay.io/UPPER/b:1")}, "", ""},
		{[]registry.Descriptor{called(one, "a:1"), called(two, "a:1")}, "", ""},
		{[]registry.Descriptor{one}, "", ""},
		{[]registry.Descriptor{one}, "a:b:c", ""},
		{[]registry.Descriptor{one}, "app:7", "docker.io/library/app:7"},
		{[]registry.Descriptor{called(one, "3")}, "", ""},
		{[]registry.Descriptor{called(one, "3")}, "alpine", "docker.io/library/alpine:3"},
		{[]registry.Descriptor{called(one, "3")}, "localhost:5000/alpine", "localhost:5000/alpine:3"},
		{[]registry.Descriptor{called(one, "3")}, "alpine:4", "docker.io/library/alpine:4"},
		{[]registry.Descriptor{called(one, "3"), called(two, "4")}, "alpine", "docker.io/library/alpine:3 docker.io/library/alpine:4"},
		{[]registry.Descriptor{called(one, "3"), called(two, "4")}, "alpine:5", ""},
		{[]registry.Descriptor{called(one, "a:1"), two}, "b:1", "docker.io/library/a:1 docker.io/library/b:1"},
		{[]registry.Descriptor{called(one, "a:1"), two}, "a:1", ""},
		{[]registry.Descriptor{called(one, "a:1")}, "b:1", ""},
		{[]registry.Descriptor{one, two}, "a:1", ""},
		{nil, "", ""},
	} {
		content := with(c.listed...)
		if c.want == "" {
			if err := refuse(t, content, archive.Options{Name: c.name}); !errors.Is(err, registry.ErrInvalid) {
				t.Errorf("%+v as %q: %v", c.listed, c.name, err)
			}
			continue
		}
		if got := strings.Join(names(open(t, content, archive.Options{Name: c.name})), " "); got != c.want {
			t.Errorf("%+v as %q: %q, want %q", c.listed, c.name, got, c.want)
		}
	}
	unnamed := (*archive.UnnamedError)(nil)
	if err := refuse(t, with(one, two), archive.Options{}); !errors.As(err, &unnamed) || unnamed.Images != 2 {
		t.Error(err)
	}
}

// A reference to an image without a name goes with it, and one to nothing is not
// left behind silently.
func TestReferrers(t *testing.T) {
	t.Parallel()
	l := newLayout(t)
	image := l.image(layer(t, "a", "a"))
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, ArtifactType: "application/x", Config: l.blob("application/vnd.oci.empty.v1+json", []byte("{}")), Subject: &image}
	m.SchemaVersion = 2
	referrer := l.manifest(m)
	l.list(referrer, nil)
	if err := refuse(t, tarOf(t, l.members()...), archive.Options{}); !errors.Is(err, registry.ErrInvalid) {
		t.Error(err)
	}
	l.list(image, nil)
	a := open(t, tarOf(t, l.members()...), archive.Options{Name: "a:1"})
	list, err := a.Referrers(t.Context(), "docker.io/library/a", image.Digest)
	if err != nil || len(list) != 1 || list[0].Digest != referrer.Digest || list[0].ArtifactType != "application/x" {
		t.Errorf("%+v, %v", list, err)
	}
	lands(t, a)
}

// What is damaged, and what would be dangerous to unpack, is refused with a name.
func TestRefused(t *testing.T) {
	t.Parallel()
	base := layer(t, "a", "a")
	good := func(more ...entry) []byte { return tarOf(t, append(docker(t, []string{"a:1"}, base), more...)...) }
	open(t, good(), archive.Options{})
	c := config(t, base)
	listed := func(s ...saved) entry { return file("manifest.json", asJSON(t, s)) }
	l := newLayout(t)
	d := l.image(base)
	l.list(d, refName("a:1"))
	wrong := newLayout(t)
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: wrong.blob(ocispec.MediaTypeImageConfig, config(t, layer(t, "b", "b"))), Layers: []registry.Descriptor{wrong.blob(ocispec.MediaTypeImageLayer, base)}}
	m.SchemaVersion = 2
	wrong.list(wrong.manifest(m), refName("a:1"))
	m.Layers = append(m.Layers, m.Layers[0])
	more := newLayout(t)
	more.entries = wrong.entries
	more.list(more.manifest(m), refName("a:1"))
	flipped := func(entries []entry, name string) []byte {
		entries = slices.Clone(entries)
		i := slices.IndexFunc(entries, func(e entry) bool { return strings.Contains(e.name, name) })
		entries[i].content = bytes.Clone(entries[i].content)
		entries[i].content[5] ^= 1
		return tarOf(t, entries...)
	}
	for what, c := range map[string]struct {
		content []byte
		want    error
		says    string
	}{
		"nothing":                {nil, registry.ErrInvalid, "no archive of images"},
		"another tar":            {base, registry.ErrInvalid, "no archive of images"},
		"no tar":                 {bytes.Repeat([]byte("x"), 2000), registry.ErrInvalid, "damaged"},
		"cut off in a member":    {good()[:600], registry.ErrSize, "cut off"},
		"absolute":               {good(file("/etc/passwd", nil)), registry.ErrInvalid, `"/etc/passwd"`},
		"up":                     {good(file("x/../../y", nil)), registry.ErrInvalid, `"x/../../y"`},
		"a hard link":            {good(entry{name: "h", kind: tar.TypeLink, link: "manifest.json"}), registry.ErrInvalid, `"h"`},
		"a device":               {good(entry{name: "d", kind: tar.TypeChar}), registry.ErrInvalid, `"d"`},
		"a pipe":                 {good(entry{name: "p", kind: tar.TypeFifo}), registry.ErrInvalid, `"p"`},
		"a link of no layer":     {good(entry{name: "l", kind: tar.TypeSymlink, link: "manifest.json"}), registry.ErrInvalid, `"l"`},
		"a link out of it":       {good(entry{name: "x/layer.tar", kind: tar.TypeSymlink, link: "../../y"}), registry.ErrInvalid, "out of the archive"},
		"a link to the root":     {good(entry{name: "x/layer.tar", kind: tar.TypeSymlink, link: "/y"}), registry.ErrInvalid, "out of the archive"},
		"a long name":            {good(file(strings.Repeat("n", 300), nil)), registry.ErrInvalid, "a name of 300 bytes"},
		"a sparse file":          {sparse(t), registry.ErrInvalid, "sparse"},
		"a document twice":       {good(listed()), registry.ErrInvalid, "twice"},
		"a member twice":         {good(file("x", nil), file("x", []byte("y"))), registry.ErrInvalid, "twice"},
		"a document of nonsense": {tarOf(t, file("manifest.json", []byte("{"))), registry.ErrInvalid, "manifest.json"},
		"no image":               {tarOf(t, listed()), registry.ErrInvalid, "no image"},
		"a huge document":        {tarOf(t, file("manifest.json", make([]byte, 17<<20))), registry.ErrInvalid, "at most"},
		"a config out of it":     {tarOf(t, listed(saved{"../c.json", nil, nil})), registry.ErrInvalid, "out of the archive"},
		"no config":              {tarOf(t, listed(saved{"c.json", []string{"a:1"}, nil})), registry.ErrIncomplete, "c.json"},
		"a config of nonsense":   {tarOf(t, listed(saved{"c.json", []string{"a:1"}, nil}), file("c.json", []byte("[]"))), registry.ErrInvalid, "c.json"},
		"a damaged config":       {flipped(docker(t, []string{"a:1"}, base), ".json"), registry.ErrDigest, "config"},
		"no layer":               {tarOf(t, listed(saved{"c.json", []string{"a:1"}, []string{"l"}}), file("c.json", c)), registry.ErrIncomplete, `"l"`},
		"too few layers":         {tarOf(t, listed(saved{"c.json", []string{"a:1"}, nil}), file("c.json", c)), registry.ErrInvalid, "1 layers"},
		"links in a circle": {tarOf(t, listed(saved{"c.json", []string{"a:1"}, []string{"x/layer.tar"}}), file("c.json", c),
			entry{name: "x/layer.tar", kind: tar.TypeSymlink, link: "../y/layer.tar"}, entry{name: "y/layer.tar", kind: tar.TypeSymlink, link: "../x/layer.tar"}), registry.ErrInvalid, "nowhere"},
		"a name of nonsense":     {tarOf(t, docker(t, []string{"A:1"}, base)...), registry.ErrInvalid, "A"},
		"a damaged manifest":     {flipped(l.members(), d.Digest.Encoded()), registry.ErrDigest, d.Digest.Encoded()},
		"another layer":          {tarOf(t, wrong.members()...), registry.ErrDigest, "the config"},
		"more layers":            {tarOf(t, more.members()...), registry.ErrInvalid, "the manifest of 2"},
		"no blob":                {tarOf(t, l.members()[1:]...), registry.ErrIncomplete, "blob"},
		"a layout of the future": {tarOf(t, append(l.entries, file("index.json", asJSON(t, l.index)), file("oci-layout", []byte(`{"imageLayoutVersion":"2.0.0"}`)))...), registry.ErrInvalid, "2.0.0"},
	} {
		if err := refuse(t, c.content, archive.Options{}); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want %v, %q", what, err, c.want, c.says)
		}
	}
}

// sparse is a tar file with a file of the sparse format of pax, which Go reads and
// does not write.
func sparse(t *testing.T) []byte {
	content := tarOf(t, entry{name: "s", content: append([]byte("1\n0\n1\n"), make([]byte, 512)...),
		pax: map[string]string{"GNX.sparse.major": "1", "GNX.sparse.minor": "0", "GNX.sparse.name": "s", "GNX.sparse.realsize": "1"}})
	return bytes.ReplaceAll(content, []byte("GNX.sparse"), []byte("GNU.sparse"))
}

// A layer that is damaged is found when it is read, and nothing becomes visible.
func TestDamagedLayer(t *testing.T) {
	t.Parallel()
	base := layer(t, "a", "content")
	content := tarOf(t, docker(t, []string{"a:1"}, base)...)
	content[bytes.Index(content, []byte("content"))] ^= 1
	a := open(t, content, archive.Options{})
	site := &memory.Registry{}
	if err := registry.Copy(t.Context(), site, a, a.Graph(), registry.CopyOptions{}); !errors.Is(err, registry.ErrDigest) {
		t.Error(err)
	}
	if err := a.Verify(t.Context(), nil); !errors.Is(err, registry.ErrDigest) {
		t.Error(err)
	}
	if _, err := site.Resolve(t.Context(), a.Refs()[0]); !errors.Is(err, registry.ErrNotFound) {
		t.Error(err)
	}
}

// The same archive gives the same manifests and the same id; another does not.
func TestDeterministic(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("testdata/docker-20.10.tar")
	must(t, err)
	a := open(t, content, archive.Options{})
	for range 3 {
		if again := open(t, content, archive.Options{}); again.ID() != a.ID() || !reflect.DeepEqual(texts(again.Graph()), texts(a.Graph())) {
			t.Error("it is another one each time")
		}
	}
	one := open(t, tarOf(t, docker(t, []string{"a:1"}, layer(t, "a", "a"))...), archive.Options{})
	two := open(t, tarOf(t, docker(t, []string{"a:2"}, layer(t, "a", "a"))...), archive.Options{})
	if one.ID() == two.ID() || len(one.ID()) != 32 {
		t.Errorf("ids %s and %s", one.ID(), two.ID())
	}
}

// A layer of any size takes no more memory than a small one.
func TestMemory(t *testing.T) { //nolint:paralleltest // others would be counted
	const size = 256 << 20
	big := &zeros{size: size}
	hash := digest.SHA256.Hash()
	_, err := io.Copy(hash, io.NewSectionReader(big, 0, size))
	must(t, err)
	c := asJSON(t, ocispec.Image{RootFS: ocispec.RootFS{DiffIDs: []digest.Digest{digest.NewDigest(digest.SHA256, hash)}}})
	// The layer is the last member: its bytes are made up behind the headers.
	head := tarOf(t, file("c.json", c), file("manifest.json", asJSON(t, []saved{{"c.json", []string{"a:1"}, []string{"big/layer.tar"}}})))
	head = head[:len(head)-1024]
	var b bytes.Buffer
	must(t, tar.NewWriter(&b).WriteHeader(&tar.Header{Name: "big/layer.tar", Size: size, Mode: 0o644, Typeflag: tar.TypeReg}))
	big.head = slices.Concat(head, b.Bytes())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	a, err := archive.Open(t.Context(), "big", big, int64(len(big.head))+size, archive.Options{})
	must(t, err)
	must(t, a.Verify(t.Context(), nil))
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
		t.Errorf("%d bytes were taken for a layer of %d", used, size)
	}
}

// zeros is a file that begins with head, and goes on with zeros.
type zeros struct {
	head []byte
	size int64
}

func (z *zeros) ReadAt(p []byte, offset int64) (int, error) {
	clear(p)
	if offset < int64(len(z.head)) {
		copy(p, z.head[offset:])
	}
	if left := int64(len(z.head)) + z.size - offset; left < int64(len(p)) {
		return int(max(0, left)), io.EOF
	}
	return len(p), nil
}

// The reader survives any file, and has all that its graph lists.
func FuzzOpen(f *testing.F) {
	f.Add(tarOf(f, docker(f, []string{"a:1"}, layer(f, "a", "a"))...))
	l := newLayout(f)
	l.list(l.image(layer(f, "a", "a")), refName("a:1"))
	f.Add(tarOf(f, l.members()...))
	f.Fuzz(func(t *testing.T, content []byte) {
		a, err := archive.Open(t.Context(), "fuzz", bytes.NewReader(content), int64(len(content)), archive.Options{})
		if err != nil {
			return
		}
		for _, n := range a.Graph().Manifests {
			for _, r := range n.Repositories {
				if d, content, err := a.Manifest(t.Context(), registry.Ref{Repository: r, Digest: n.Descriptor.Digest}); err != nil || d.Digest != d.Digest.Algorithm().FromBytes(content) {
					t.Error(n.Descriptor, err)
				}
			}
		}
		for _, n := range a.Graph().Names {
			if d, err := a.Resolve(t.Context(), n.Ref); err != nil || d.Digest != n.Descriptor.Digest {
				t.Error(n, err)
			}
		}
		_ = a.Verify(t.Context(), nil)
	})
}
