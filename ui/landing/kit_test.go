package landing_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/trust"
	"github.com/landfall-dev/landfall/ui/jobs"
	"github.com/landfall-dev/landfall/ui/landing"
	"github.com/landfall-dev/landfall/ui/upload"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperFolder); dir != "" {
		help(dir)
		return
	}
	leaktest.Main(m)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// file is a member of a tar file.
type file struct {
	name    string
	content []byte
}

func tarOf(t testing.TB, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		must(t, w.WriteHeader(&tar.Header{Name: f.name, Size: int64(len(f.content)), Mode: 0o644, Typeflag: tar.TypeReg}))
		_, err := w.Write(f.content)
		must(t, err)
	}
	must(t, w.Close())
	return b.Bytes()
}

func asJSON(t testing.TB, v any) []byte {
	t.Helper()
	content, err := json.Marshal(v)
	must(t, err)
	return content
}

// dockerArchive is what docker save writes of an image with so many layers of some
// size; without tags it has no name.
func dockerArchive(t testing.TB, layers, size int, tags ...string) []byte {
	t.Helper()
	random := rand.NewChaCha8([32]byte{byte(layers)})
	c := ocispec.Image{Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}, RootFS: ocispec.RootFS{Type: "layers"}}
	var files []file
	var names []string
	for n := range layers {
		content := make([]byte, size)
		_, _ = random.Read(content)
		layer := tarOf(t, file{fmt.Sprint(n), content})
		names = append(names, fmt.Sprintf("%d/layer.tar", n))
		files = append(files, file{names[n], layer})
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, digest.FromBytes(layer))
	}
	document := []map[string]any{{"Config": "c.json", "RepoTags": tags, "Layers": names}}
	return tarOf(t, append(files, file{"c.json", asJSON(t, c)}, file{"manifest.json", asJSON(t, document)})...)
}

// ociArchive is a layout of a graph in a tar file.
func ociArchive(t testing.TB, src registry.Reader, g *registry.Graph) []byte {
	t.Helper()
	index := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex}
	index.SchemaVersion = 2
	var files []file
	put := func(d registry.Descriptor, content []byte) {
		files = append(files, file{"blobs/" + d.Digest.Algorithm().String() + "/" + d.Digest.Encoded(), content})
	}
	for _, n := range g.Manifests {
		put(n.Descriptor, n.Content)
		if n.Manifest.Subject != nil {
			index.Manifests = append(index.Manifests, n.Descriptor)
		}
	}
	for _, n := range g.Blobs {
		content, err := registry.ReadBlob(t.Context(), src, n.Repositories[0], n.Descriptor)
		must(t, err)
		put(n.Descriptor, content)
	}
	for _, n := range g.Names {
		d := n.Descriptor
		d.Annotations = map[string]string{ocispec.AnnotationRefName: n.Ref.String()}
		index.Manifests = append(index.Manifests, d)
	}
	return tarOf(t, append(files, file{"index.json", asJSON(t, index)}, file{"oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)})...)
}

// save writes a file, and returns its path.
func save(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(path, content, 0o600))
	return path
}

// send uploads a file and returns its id.
func (a *appliance) send(t testing.TB, name string, content []byte) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.inbox.URL+"/api/v1/uploads", bytes.NewReader(content))
	must(t, err)
	for key, value := range map[string]string{"Tus-Resumable": "1.0.0", "Upload-Length": fmt.Sprint(len(content)), "Content-Type": "application/offset+octet-stream",
		"Upload-Metadata": "filename " + base64.StdEncoding.EncodeToString([]byte(name))} {
		r.Header.Set(key, value)
	}
	answer, err := a.inbox.Client().Do(r)
	must(t, err)
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusCreated {
		text, _ := io.ReadAll(answer.Body)
		t.Fatalf("%s: %s %s", name, answer.Status, text)
	}
	return path.Base(answer.Header.Get("Location"))
}

// upload is what is known of an upload.
func (a *appliance) upload(t testing.TB, id string) upload.Upload {
	t.Helper()
	list, err := a.uploads.List(t.Context(), "", "")
	must(t, err)
	for _, u := range list.Uploads {
		if u.ID == id {
			return u
		}
	}
	t.Fatalf("no upload %s", id)
	return upload.Upload{}
}

// consumed proves that uploads have no bytes any more.
func (a *appliance) consumed(t testing.TB, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if u := a.upload(t, id); u.State != upload.Consumed || u.Job != "" {
			t.Errorf("upload %+v; want it consumed", u)
		}
	}
}

