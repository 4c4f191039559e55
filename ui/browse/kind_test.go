package browse_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/registry/trust"
	"github.com/landfall-dev/landfall/ui/browse"
)

// Artifacts are called what people call them.
func TestKinds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const repository = "r.example/kinds"
	subject := s.AddImage(registry.Ref{Repository: repository, Tag: "image"}, ocispec.MediaTypeImageManifest, nil)
	companion := strings.TrimSuffix(registry.SignatureTag(subject.Digest), ".sig")
	for _, c := range []struct {
		tag, artifactType, config, layer string
		want                             browse.Kind
	}{
		{"docker", "", "application/vnd.docker.container.image.v1+json", "application/vnd.docker.image.rootfs.diff.tar.gzip", browse.Image},
		{"chart", "", "application/vnd.cncf.helm.config.v1+json", "application/vnd.cncf.helm.chart.content.v1.tar+gzip", browse.Chart},
		{companion + ".sig", "", ocispec.MediaTypeImageConfig, trust.SimpleSigning, browse.Signature},
		{companion + ".att", "", ocispec.MediaTypeImageConfig, "application/vnd.dsse.envelope.v1+json", browse.Attestation},
		{companion + ".sbom", "", ocispec.MediaTypeImageConfig, "text/spdx+json", browse.SBOM},
		{"simple", "", ocispec.MediaTypeImageConfig, trust.SimpleSigning, browse.Signature},
		{"bundle", trust.BundleArtifact, ocispec.MediaTypeEmptyJSON, trust.BundleArtifact, browse.Signature},
		{"notation", "application/vnd.cncf.notary.signature", ocispec.MediaTypeEmptyJSON, "application/jose+json", browse.Signature},
		{"oras", "application/spdx+json", ocispec.MediaTypeEmptyJSON, "application/spdx+json", browse.SBOM},
		{"untyped", "", ocispec.MediaTypeEmptyJSON, "application/vnd.cyclonedx+json", browse.SBOM},
		{"definition", "application/vnd.landfall.definition.v1+json", ocispec.MediaTypeEmptyJSON, "application/json", browse.Definition},
		{"definition-signature", "application/vnd.landfall.definition.signature.v1+json", ocispec.MediaTypeEmptyJSON, trust.BundleArtifact, browse.Signature},
		{"file", "application/vnd.example.file", ocispec.MediaTypeEmptyJSON, "text/plain", browse.Other},
	} {
		s.image(registry.Ref{Repository: repository, Tag: c.tag}, c.artifactType, nil, s.put(repository, c.config, "{}"), s.put(repository, c.layer, c.tag))
		s.bring(registry.Ref{Repository: repository, Tag: c.tag})
		if a := s.artifact(repository + ":" + c.tag); a.Kind != c.want || len(a.Problems) != 0 {
			t.Errorf("%s: %s %q, want %s", c.tag, a.Kind, a.Problems, c.want)
		}
	}
	names, err := s.Browser.Names(t.Context(), store.FindOptions{Repository: repository})
	s.must(err)
	told := map[string]browse.Kind{}
	for _, n := range names {
		told[n.Tag] = n.Kind
	}
	for tag, want := range map[string]browse.Kind{"chart": browse.Chart, "docker": browse.Image, "bundle": browse.Signature, companion + ".att": browse.Attestation, "file": browse.Other} {
		if told[tag] != want {
			t.Errorf("%s: %s in the list, want %s", tag, told[tag], want)
		}
	}
}

func (s *site) key() *trust.PrivateKey {
	s.t.Helper()
	k, err := trust.Generate(trust.Ed25519)
	s.must(err)
	return k
}

