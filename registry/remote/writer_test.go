package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/registrytest"
)

var nolog = log.New(io.Discard, "", 0)

// trusting takes every upload as it comes, and notes which were complete.
type trusting struct {
	mu       sync.Mutex
	complete [][]byte
	deleted  int
	fail     atomic.Int64 // how many PUTs are cut or refused first
	status   int          // with what; 0: cut
}

func (s *trusting) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch req.Method {
	case http.MethodPost:
		w.Header().Set("Location", "/upload")
		w.WriteHeader(http.StatusAccepted)
	case http.MethodPut:
		s.put(w, req)
	case http.MethodDelete:
		s.deleted++
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *trusting) put(w http.ResponseWriter, req *http.Request) {
	if s.fail.Add(-1) >= 0 {
		io.CopyN(io.Discard, req.Body, 10)
		if s.status == 0 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(s.status)
		return
	}
	body, err := io.ReadAll(req.Body)
	if err == nil {
		s.complete = append(s.complete, body)
		w.WriteHeader(http.StatusCreated)
	}
}

// A registry that checks nothing still never has a complete wrong blob.
func TestWrongBytesNeverComplete(t *testing.T) {
	t.Parallel()
	content := bytesOf(100_000)
	flipped := bytes.Clone(content)
	flipped[99_999] ^= 1
	for name, c := range map[string]struct {
		bytes []byte
		want  error
	}{
		"flipped": {flipped, registry.ErrDigest}, "short": {content[:99_999], registry.ErrSize}, "long": {append(bytes.Clone(content), 1), registry.ErrSize},
		"empty": {nil, registry.ErrSize},
	} {
		s := &trusting{}
		err := open(t, s).PutBlob(t.Context(), app, blobOf(content), reader(c.bytes))
		wantError(t, err, c.want, app, blobOf(content).Digest.String())
		if len(s.complete) != 0 || s.deleted != 1 {
			t.Errorf("%s: %d uploads complete, %d cancelled", name, len(s.complete), s.deleted)
		}
	}
	wantError(t, open(t, &trusting{}).PutBlob(t.Context(), app, blobOf(nil), reader(content)), registry.ErrSize)
}

// What can be read again is sent again; what cannot is not.
func TestUploadAgain(t *testing.T) {
	t.Parallel()
	content := bytesOf(3 << 20)
	for _, status := range []int{0, http.StatusBadGateway} {
		s := &trusting{status: status}
		r := openWith(t, s, Options{Retries: 3})
		s.fail.Store(2)
		seeker := bytes.NewReader(append([]byte("before"), content...))
		seeker.Seek(6, io.SeekStart)
		if err := r.PutBlob(t.Context(), app, blobOf(content), seeker); err != nil {
			t.Fatal(status, err)
		}
		if len(s.complete) != 1 || !bytes.Equal(s.complete[0], content) {
			t.Errorf("%d: %d uploads complete", status, len(s.complete))
		}
		s.fail.Store(1)
		wantError(t, r.PutBlob(t.Context(), app, blobOf(content), reader(content)), registry.ErrUnreachable, app)
		if s.fail.Load() != 0 {
			t.Errorf("%d: bytes that cannot be read twice were sent twice", status)
		}
	}
}

func TestSourceErrorIsTheSources(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	s := &trusting{}
	r := open(t, s)
	bad := io.MultiReader(bytes.NewReader(bytesOf(50)), readerFunc(func([]byte) (int, error) { return 0, broken }))
	if err := r.PutBlob(t.Context(), app, blobOf(bytesOf(100)), bad); !errors.Is(err, broken) || len(s.complete) != 0 {
		t.Errorf("%v, %d complete", err, len(s.complete))
	}
}

