package source_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/lifecycle/source"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/remote"
)

// at are the sources that content is brought to.
var at = map[string]func(t *testing.T) place{
	"landfall": landfall,
	"landfall with a prefix": func(t *testing.T) place {
		p := landfall(t)
		p.spec.Prefix = "sites/edge"
		return p
	},
	"distribution": distribution,
	"harbor":       harbor,
}

// reader reads a place as anybody does, by the paths that repositories have there.
func (k *kit) reader(p place) *remote.Registry {
	k.t.Helper()
	r, err := remote.New(remote.Options{Server: p.spec.URL, CA: []byte(p.spec.CA), Keychain: remote.Credentials{Username: p.spec.Username, Password: p.password}})
	k.must(err)
	k.t.Cleanup(func() { r.Close() })
	return r
}

// All of a definition is at the source afterwards, under original names below the
// source's path, with its signatures; nothing moves twice.
func TestStage(t *testing.T) {
	t.Parallel()
	for name, begin := range at {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, k := begin(t), newKit(t)
			var last source.Progress
			out, err := k.open(p).Stage(t.Context(), k.site, k.content, func(at source.Progress) { last = at })
			k.must(err)
			if out.Images != 3 || out.Moved == 0 || out.Proven == 0 || last.Done != 3 || last.Of != 3 || last.Moved != out.Moved {
				t.Errorf("%+v, %+v", out, last)
			}
			k.has(p)
			puts := len(p.seen.list("PUT "))
			if again := k.staged(p); again.Moved != 0 || again.Proven != out.Proven {
				t.Errorf("the second time: %+v, the first: %+v", again, out)
			}
			if n := len(p.seen.list("PUT ")) - puts; n != 0 {
				t.Errorf("the second time wrote %d times: %q", n, p.seen.list("PUT ")[puts:])
			}
		})
	}
}

// has fails unless a place has the fixture.
func (k *kit) has(p place) {
	k.t.Helper()
	r, path := k.reader(p), p.spec.Path()
	in := func(repository string) string { return strings.TrimPrefix(path+"/"+repository, "/") }
	for name, want := range map[string]digest.Digest{
		in(registrytest.App) + ":v1": k.up.Index.Digest, in(registrytest.Tool) + ":v2": k.up.Tool.Digest,
		in(k.content.Ref.Repository) + ":1.0.0": k.content.Digest,
	} {
		repository, tag, _ := strings.Cut(name, ":")
		d, err := r.Resolve(k.t.Context(), registry.Ref{Repository: repository, Tag: tag})
		if err != nil || d.Digest != want {
			k.t.Errorf("%s: %v, %v; want %s", name, d.Digest, err, want)
		}
	}
	for repository, subject := range map[string]digest.Digest{registrytest.App: k.up.Index.Digest, k.content.Ref.Repository: k.content.Digest} {
		list, err := r.Referrers(k.t.Context(), in(repository), subject)
		if err != nil || len(list) != 1 {
			k.t.Errorf("signatures of %s: %v, %v", repository, list, err)
		}
	}
	tag := "sha256-" + k.up.Index.Digest.Encoded() + ".sig"
	if _, err := r.Resolve(k.t.Context(), registry.Ref{Repository: in(registrytest.App), Tag: tag}); err != nil {
		k.t.Errorf("the signature that has a tag: %v", err)
	}
}

// A layer of two images is mounted for the second.
func TestMount(t *testing.T) {
	t.Parallel()
	p, k := harbor(t), newKit(t)
	k.staged(p)
	layer := k.up.Layer.Digest.String()
	if puts := p.seen.list("PUT ", "digest="+strings.ReplaceAll(layer, ":", "%3A")); len(puts) != 1 {
		t.Errorf("%d uploads of the layer: %q", len(puts), puts)
	}
	if mounts := p.seen.list("POST ", "mount=", strings.TrimPrefix(layer, "sha256:"), "from=edge%2F"); len(mounts) != 1 {
		t.Errorf("%q", p.seen.list("mount="))
	}
}

// What the site has of an image and the definition does not list stays there.
func TestOnlyTheClosure(t *testing.T) {
	t.Parallel()
	p, k := landfall(t), newKit(t)
	later := k.up.AddImage(registry.Ref{Repository: registrytest.App}, ocispec.MediaTypeImageManifest, &k.up.Index, k.up.AddBlob(registrytest.App, 77))
	g, err := registry.Walk(t.Context(), k.up, []registry.Ref{{Repository: registrytest.App, Digest: later.Digest}}, registry.WalkOptions{})
	k.must(err)
	k.must(registry.Copy(t.Context(), k.site, k.up, g, registry.CopyOptions{}))
	k.staged(p)
	ok, err := k.reader(p).Exists(t.Context(), registrytest.App, later)
	if err != nil || ok {
		t.Errorf("a referrer that came later: %t, %v", ok, err)
	}
}