// sign signs an image as cosign does, with what a key signs about another digest.
func (s *site) sign(repository string, image, what digest.Digest, k *trust.PrivateKey) registry.Ref {
	s.t.Helper()
	payload := fmt.Sprintf(`{"critical":{"identity":{"docker-reference":%q},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, repository, what)
	signature, err := k.Sign([]byte(payload))
	s.must(err)
	layer := s.put(repository, trust.SimpleSigning, payload)
	layer.Annotations = map[string]string{trust.SimpleSignature: base64.StdEncoding.EncodeToString(signature.Raw)}
	ref := registry.Ref{Repository: repository, Tag: registry.SignatureTag(image)}
	s.image(ref, "", nil, s.put(repository, ocispec.MediaTypeImageConfig, "{}"), layer)
	return ref
}

// Signatures are judged by the policy that is in force.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	k := s.key()
	image := func(name string) (registry.Ref, digest.Digest) {
		ref := registry.Ref{Repository: "r.example/" + name, Tag: "v1"}
		return ref, s.AddImage(ref, ocispec.MediaTypeImageManifest, nil).Digest
	}
	signed, d := image("signed")
	s.bring(signed, s.sign(signed.Repository, d, d, k))
	foreign, other := image("foreign")
	s.bring(foreign, s.sign(foreign.Repository, other, other, s.key()))
	bare, _ := image("bare")
	s.bring(bare)
	if a := s.artifact(signed.String()); a.Verdict != nil {
		t.Errorf("nobody asks, and yet: %+v", a.Verdict)
	}
	pem := strings.ReplaceAll(strings.TrimSpace(string(k.Key.PEM())), "\n", "\n    ")
	s.must(s.store.SetTrustPolicy(t.Context(), []byte("version: 1\nunsigned: allow\nkeys:\n- owner: images\n  pem: |\n    "+pem+
		"\nimages:\n- {repositories: ['r.example/**'], keys: ["+k.ID()+"]}\n")))
	for _, c := range []struct {
		ref  registry.Ref
		want browse.State
	}{{signed, browse.Verified}, {foreign, browse.Unverified}, {bare, browse.Unsigned}} {
		v := s.artifact(c.ref.String()).Verdict
		if v == nil || v.State != c.want || !v.Required || v.Arrival || (c.want == browse.Verified) != (len(v.Signers) == 1) || (c.want == browse.Unverified) != (len(v.Problems) == 1) {
			t.Errorf("%s: %+v, want %s", c.ref, v, c.want)
		}
	}
	if v := s.artifact(signed.Repository + ":" + registry.SignatureTag(d)).Verdict; v != nil {
		t.Errorf("a signature needs none: %+v", v)
	}
	s.must(s.store.SetTrustPolicy(t.Context(), nil))
	content, err := json.Marshal(trust.ImageVerdict{Repository: bare.Repository, Verified: true, Signers: []string{"key of x"}})
	s.must(err)
	s.exec(`INSERT INTO image_verdicts (path, digest, verdict, judged_at) SELECT ?, digest, ?, 1 FROM tags`, bare.Repository, string(content))
	if v := s.artifact(bare.String()).Verdict; v == nil || v.State != browse.Verified || !v.Arrival || v.Required {
		t.Errorf("%+v", v)
	}
}

const config = `{"created":"2024-02-03T04:05:06Z","author":"a","os":"linux","architecture":"arm","variant":"v7","config":{"User":"65532","WorkingDir":"/w",
	"Entrypoint":["/e"],"Cmd":["c","d"],"Env":["A=1","SECRET=x"],"ExposedPorts":{"80/tcp":{},"443/tcp":{}},"Volumes":{"/v":{}},"Labels":{"l":"1"}}}`

// A config is told as far as it makes sense.
func TestConfigs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content string
		want    string
		problem string
	}{
		"whole": {config, `{"created":"2024-02-03T04:05:06Z","author":"a","os":"linux","architecture":"arm","variant":"v7","user":"65532","workingDir":"/w",` +
			`"entrypoint":["/e"],"cmd":["c","d"],"environment":2,"exposedPorts":["443/tcp","80/tcp"],"volumes":["/v"],"labels":{"l":"1"}}`, ""},
		"empty":      {`{}`, `{"entrypoint":[],"cmd":[],"environment":0,"exposedPorts":[],"volumes":[],"labels":{}}`, ""},
		"wrong type": {`{"os":1,"architecture":"arm"}`, `{"architecture":"arm","entrypoint":[],"cmd":[],"environment":0,"exposedPorts":[],"volumes":[],"labels":{}}`, "cannot unmarshal"},
		"time":       {`{"created":"0000-01-01T00:00:00+23:59"}`, `{"entrypoint":[],"cmd":[],"environment":0,"exposedPorts":[],"volumes":[],"labels":{}}`, "is not a time"},
		"no time":    {`{"created":"yesterday"}`, `{"entrypoint":[],"cmd":[],"environment":0,"exposedPorts":[],"volumes":[],"labels":{}}`, "is not a time"},
		"garbage":    {"\x00\xff", `null`, "invalid character"},
		"nothing":    {"", `null`, "unexpected end"},
		"an array":   {"[]", `{"entrypoint":[],"cmd":[],"environment":0,"exposedPorts":[],"volumes":[],"labels":{}}`, "cannot unmarshal"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			ref := registry.Ref{Repository: "r.example/config", Tag: "v1"}
			s.image(ref, "", nil, s.put(ref.Repository, ocispec.MediaTypeImageConfig, c.content))
			s.bring(ref)
			a := s.artifact(ref.String())
			have, err := json.Marshal(a.Image)
			if err != nil || string(have) != c.want {
				t.Errorf("%s, %v", have, err)
			}
			if problems := strings.Join(a.Problems, "; "); !strings.Contains(problems, c.problem) || (c.problem == "") != (problems == "") {
				t.Errorf("problems %q, want %q", problems, c.problem)
			}
		})
	}
}

// A config that is too large is not read.
func TestLargeConfig(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ref := registry.Ref{Repository: "r.example/config", Tag: "v1"}
	s.image(ref, "", nil, s.put(ref.Repository, ocispec.MediaTypeImageConfig, strings.Repeat(" ", 4<<20+1)))
	s.bring(ref)
	if a := s.artifact(ref.String()); a.Image != nil || len(a.Problems) != 1 || !strings.Contains(a.Problems[0], "at most 4194304") {
		t.Errorf("%+v", a)
	}
}
