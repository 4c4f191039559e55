package ondemand

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

// A blob that is not what its digest says is cut off before its end, and nothing of
// it is stored.
func TestWrongBlob(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	large, small := o.layer(team, 1<<20), o.layer(team, 1000)
	o.image(team, "v1", large, small)
	s := oneSite(t, o, Options{})
	for _, l := range []registry.Descriptor{large, small} {
		o.answers("GET blobs/"+l.Digest.String(), func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(l.Size))
			_, _ = w.Write(make([]byte, l.Size))
		})
	}
	s.want(200, "GET", app, "manifests/v1")
	s.settled()
	if a := s.do("GET", app, "blobs/"+large.Digest.String()); a.StatusCode == 200 && (a.err == nil || len(a.body) > 1<<20-64<<10) {
		t.Errorf("a wrong blob looks whole: %d bytes, %v", len(a.body), a.err)
	}
	s.want(502, "GET", app, "blobs/"+small.Digest.String())
	s.settled()
	if s.stored(app, "v1") != "" {
		t.Error("the tag is visible")
	}
	for _, l := range []registry.Descriptor{large, small} {
		if s.has(app, l) {
			t.Error("a wrong blob was stored")
		}
	}
	if !strings.Contains(s.log.String(), "digest mismatch") {
		t.Errorf("the log says nothing:\n%s", s.log)
	}
}

// What came before the site was killed is not fetched again, and the client, which
// has the manifests already, goes on with the blobs.
func TestGoesOnAfterTheEnd(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	layer := o.layer(team, 8<<20)
	one := o.image(team, "", layer)
	root := o.index(team, "v1", one)
	yaml := mirrorYAML(map[string]string{host: o.server.URL}, "")
	s := newSite(t, t.TempDir(), yaml, Options{})
	what := "GET blobs/" + layer.Digest.String()
	h := o.held(what, 6<<20)
	s.want(200, "HEAD", app, "manifests/v1")
	s.want(200, "GET", app, "manifests/"+root.Digest.String())
	s.want(200, "GET", app, "manifests/"+one.Digest.String())
	resp := s.open("GET", app, "blobs/"+layer.Digest.String())
	_, err := io.CopyN(io.Discard, resp.Body, 4<<20)
	resp.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	<-h.reached
	s.close()
	o.free(what)

	again := newSite(t, s.dir, yaml, Options{})
	again.want(404, "GET", app, "blobs/"+layer.Digest.String()) // whose would it be?
	again.want(200, "HEAD", app, "manifests/v1")
	if a := again.want(200, "GET", app, "blobs/"+layer.Digest.String()); digest.FromBytes(a.body) != layer.Digest {
		t.Error("other bytes")
	}
	again.settled()
	if again.stored(app, "v1") != root.Digest {
		t.Error("it has not landed")
	}
	if n := o.sent(what); n > layer.Size+2<<20 {
		t.Errorf("%d bytes of %d were sent", n, layer.Size)
	}
}

// signature signs an image as cosign does, under its tag.
func (o *origin) signature(repository string, image digest.Digest, k *trust.PrivateKey) registry.Descriptor {
	o.t.Helper()
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, image)
	signature, err := k.Sign(payload)
	o.must(err)
	layer := o.put(repository, trust.SimpleSigning, payload)
	layer.Annotations = map[string]string{trust.SimpleSignature: base64.StdEncoding.EncodeToString(signature.Raw)}
	return o.manifest(registry.Ref{Repository: repository, Tag: registry.SignatureTag(image)}, ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: o.put(repository, ocispec.MediaTypeImageConfig, []byte("{}")), Layers: []registry.Descriptor{layer}})
}

// referrer attaches something to a manifest.
func (o *origin) referrer(repository string, subject registry.Descriptor, config string) registry.Descriptor {
	subject.Platform = nil
	return o.manifest(registry.Ref{Repository: repository}, ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: "application/vnd.example.sbom",
		Subject: &subject, Config: o.put(repository, config, []byte("{}")), Layers: []registry.Descriptor{o.layer(repository, 300)}})
}