// What was interrupted goes on, in another process: no blob that was taken moves again.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	const blobs = 2
	p, k := harbor(t), newKit(t)
	first, err := source.Open(p.spec, source.Options{Password: p.password, Jobs: 1})
	k.must(err)
	defer first.Close()
	ctx, cut := until(t.Context(), p, blobs)
	if _, err := first.Stage(ctx, k.site, k.content, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("it was not interrupted: %v", err)
	}
	again := cut()
	k.staged(p)
	taken := map[string]int{}
	for _, a := range p.seen.list("PUT ", "/blobs/uploads/") {
		_, d, _ := strings.Cut(a, "digest=")
		taken[d]++
	}
	if again == "" || len(taken) <= blobs {
		t.Errorf("%q was cut, of %v", again, taken)
	}
	for d, n := range taken {
		if want := map[bool]int{true: 2, false: 1}[d == again]; n != want {
			t.Errorf("blob %s was sent %d times, want %d", d, n, want)
		}
	}
	k.has(p)
}

// What got lost at the source is named, with the images that need it, and brought again.
func TestVerify(t *testing.T) {
	t.Parallel()
	p, k := distribution(t), newKit(t)
	k.staged(p)
	remove := func(kind, repository string, d digest.Digest) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, p.spec.URL+"/v2/"+repository+"/"+kind+"/"+d.String(), http.NoBody)
		k.must(err)
		req.SetBasicAuth(storageUser, storageSecret)
		resp, err := http.DefaultClient.Do(req)
		k.must(err)
		resp.Body.Close()
		if resp.StatusCode != http.StatusAccepted {
			t.Fatal(resp.Status)
		}
	}
	target := k.open(p)
	provider := k.content.Definition.Layers[0].Providers[0].Digest
	remove("blobs", registrytest.Tool, k.up.Layer.Digest)
	remove("blobs", k.content.Ref.Repository, provider)
	remove("manifests", registrytest.App, k.up.Images["arm64"].Digest)
	_, err := target.Verify(t.Context(), k.content, nil)
	refused(t, err, registry.ErrIncomplete, registrytest.Tool+"@"+k.up.Layer.Digest.String()+" of "+tool, k.up.Images["arm64"].Digest.String()+" of "+app, "app/provider")
	var lack *source.LackError
	if !errors.As(err, &lack) || len(lack.Lacks) != 3 {
		t.Fatalf("%v", err)
	}
	if out := k.staged(p); out.Moved != k.content.Definition.Layers[0].Providers[0].Size {
		t.Errorf("%d bytes were moved; the layer is elsewhere at the source, and the provider is not", out.Moved)
	}
}

// A name that stands for something else at the source is told of.
func TestVerifyNames(t *testing.T) {
	t.Parallel()
	p, k := landfall(t), newKit(t)
	k.staged(p)
	_, content, err := k.up.Manifest(t.Context(), registry.Ref{Repository: registrytest.App, Digest: k.up.Signature.Digest})
	k.must(err)
	r := k.reader(p)
	k.must(r.PutManifest(t.Context(), registry.Ref{Repository: registrytest.App, Tag: "v1"}, k.up.Signature, content))
	_, err = k.open(p).Verify(t.Context(), k.content, nil)
	refused(t, err, registry.ErrIncomplete, app, "tag v1", k.up.Signature.Digest.String())
	k.staged(p)
}

// Content that the site has lost is the site's failure, not the source's.
func TestSiteLacks(t *testing.T) {
	t.Parallel()
	p, k := landfall(t), newKit(t)
	k.must(k.site.Delete(t.Context(), registry.Ref{Repository: registrytest.App, Digest: k.up.Signature.Digest}))
	_, err := k.stage(p)
	refused(t, err, registry.ErrNotFound, app, "the appliance's own registry", k.up.Signature.Digest.String())
	if strings.Contains(err.Error(), p.spec.URL) {
		t.Errorf("%v blames the source", err)
	}
}

// An image gets its name when all of it is there.
func TestNamesComeLast(t *testing.T) {
	t.Parallel()
	p, k := distribution(t), newKit(t)
	k.staged(p)
	puts := p.seen.list("PUT ", registrytest.App)
	if i := slices.IndexFunc(puts, func(a string) bool { return strings.HasSuffix(a, "/manifests/v1") }); i < 0 || slices.ContainsFunc(puts[i:], func(a string) bool { return strings.Contains(a, "/blobs/") }) {
		t.Errorf("%q", puts)
	}
}