// free proves that uploads are whole and nobody's.
func (a *appliance) free(t testing.TB, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if u := a.upload(t, id); u.State != upload.Whole || u.Job != "" {
			t.Errorf("upload %+v; want it whole and free", u)
		}
	}
}

// land starts a job that the site lets in.
func (a *appliance) land(t *testing.T, s landing.Source, request landing.Request) jobs.Job {
	t.Helper()
	j, err := a.landing.Start(t.Context(), s, request, "")
	must(t, err)
	return j
}

// plug puts a file onto the drive, and returns its source.
func (a *appliance) plug(t testing.TB, name string, content []byte) landing.Source {
	t.Helper()
	must(t, os.MkdirAll(a.drive, 0o700))
	must(t, os.WriteFile(filepath.Join(a.drive, name), content, 0o600))
	return landing.Source{Drive: "d", File: name}
}

// driveFile is a file on the drive.
type driveFile struct {
	*os.File
	size int64
}

func (d driveFile) Size() int64  { return d.size }
func (d driveFile) OS() *os.File { return d.File }

func (a *appliance) openOnDrive(_ context.Context, s landing.Source, _ string) (bundle.Medium, error) {
	f, err := os.Open(filepath.Join(a.drive, s.File))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	return driveFile{f, info.Size()}, err
}

func (a *appliance) besideOnDrive(s landing.Source) (list []string) {
	names, _ := filepath.Glob(filepath.Join(a.drive, s.File+".*"))
	for _, name := range names {
		list = append(list, filepath.Base(name))
	}
	return list
}

// has proves that names can be pulled, with all that they reach.
func (a *appliance) has(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		ref, err := registry.ParseRef(name)
		must(t, err)
		g, err := registry.Walk(t.Context(), a, []registry.Ref{ref}, registry.WalkOptions{})
		if err != nil {
			t.Error(err)
			continue
		}
		for _, b := range g.Blobs {
			if _, err := registry.ReadBlob(t.Context(), a, b.Repositories[0], b.Descriptor); err != nil {
				t.Error(err)
			}
		}
	}
}

// hasNothing proves that no name is visible.
func (a *appliance) hasNothing(t testing.TB) {
	t.Helper()
	for name, err := range a.store.Repositories(t.Context(), "") {
		t.Errorf("%s is visible, %v", name, err)
	}
}

// trusts puts a policy of one key in force; more are further lines of it.
func (a *appliance) trusts(t testing.TB, k *trust.PrivateKey, more string) {
	t.Helper()
	public := strings.ReplaceAll(strings.TrimSpace(string(k.Key.PEM())), "\n", "\n      ")
	must(t, a.store.SetTrustPolicy(t.Context(), []byte("version: 1\nkeys:\n  - owner: somebody\n    pem: |\n      "+public+"\n    channels: ['*']\n"+more)))
}

func generate(t testing.TB) *trust.PrivateKey {
	t.Helper()
	k, err := trust.Generate(trust.ECDSA)
	must(t, err)
	return k
}

// arrivals are an inspection's names with what changes.
func arrivals(i *landing.Inspection) (list []string) {
	for _, n := range i.Names {
		list = append(list, n.Name+" "+n.Change)
	}
	slices.Sort(list)
	return list
}

// signedImage adds an image whose signature is a layer of another one.
func signedImage(t testing.TB, f *registrytest.Fixture, k *trust.PrivateKey) (registry.Ref, registry.Descriptor) {
	t.Helper()
	ref := registry.Ref{Repository: registrytest.App, Tag: "signed"}
	image := f.AddImage(ref, ocispec.MediaTypeImageManifest, nil, f.Layer)
	payload := []byte(`{"critical":{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":"` + image.Digest.String() + `"},"type":"cosign container image signature"}}`)
	s, err := k.Sign(payload)
	must(t, err)
	layer := registry.Descriptor{MediaType: trust.SimpleSigning, Digest: digest.FromBytes(payload), Size: int64(len(payload)),
		Annotations: map[string]string{trust.SimpleSignature: base64.StdEncoding.EncodeToString(s.Raw)}}
	must(t, f.PutBlob(t.Context(), registrytest.App, registry.Bare(layer), bytes.NewReader(payload)))
	f.AddImage(registry.Ref{Repository: registrytest.App, Tag: registry.SignatureTag(image.Digest)}, ocispec.MediaTypeImageManifest, nil, layer)
	return ref, image
}