func newKey(t *testing.T) *trust.PrivateKey {
	t.Helper()
	k, err := trust.Generate(trust.ECDSA)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Images that a rule wants signed come only with a signature that counts: the rule of
// the mirror, and that of the site.
func TestRefusesUnsigned(t *testing.T) {
	t.Parallel()
	for _, whose := range []string{"mirror", "site"} {
		t.Run(whose, func(t *testing.T) {
			t.Parallel()
			o, k := newOrigin(t), newKey(t)
			one := o.image(team, "", o.layer(team, 1000))
			root := o.index(team, "v1", one)
			dir := t.TempDir()
			mirrors := ""
			if whose == "mirror" {
				if err := os.WriteFile(filepath.Join(dir, "k.pem"), k.Key.PEM(), 0o600); err != nil {
					t.Fatal(err)
				}
				mirrors = "- {name: m, source: " + host + "/**, onDemand: true, verify: [{keys: k.pem}]}\n"
			}
			s := newSite(t, dir, mirrorYAML(map[string]string{host: o.server.URL}, mirrors), Options{})
			if whose == "site" {
				pem := strings.ReplaceAll(strings.TrimSpace(string(k.Key.PEM())), "\n", "\n    ")
				policy := "version: 1\nunsigned: allow\nkeys:\n- owner: images\n  pem: |\n    " + pem + "\nimages:\n- {repositories: ['" + host + "/**'], keys: [" + k.ID() + "]}\n"
				if err := s.store.SetTrustPolicy(t.Context(), []byte(policy)); err != nil {
					t.Fatal(err)
				}
			}
			refused := func(reference string) {
				t.Helper()
				s.want(403, "HEAD", app, "manifests/"+reference)
				a := s.want(403, "GET", app, "manifests/"+reference)
				if !strings.Contains(string(a.body), "DENIED") || !strings.Contains(string(a.body), "not trusted") {
					t.Errorf("%s", a.body)
				}
			}
			refused("v1")
			refused(root.Digest.String())
			refused(one.Digest.String())
			o.signature(team, root.Digest, newKey(t))
			refused("v1")
			if s.settled(); s.stored(app, "v1") != "" || s.has(app, one) || s.has(app, root) {
				t.Error("it is visible")
			}
			signature := o.signature(team, root.Digest, k)
			s.pull(app, "v1", 0)
			s.settled()
			v, err := s.store.ImageVerdict(t.Context(), app, root.Digest)
			if s.stored(app, "v1") != root.Digest || err != nil || !v.Verified {
				t.Errorf("tag %s, verdict %+v, %v", s.stored(app, "v1"), v, err)
			}
			if s.stored(app, registry.SignatureTag(root.Digest)) != signature.Digest {
				t.Error("its signature has not come along")
			}

			o.image(team, "v1", o.layer(team, 1000)) // the tag moves to what is not signed
			s.later(defaultRefresh)
			if got := s.pull(app, "v1", 0); got != root.Digest {
				t.Errorf("v1 is %s", got)
			}
			disguised := o.referrer(team, root, ocispec.MediaTypeImageConfig)
			s.want(200, "GET", app, "manifests/"+root.Digest.String())
			refused(disguised.Digest.String())
		})
	}
}

// What is attached to an image comes along: for who asks before it is here, and into
// the store. What is attached to other images of the index does not.
func TestAttached(t *testing.T) {
	t.Parallel()
	o, k := newOrigin(t), newKey(t)
	one, other := o.image(team, "", o.layer(team, 1000)), o.image(team, "", o.layer(team, 1000))
	root := o.index(team, "v1", one, other)
	sbom, otherSBOM := o.referrer(team, one, ocispec.MediaTypeEmptyJSON), o.referrer(team, other, ocispec.MediaTypeEmptyJSON)
	over := o.referrer(team, sbom, ocispec.MediaTypeEmptyJSON)
	signature := o.signature(team, one.Digest, k)
	s := oneSite(t, o, Options{})

	s.want(200, "HEAD", app, "manifests/v1")
	s.want(200, "GET", app, "manifests/"+root.Digest.String())
	s.want(200, "GET", app, "manifests/"+one.Digest.String())
	a := s.want(200, "GET", app, "referrers/"+one.Digest.String())
	if !strings.Contains(string(a.body), sbom.Digest.String()) {
		t.Errorf("referrers: %s", a.body)
	}
	s.want(200, "GET", app, "manifests/"+sbom.Digest.String())
	s.want(200, "GET", app, "manifests/"+registry.SignatureTag(one.Digest))
	s.pull(app, "v1", 0)
	s.settled()
	for _, d := range []registry.Descriptor{sbom, over, signature} {
		if !s.has(app, d) {
			t.Errorf("%s has not come along", d.Digest)
		}
	}
	if s.stored(app, registry.SignatureTag(one.Digest)) != signature.Digest || s.has(app, otherSBOM) || s.has(app, other) {
		t.Error("not what belongs to the image that was pulled")
	}
	list, err := s.store.Referrers(t.Context(), app, one.Digest)
	if err != nil || !slices.ContainsFunc(list, func(d registry.Descriptor) bool { return d.Digest == sbom.Digest }) {
		t.Errorf("%v, %v", list, err)
	}
	o.server.CloseClientConnections()
	o.server.Close()
	s.want(200, "GET", app, "manifests/"+registry.SignatureTag(one.Digest))
	if a := s.want(200, "GET", app, "referrers/"+one.Digest.String()); !strings.Contains(string(a.body), sbom.Digest.String()) {
		t.Errorf("referrers: %s", a.body)
	}
}

// A site that cannot bring what is attached has the image all the same, and tries
// again later.
func TestAttachedLater(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	one := o.image(team, "v1", o.layer(team, 1000))
	sbom := o.referrer(team, one, ocispec.MediaTypeEmptyJSON)
	s := oneSite(t, o, Options{})
	what := "GET referrers/" + one.Digest.String()
	o.answers(what, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	s.pull(app, "v1", 0)
	if s.settled(); s.stored(app, "v1") != one.Digest || s.has(app, sbom) {
		t.Error("the image has not landed without what is attached to it")
	}
	o.answers(what, nil)
	s.later(defaultRefresh)
	s.pull(app, "v1", 0)
	if s.settled(); !s.has(app, sbom) {
		t.Error("it was not tried again")
	}

	// What is attached after that comes with a later pull.
	late := o.referrer(team, one, ocispec.MediaTypeEmptyJSON)
	s.later(defaultRefresh)
	s.pull(app, "v1", 0)
	if s.settled(); s.has(app, late) {
		t.Error("it was asked for with every pull")
	}
	s.later(attachedFor)
	s.pull(app, "v1", 0)
	if s.settled(); !s.has(app, late) {
		t.Error("what was attached later has not come")
	}
}

// The names that wait for a root are bounded with the memory; what is forgotten is
// asked for again.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	s := oneSite(t, o, Options{Memory: 10_000})
	for i := range 20 {
		root := o.index(team, fmt.Sprint("v", i), o.image(team, "", o.layer(team, 100)))
		if got := s.want(200, "HEAD", app, fmt.Sprint("manifests/v", i)).digest(); got != root.Digest {
			t.Errorf("v%d is %s", i, got)
		}
	}
	m := s.up.memory
	m.mu.Lock()
	if m.size > m.limit || len(m.items) != m.order.Len() || len(m.above) > m.order.Len() {
		t.Errorf("%d bytes of %d, %d items, %d edges", m.size, m.limit, len(m.items), len(m.above))
	}
	m.mu.Unlock()
	s.pull(app, "v0", 0)
	if s.settled(); s.stored(app, "v0") == "" {
		t.Error("it has not landed")
	}
}