func TestRefusedManifests(t *testing.T) {
	t.Parallel()
	f := registrytest.NewFixture(t)
	for code, want := range map[string]error{
		"MANIFEST_BLOB_UNKNOWN": registry.ErrIncomplete, "BLOB_UNKNOWN": registry.ErrIncomplete, "TOOLARGE": registry.ErrNoSpace,
		"MANIFEST_INVALID": registry.ErrInvalid, "DIGEST_INVALID": registry.ErrDigest,
	} {
		r := open(t, v2(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"errors":[{"code":%q,"message":"no"}]}`, code)
		}))
		wantError(t, r.PutManifest(t.Context(), f.Names[1], f.Tool, f.Content[f.Tool.Digest]), want, code, f.Names[1].String())
	}
	r := open(t, v2(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		io.WriteString(w, "write /var/lib/registry/x: no space left on device")
	}))
	wantError(t, r.PutManifest(t.Context(), f.Names[1], f.Tool, f.Content[f.Tool.Digest]), registry.ErrNoSpace, "no space left")
}

// Eight signatures at once all end up under the referrers tag of a registry
// without the API.
func TestReferrersByTag(t *testing.T) {
	t.Parallel()
	h := &counter{Handler: foreign()}
	r := open(t, h)
	subject := blobOf([]byte("subject"))
	subject.MediaType = ocispec.MediaTypeImageManifest
	var want []digest.Digest
	var all sync.WaitGroup
	for i := range 8 {
		config := registry.Descriptor{MediaType: "application/vnd.example+json", Digest: digest.FromString("{}"), Size: 2}
		m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: []registry.Descriptor{}, Subject: &subject}
		m.SchemaVersion, m.Annotations = 2, map[string]string{"i": fmt.Sprint(i)}
		content, _ := json.Marshal(m)
		d := registry.Describe(m.MediaType, content, digest.SHA256)
		want = append(want, d.Digest)
		all.Go(func() {
			if err := r.PutManifest(context.Background(), registry.Ref{Repository: app, Digest: d.Digest}, d, content); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	slices.Sort(want)
	list, err := r.Referrers(t.Context(), app, subject.Digest)
	var got []digest.Digest
	for _, d := range list {
		got = append(got, d.Digest)
		if d.ArtifactType != "application/vnd.example+json" || d.Annotations["i"] == "" {
			t.Errorf("referrer %+v", d)
		}
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("Referrers = %v, %v; want %v", got, err, want)
	}
	if list, err := r.Referrers(t.Context(), app, digest.FromString("nothing")); err != nil || len(list) != 0 {
		t.Errorf("Referrers of nothing = %v, %v", list, err)
	}
}

func TestReferrersByPages(t *testing.T) {
	t.Parallel()
	a, b := blobOf([]byte("a")), blobOf([]byte("b"))
	a.MediaType, b.MediaType = ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageManifest
	if a.Digest > b.Digest {
		a, b = b, a
	}
	r := open(t, v2(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
		page := []registry.Descriptor{b}
		if req.URL.Query().Get("page") == "2" {
			page = []registry.Descriptor{a}
		} else {
			w.Header().Set("Link", `<https://elsewhere.example`+req.URL.Path+`?page=2>; rel="next"`)
		}
		json.NewEncoder(w).Encode(map[string]any{"schemaVersion": 2, "manifests": page})
	}))
	list, err := r.Referrers(t.Context(), app, digest.FromString("x"))
	if err != nil || len(list) != 2 || list[0].Digest != a.Digest || list[1].Digest != b.Digest {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestMount(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]bool{http.StatusCreated: true, http.StatusAccepted: false, http.StatusForbidden: false, http.StatusMethodNotAllowed: false} {
		h := &counter{Handler: v2(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/session")
			w.WriteHeader(status)
		})}
		r := open(t, h)
		if ok, err := r.Mount(t.Context(), app, "", blobOf(nil)); ok || err != nil || len(h.seen) != 0 {
			t.Errorf("from nowhere: %v, %v, requests %q", ok, err, h.seen)
		}
		ok, err := r.Mount(t.Context(), app, "10.0.0.1:5000/x", blobOf(nil))
		if ok != want || err != nil {
			t.Errorf("%d: %v, %v", status, ok, err)
		}
		if cancelled := h.count("DELETE /session") == 1; cancelled != (status == http.StatusAccepted) {
			t.Errorf("%d: requests %q", status, h.seen)
		}
		if h.count("POST /v2/"+app+"/blobs/uploads/?mount=sha256") != 1 || !strings.HasSuffix(h.seen[1], "&from=10.0.0.1_5000%2Fx") {
			t.Errorf("requests %q", h.seen)
		}
	}
}

// A registry that has the blob may say so before it has read a byte of it.
func TestAcceptedUnread(t *testing.T) {
	t.Parallel()
	content := bytesOf(8 << 20)
	flipped := bytes.Clone(content)
	flipped[len(flipped)-1] ^= 1
	r := open(t, v2(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Location", "/upload")
		if req.Method == http.MethodPut {
			w.WriteHeader(http.StatusCreated)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	source := bytes.NewReader(content)
	if err := r.PutBlob(t.Context(), app, blobOf(content), io.MultiReader(source)); err != nil || source.Len() != 0 {
		t.Errorf("%v, %d bytes unread", err, source.Len())
	}
	wantError(t, r.PutBlob(t.Context(), app, blobOf(content), reader(flipped)), registry.ErrDigest)
}
