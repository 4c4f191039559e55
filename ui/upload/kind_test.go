package upload

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/trust"
)

// newBundle makes a bundle of the fixture, and the signature that it carries.
func newBundle(t *testing.T) (content, sigstore, raw []byte) {
	t.Helper()
	f := registrytest.NewFixture(t)
	path := filepath.Join(t.TempDir(), "b.lfb")
	key, err := trust.Generate(trust.ECDSA)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Export(t.Context(), path, f, f.Graph, bundle.CreateOptions{Keys: []*trust.PrivateKey{key}, Channel: "stable", Sequence: 1}, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	r, err := bundle.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	content, err = os.ReadFile(path)
	if err != nil || len(r.Signatures()) != 1 {
		t.Fatal(err, r.Signatures())
	}
	return content, r.Signatures()[0].Bundle, r.Signatures()[0].Raw
}

// What a file is decides its content; what was said of it has to be right, and who was
// wrong is told why.
func TestKinds(t *testing.T) {
	t.Parallel()
	whole, sigstore, raw := newBundle(t)
	docker := archiveOf(5000, 1)
	oci := tarOf("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`), "index.json", []byte(`{}`), "blobs/sha256/x", make([]byte, 3000))
	both := tarOf("./oci-layout", []byte(`{}`), "./index.json", []byte(`{}`), "./manifest.json", []byte(`[]`))
	flipped := bytes.Clone(whole)
	flipped[2000] ^= 1
	for name, c := range map[string]struct {
		content  []byte
		file     string
		declared Kind
		want     Kind
		reason   string // part of it
	}{
		"bundle":                       {whole, "b.lfb", "", Bundle, ""},
		"bundle, declared":             {whole, "b.lfb", Bundle, Bundle, ""},
		"bundle cut off":               {whole[:len(whole)-5000], "b.lfb", Bundle, "", "cut off"},
		"bundle cut off, unsaid":       {whole[:len(whole)-5000], "b.lfb", "", "", "cut off"},
		"bundle flipped":               {flipped, "b.lfb", Bundle, "", "damaged"},
		"bundle with something behind": {append(bytes.Clone(whole), make([]byte, 512)...), "b.lfb", Bundle, "", "appended"},
		"bundle, said an archive":      {whole, "b.lfb", DockerArchive, "", "manifest.json"},
		"docker":                       {docker, "x.tar", "", DockerArchive, ""},
		"docker, declared":             {docker, "x.tar", DockerArchive, DockerArchive, ""},
		"docker, said a bundle":        {docker, "x.tar", Bundle, "", "not start like one"},
		"docker, said OCI":             {docker, "x.tar", OCIArchive, "", "oci-layout"},
		"docker cut off":               {docker[:4000], "x.tar", "", "", "cut off"},
		"docker of today":              {both, "x.tar", "", DockerArchive, ""},
		"docker of today, as OCI":      {both, "x.tar", OCIArchive, OCIArchive, ""},
		"OCI":                          {oci, "x.tar", "", OCIArchive, ""},
		"OCI as a definition":          {oci, "x.tar", Definition, Definition, ""},
		"another tar":                  {tarOf("README", []byte("hello")), "x.tar", "", "", "tar file that is no bundle"},
		"a damaged tar":                {append(docker[:6144:6144], bytes.Repeat([]byte("z"), 1024)...), "x.tar", DockerArchive, "", "damaged"},
		"gzip":                         {[]byte("\x1f\x8b\x08\x00"), "x.tar.gz", DockerArchive, "", "uncompress"},
		"gzip, unsaid":                 {[]byte("\x1f\x8b\x08\x00"), "x.tar.gz", "", "", "uncompress"},
		"zip":                          {[]byte("PK\x03\x04...."), "x.zip", "", "", "zip"},
		"a sigstore signature":         {sigstore, "b.lfb.sigstore.json", "", Signature, ""},
		"a raw signature":              {raw, "b.lfb.sig", "", Signature, ""},
		"a signature, said a bundle":   {raw, "b.lfb.sig", Bundle, "", "not start like one"},
		"text, said a signature":       {[]byte("hello"), "b.lfb.sig", Signature, "", "raw signature"},
		"a large signature":            {make([]byte, 9000), "b.lfb.sig", Signature, "", "too many"},
		"a definition":                 {[]byte("kind: Definition\n"), "d.yaml", "", Definition, ""},
		"a binary definition":          {[]byte("\xff\xfe"), "d.yaml", Definition, "", "neither text"},
		"a part":                       {make([]byte, 5000), "b.lfb.002", "", BundlePart, ""},
		"a first part":                 {whole[:len(whole)/2], "b.lfb.001", "", BundlePart, ""},
		"the only part":                {whole, "b.lfb.001", "", Bundle, ""},
		"a part without a number":      {make([]byte, 5000), "b.lfb", BundlePart, "", "NAME.001"},
		"nothing known":                {bytes.Repeat([]byte{0, 1}, 3000), "x", "", "", "want one of"},
	} {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		kind, err := Examine(path, c.file, c.declared)
		if err == nil && (kind != c.want || c.reason != "") {
			t.Errorf("%s: %s, want %s %s", name, kind, c.want, c.reason)
		}
		if err != nil && (c.reason == "" || !strings.Contains(err.Error(), c.reason)) {
			t.Errorf("%s: %v, want %q", name, err, c.reason)
		}
		if err != nil && (describe(err).status != 422 || strings.Contains(err.Error(), path)) {
			t.Errorf("%s: status %d: %v", name, describe(err).status, err)
		}
	}
}

// A file that is refused leaves no bytes, and its reason stays to be read.
func TestRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	content := archiveOf(5000, 1)
	for name, c := range map[string]struct {
		pairs []string
		kind  string
	}{
		"another kind":   {[]string{"kind", "bundle"}, "format"},
		"another digest": {[]string{"sha256", strings.Repeat("0", 64)}, "digest"},
	} {
		location := s.make(len(content), c.pairs...)
		g := s.send(location, 0, content).want(t, 422)
		if g.problem.Kind != c.kind {
			t.Errorf("%s: %s", name, g.body)
		}
		if up := s.info(location); up.State != Failed || up.Reason != g.problem.Detail || up.ReasonKind != c.kind {
			t.Errorf("%s: %+v", name, up)
		}
	}
	if names := s.inFolder(); len(names) != 0 {
		t.Errorf("left in the folder: %q", names)
	}
}
