package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/registry/auth"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// site is a real store behind a real server.
type site struct {
	t      *testing.T
	dir    string
	store  *store.Store
	server *httptest.Server
}

func newSite(t *testing.T, opts Options) *site {
	t.Helper()
	dir := t.TempDir()
	st, err := store.Open(context.Background(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t, dir, st, httptest.NewServer(New(st, opts))}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		s.server.Close()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

type answered struct {
	*http.Response
	body []byte
}

func (a answered) String() string { return fmt.Sprintf("%s %v %s", a.Status, a.Header, a.body) }

// codes are the error codes of the answer.
func (a answered) codes() (codes []string) {
	var doc struct {
		Errors []struct{ Code string }
	}
	_ = json.Unmarshal(a.body, &doc)
	for _, e := range doc.Errors {
		codes = append(codes, e.Code)
	}
	return codes
}

// do sends a request; headers alternate names and values.
func (s *site) do(method, path string, body []byte, headers ...string) answered {
	s.t.Helper()
	if !strings.Contains(path, "://") {
		path = s.server.URL + path
	}
	r, err := http.NewRequest(method, path, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answered{resp, content}
}

func (s *site) want(status int, method, path string, body []byte, headers ...string) answered {
	s.t.Helper()
	a := s.do(method, path, body, headers...)
	if a.StatusCode != status {
		s.t.Fatalf("%s %s: %s\nwant %d", method, path, a, status)
	}
	return a
}

func (s *site) pushBlob(repository string, content []byte) registry.Descriptor {
	s.t.Helper()
	d := digest.FromBytes(content)
	s.want(201, "POST", "/v2/"+repository+"/blobs/uploads/?digest="+d.String(), content)
	return registry.Descriptor{MediaType: ocispec.MediaTypeImageLayerGzip, Digest: d, Size: int64(len(content))}
}

func image(subject *registry.Descriptor, blobs ...registry.Descriptor) []byte {
	config := ocispec.DescriptorEmptyJSON
	if len(blobs) > 0 {
		config, blobs = blobs[0], blobs[1:]
	}
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: append([]registry.Descriptor{}, blobs...), Subject: subject}
	m.SchemaVersion = 2
	content, _ := json.Marshal(m)
	return content
}

// pushImage makes an image of one blob, and gives it a tag.
func (s *site) pushImage(repository, tag, text string) (content []byte, d digest.Digest) {
	s.t.Helper()
	content = image(nil, s.pushBlob(repository, []byte(text)))
	s.want(201, "PUT", "/v2/"+repository+"/manifests/"+tag, content, "Content-Type", ocispec.MediaTypeImageManifest)
	return content, digest.FromBytes(content)
}

func TestPing(t *testing.T) {
	s := newSite(t, Options{})
	for _, path := range []string{"/v2", "/v2/"} {
		a := s.want(200, "GET", path, nil)
		if string(a.body) != "{}" || a.Header.Get("Docker-Distribution-API-Version") != "registry/2.0" {
			t.Errorf("%s: %s", path, a)
		}
	}
}

func TestRefusals(t *testing.T) {
	s := newSite(t, Options{})
	good, bad := digest.FromString("x").String(), "sha256:abc"
	for _, c := range []struct {
		method, path string
		status       int
		code         string
	}{
		{"GET", "/", 404, "UNSUPPORTED"},
		{"GET", "/v2x/", 404, "UNSUPPORTED"},
		{"GET", "/v2/a", 404, "UNSUPPORTED"},
		{"GET", "/v2/a/manifests/", 404, "UNSUPPORTED"},
		{"GET", "/v2/A/manifests/x", 400, "NAME_INVALID"},
		{"GET", "/v2/a//b/manifests/x", 400, "NAME_INVALID"},
		{"GET", "/v2/../b/manifests/x", 400, "NAME_INVALID"},
		{"GET", "/v2/" + strings.Repeat("a", 256) + "/manifests/x", 400, "NAME_INVALID"},
		{"POST", "/v2/a/manifests/x", 405, "UNSUPPORTED"},
		{"GET", "/v2/a/manifests/x", 404, "MANIFEST_UNKNOWN"},
		{"GET", "/v2/a/manifests/.x", 404, "MANIFEST_UNKNOWN"},
		{"GET", "/v2/a/manifests/" + bad, 400, "DIGEST_INVALID"},
		{"GET", "/v2/a/manifests/" + good, 404, "MANIFEST_UNKNOWN"},
		{"PUT", "/v2/a/manifests/.x", 400, "MANIFEST_INVALID"},
		{"PUT", "/v2/a/manifests/" + bad, 400, "MANIFEST_INVALID"},
		{"PUT", "/v2/a/manifests/x", 400, "MANIFEST_INVALID"},
		{"DELETE", "/v2/a/manifests/x", 404, "MANIFEST_UNKNOWN"},
		{"DELETE", "/v2/a/manifests/" + good, 404, "MANIFEST_UNKNOWN"},
		{"GET", "/v2/a/blobs/" + bad, 400, "DIGEST_INVALID"},
		{"GET", "/v2/a/blobs/md5:d41d8cd98f00b204e9800998ecf8427e", 400, "DIGEST_INVALID"},
		{"GET", "/v2/a/blobs/" + good, 404, "BLOB_UNKNOWN"},
		{"DELETE", "/v2/a/blobs/" + good, 404, "BLOB_UNKNOWN"},
		{"GET", "/v2/a/blobs/uploads/none", 404, "BLOB_UPLOAD_UNKNOWN"},
		{"GET", "/v2/a/blobs/uploads/%2e%2e", 404, "BLOB_UPLOAD_UNKNOWN"},
		{"PATCH", "/v2/a/blobs/uploads/none", 404, "BLOB_UPLOAD_UNKNOWN"},
		{"PUT", "/v2/a/blobs/uploads/none", 400, "DIGEST_INVALID"},
		{"PUT", "/v2/a/blobs/uploads/none?digest=" + good, 404, "BLOB_UPLOAD_UNKNOWN"},
		{"POST", "/v2/a/blobs/uploads/?digest=" + bad, 400, "DIGEST_INVALID"},
		{"POST", "/v2/a/blobs/uploads/?mount=" + bad, 400, "DIGEST_INVALID"},
		{"POST", "/v2/a/blobs/uploads/?digest-algorithm=md5", 400, "DIGEST_INVALID"},
		{"GET", "/v2/a/referrers/" + bad, 400, "DIGEST_INVALID"},
		{"GET", "/v2/a/tags/list", 404, "NAME_UNKNOWN"},
		{"GET", "/v2/a/tags/list?n=x", 400, "PAGINATION_NUMBER_INVALID"},
		{"GET", "/v2/_catalog?n=-1", 400, "PAGINATION_NUMBER_INVALID"},
		{"GET", "/v2/a/manifests/x?ns=bad%20host", 404, "NAME_UNKNOWN"},
		{"GET", "/v2/a/manifests/x?ns=..%2f..", 404, "NAME_UNKNOWN"},
		{"GET", "/v2/a/manifests/x?ns=never.example.com", 404, "MANIFEST_UNKNOWN"},
	} {
		a := s.do(c.method, c.path, nil)
		if a.StatusCode != c.status || len(a.codes()) != 1 || a.codes()[0] != c.code {
			t.Errorf("%s %s: %s\nwant %d %s", c.method, c.path, a, c.status, c.code)
		}
		if a.StatusCode == 405 && a.Header.Get("Allow") != "DELETE, GET, HEAD, PUT" {
			t.Errorf("Allow: %q", a.Header.Get("Allow"))
		}
	}
}

// guard lets a user, the request's User header, do what its set holds.
type guard map[string]map[string]bool

func (g guard) Authorized(r *http.Request, access ...auth.Access) (*auth.Grant, error) {
	user := r.Header.Get("User")
	if user == "" {
		return nil, challenge{}
	}
	for _, a := range access {
		if !g[user][a.Name+":"+a.Action] {
			return nil, fmt.Errorf("%s may not: %w", user, registry.ErrDenied)
		}
	}
	return &auth.Grant{}, nil
}

type challenge struct{}

func (challenge) Error() string { return "who are you?" }
func (challenge) SetHeaders(_ *http.Request, w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Basic realm="site"`)
}

func TestAccess(t *testing.T) {
	rights := func(list ...string) map[string]bool {
		m := map[string]bool{}
		for _, r := range list {
			m[r] = true
		}
		return m
	}
	s := newSite(t, Options{Access: guard{
		"admin": rights("docker.io/library/x:pull", "docker.io/library/x:push", "docker.io/library/x:delete", "catalog:*", "team/a:pull", "team/a:push"),
		"team":  rights("team/a:pull", "team/a:push", "x:pull", "x:push"),
		"hub":   rights("docker.io/library/x:pull"),
	}})
	layer := []byte("layer")
	d := digest.FromBytes(layer)
	content := image(nil, registry.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: d, Size: 5})
	s.want(201, "POST", "/v2/docker.io/library/x/blobs/uploads/?digest="+d.String(), layer, "User", "admin")
	s.want(201, "PUT", "/v2/docker.io/library/x/manifests/v1", content, "User", "admin", "Content-Type", ocispec.MediaTypeImageManifest)

	for _, c := range []struct {
		user, method, path string
		status             int
	}{
		{"", "GET", "/v2/", 401},
		{"hub", "GET", "/v2/", 200},
		{"", "GET", "/v2/docker.io/library/x/manifests/v1", 401},
		{"", "GET", "/v2/docker.io/library/x/manifests/none", 401},
		{"hub", "GET", "/v2/docker.io/library/x/manifests/v1", 200},
		{"hub", "GET", "/v2/docker.io/library/x/blobs/" + d.String(), 200},
		{"hub", "PUT", "/v2/docker.io/library/x/manifests/v1", 403},
		{"hub", "POST", "/v2/docker.io/library/x/blobs/uploads/", 403},
		{"hub", "DELETE", "/v2/docker.io/library/x/manifests/v1", 403},
		{"hub", "DELETE", "/v2/docker.io/library/x/blobs/" + d.String(), 403},
		{"hub", "GET", "/v2/_catalog", 403},
		{"admin", "GET", "/v2/_catalog", 200},
		{"team", "GET", "/v2/docker.io/library/x/manifests/v1", 403},
		{"team", "GET", "/v2/docker.io/library/x/referrers/" + d.String(), 403},
		{"team", "GET", "/v2/docker.io/library/x/tags/list", 403},
		// The fallback of a read is of use to those only who may read there.
		{"hub", "GET", "/v2/x/manifests/v1", 200},
		{"hub", "GET", "/v2/x/manifests/v1?ns=docker.io", 200},
		{"team", "GET", "/v2/x/manifests/v1", 404},
		{"team", "GET", "/v2/x/manifests/v1?ns=docker.io", 403},
		// Neither kind of mount takes a blob out of a repository unseen.
		{"team", "POST", "/v2/team/a/blobs/uploads/?mount=" + d.String() + "&from=docker.io/library/x", 202},
		{"team", "POST", "/v2/team/a/blobs/uploads/?mount=" + d.String(), 202},
		{"admin", "POST", "/v2/team/a/blobs/uploads/?mount=" + d.String(), 201},
	} {
		headers := []string{"User", c.user}
		a := s.do(c.method, c.path, nil, headers...)
		if a.StatusCode != c.status {
			t.Errorf("%s: %s %s: %s\nwant %d", c.user, c.method, c.path, a, c.status)
		}
		if c.status == 401 && a.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("no challenge: %s", a)
		}
	}
}

// What a push may leave out because reads show it, its manifest may name; but
// only what the client may read.
func TestPushOverFallback(t *testing.T) {
	s := newSite(t, Options{})
	content, _ := s.pushImage("docker.io/library/x", "v1", "layer")
	s.want(200, "HEAD", "/v2/library/x/blobs/"+digest.FromString("layer").String(), nil)
	s.want(201, "PUT", "/v2/library/x/manifests/v2", content, "Content-Type", ocispec.MediaTypeImageManifest)
	s.want(404, "GET", "/v2/docker.io/library/x/manifests/v2", nil)
	s.want(404, "PUT", "/v2/other/x/manifests/v2", content, "Content-Type", ocispec.MediaTypeImageManifest)
}

func TestNamespaces(t *testing.T) {
	s := newSite(t, Options{})
	s.pushImage("docker.io/library/nginx", "v1", "nginx")
	s.pushImage("docker.io/team/app", "v1", "hub app")
	s.pushImage("team/app", "v2", "site app")
	s.pushImage("registry.k8s.io/pause", "3.10", "pause")
	s.pushImage("10.0.0.5_5000/app", "v1", "port")
	for path, status := range map[string]int{
		"docker.io/library/nginx/manifests/v1":                                  200,
		"library/nginx/manifests/v1":                                            200,
		"nginx/manifests/v1":                                                    200,
		"docker.io/nginx/manifests/v1":                                          200,
		"index.docker.io/library/nginx/manifests/v1":                            200,
		"registry-1.docker.io/nginx/manifests/v1":                               200,
		"library/nginx/manifests/v1?ns=docker.io":                               200,
		"library/nginx/manifests/v1?ns=index.docker.io":                         200,
		"nginx/manifests/v1?ns=registry-1.docker.io":                            200,
		"nginx/tags/list":                                                       200,
		"nginx/blobs/" + digest.FromString("nginx").String():                    200,
		"nginx/blobs/" + digest.FromString("pause").String():                    404,
		"library/nginx/manifests/v1?ns=quay.io":                                 404,
		"team/app/manifests/v1":                                                 200,
		"team/app/manifests/v2":                                                 200,
		"team/app/manifests/v2?ns=docker.io":                                    404,
		"pause/manifests/3.10?ns=registry.k8s.io":                               200,
		"pause/manifests/3.10?ns=REGISTRY.k8s.io":                               200,
		"registry.k8s.io/pause/manifests/3.10":                                  200,
		"pause/manifests/3.10":                                                  404,
		"app/manifests/v1?ns=10.0.0.5:5000":                                     200,
		"app/blobs/" + digest.FromString("port").String() + "?ns=10.0.0.5:5000": 200,
	} {
		a := s.want(status, "GET", "/v2/"+path, nil)
		if strings.Contains(path, "?ns=") && a.Header.Get("OCI-Namespace") == "" {
			t.Errorf("%s: no OCI-Namespace", path)
		}
	}
	// A push with ns goes where reads with ns look.
	a := s.want(202, "POST", "/v2/x/blobs/uploads/?ns=docker.io", nil)
	if !strings.HasPrefix(a.Header.Get("Location"), "/v2/docker.io/library/x/blobs/uploads/") {
		t.Error(a)
	}
}

// No error tells where the site keeps its files.
func TestErrorsKeepLocalPaths(t *testing.T) {
	var log bytes.Buffer
	s := newSite(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	_, m := s.pushImage("a", "v1", "layer")
	layer := digest.FromString("layer")
	blob := filepath.Join(s.dir, "blobs", "sha256", layer.Encoded()[:2], layer.Encoded())

	if err := os.Truncate(blob, 3); err != nil {
		t.Fatal(err)
	}
	bodies := []answered{s.want(404, "GET", "/v2/a/blobs/"+layer.String(), nil)}
	s.want(404, "HEAD", "/v2/a/blobs/"+layer.String(), nil)
	if _, err := os.Stat(blob); !os.IsNotExist(err) {
		t.Errorf("the damaged file is still in place: %v", err)
	}
	bodies = append(bodies, s.want(404, "GET", "/v2/a/blobs/"+layer.String(), nil))
	s.pushBlob("a", []byte("layer")) // heals
	bodies = append(bodies, s.want(200, "GET", "/v2/a/blobs/"+layer.String(), nil))
	bodies = append(bodies, s.want(409, "DELETE", "/v2/a/blobs/"+layer.String(), nil))
	if err := os.RemoveAll(filepath.Join(s.dir, "uploads")); err != nil {
		t.Fatal(err)
	}
	bodies = append(bodies, s.want(500, "POST", "/v2/a/blobs/uploads/", nil))
	for _, a := range bodies {
		if strings.Contains(a.String(), s.dir) {
			t.Errorf("leaks: %s", a)
		}
	}
	if !strings.Contains(log.String(), filepath.Join(s.dir, "uploads")) {
		t.Errorf("the log does not name the folder:\n%s", log.String())
	}
	s.want(200, "GET", "/v2/a/manifests/"+m.String(), nil)
}

// What a policy or a pin refuses is told with the operator's words.
func TestPolicyRefuses(t *testing.T) {
	s := newSite(t, Options{})
	_, first := s.pushImage("team/a", "v1", "layer")
	ref := registry.Ref{Repository: "team/a", Tag: "v1"}
	if _, err := s.store.Pin(t.Context(), ref, "operator", "edge needs it: /wiki"); err != nil {
		t.Fatal(err)
	}
	refused := func(a answered, text string) {
		t.Helper()
		if codes := a.codes(); len(codes) != 1 || codes[0] != "DENIED" || !strings.Contains(string(a.body), text) {
			t.Errorf("%s, want DENIED %q", a, text)
		}
	}
	refused(s.want(409, "DELETE", "/v2/team/a/manifests/v1", nil), "pinned by operator: edge needs it: /wiki")
	refused(s.want(409, "DELETE", "/v2/team/a/manifests/"+first.String(), nil), "pinned by operator")

	policy := `{"version":1,"rules":[{"repositories":["team/**"],"immutable":["v.*"]}],"quotas":[{"prefix":"team","size":"10KiB"}]}`
	if err := s.store.SetPolicy(t.Context(), []byte(policy)); err != nil {
		t.Fatal(err)
	}
	other := image(nil, s.pushBlob("team/a", []byte("another layer")))
	refused(s.want(409, "PUT", "/v2/team/a/manifests/v1", other, "Content-Type", ocispec.MediaTypeImageManifest), "immutable by rule")
	s.want(201, "PUT", "/v2/team/a/manifests/w1", other, "Content-Type", ocispec.MediaTypeImageManifest)
	large := bytes.Repeat([]byte("x"), 11<<10)
	refused(s.want(403, "POST", "/v2/team/a/blobs/uploads/?digest="+digest.FromBytes(large).String(), large), "the quota of team is 10.0 KiB")
	s.want(404, "HEAD", "/v2/team/a/blobs/"+digest.FromBytes(large).String(), nil)
	s.want(201, "POST", "/v2/other/blobs/uploads/?digest="+digest.FromBytes(large).String(), large)
}

func TestClassify(t *testing.T) {
	path := &os.PathError{Op: "write", Path: "/srv/landfall/blobs/x", Err: errors.New("bad")}
	for _, c := range []struct {
		kind   kind
		err    error
		status int
		code   string
		text   string // "": any without a path
	}{
		{blob, fmt.Errorf("%w: %w", registry.ErrNoSpace, path), 507, "DENIED", ""},
		{blob, fmt.Errorf("%w: %w", registry.ErrNotFound, path), 404, "BLOB_UNKNOWN", unfit},
		{blob, path, 500, "UNKNOWN", unfit},
		{manifest, fmt.Errorf("manifest: %w: layers[0]", registry.ErrInvalid), 400, "MANIFEST_INVALID", "manifest: invalid: layers[0]"},
		{manifest, fmt.Errorf("open /srv/landfall: %w", registry.ErrInvalid), 400, "MANIFEST_INVALID", unfit},
		{manifest, fmt.Errorf("team/app: %w: text/plain", registry.ErrInvalid), 400, "MANIFEST_INVALID", "team/app: invalid: text/plain"},
		{tags, registry.ErrNotFound, 404, "NAME_UNKNOWN", "not found"},
		{uploads, registry.ErrInvalid, 400, "NAME_INVALID", "invalid"},
		{upload, registry.ErrInvalid, 400, "BLOB_UPLOAD_INVALID", "invalid"},
		{blob, registry.ErrInvalid, 400, "DIGEST_INVALID", "invalid"},
		{blob, registry.ErrConflict, 409, "DENIED", "conflict"},
		{upload, busy(registry.ErrConflict), 429, "TOOMANYREQUESTS", ""},
		{upload, &store.OffsetError{Size: 3, Offset: 7}, 416, "BLOB_UPLOAD_INVALID", "the upload is at byte 3"},
		{upload, fmt.Errorf("x: %w", os.ErrDeadlineExceeded), 408, "BLOB_UPLOAD_INVALID", ""},
		{upload, io.ErrUnexpectedEOF, 400, "SIZE_INVALID", ""},
		{upload, fmt.Errorf("x: %w", registry.ErrDigest), 400, "DIGEST_INVALID", "x: digest mismatch"},
		{base, auth.ErrAuthenticationFailure, 401, "UNAUTHORIZED", ""},
		{base, challenge{}, 401, "UNAUTHORIZED", ""},
		{base, registry.ErrDenied, 403, "DENIED", ""},
		{upload, fmt.Errorf("x: %w", &store.QuotaError{Prefix: "quay.io/team", Size: 10, Used: 8, More: 3}), 403, "DENIED",
			"the quota of quay.io/team is 10 B: 8 B are used, 3 B more are asked for; remove something there and collect, or raise the quota"},
		{manifest, fmt.Errorf("x: %w", &store.PinnedError{What: "a:v1", Owner: "op", Reason: "see /wiki/a"}), 409, "DENIED",
			"a:v1 is pinned by op: see /wiki/a; take the pin away first"},
		{manifest, &store.ImmutableError{Ref: registry.Ref{Repository: "a", Tag: "v1"}, Pattern: "v.*", Has: "sha256:0"}, 409, "DENIED", ""},
		{base, errors.New("anything"), 500, "UNKNOWN", unfit},
	} {
		w := httptest.NewRecorder()
		New(nil, Options{}).fail(w, httptest.NewRequest("GET", "/v2/", nil), c.kind, c.err)
		a := answered{w.Result(), w.Body.Bytes()}
		if w.Code != c.status || a.codes()[0] != c.code || strings.Contains(w.Body.String(), "/srv") ||
			c.text != "" && !strings.Contains(w.Body.String(), `"`+c.text+`"`) {
			t.Errorf("%v: %d %s, want %d %s %q", c.err, w.Code, w.Body, c.status, c.code, c.text)
		}
	}
}

func TestConcurrent(t *testing.T) {
	s := newSite(t, Options{})
	const clients = 200
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			repository, tag := fmt.Sprintf("r%d", i%7), fmt.Sprintf("t%d", i)
			own, shared := bytes.Repeat([]byte{byte(i)}, 10_000+i), []byte("shared")
			content := image(nil, s.pushBlob(repository, shared), s.pushBlob(repository, own))
			s.do("PUT", "/v2/"+repository+"/manifests/"+tag, content, "Content-Type", ocispec.MediaTypeImageManifest)
			s.do("PUT", "/v2/"+repository+"/manifests/latest", content, "Content-Type", ocispec.MediaTypeImageManifest)
			if a := s.do("GET", "/v2/"+repository+"/manifests/"+tag, nil); !bytes.Equal(a.body, content) {
				t.Errorf("%s:%s: %s", repository, tag, a)
			}
			if a := s.do("GET", "/v2/"+repository+"/blobs/"+digest.FromBytes(own).String(), nil); !bytes.Equal(a.body, own) {
				t.Errorf("%s:%s: blob: %s", repository, tag, a.Status)
			}
		})
	}
	all.Wait()
	n := 0
	for i := range 7 {
		var list struct{ Tags []string }
		a := s.want(200, "GET", fmt.Sprintf("/v2/r%d/tags/list", i), nil)
		if err := json.Unmarshal(a.body, &list); err != nil {
			t.Fatal(err)
		}
		n += len(list.Tags)
	}
	if n != clients+7 {
		t.Errorf("%d tags, want %d", n, clients+7)
	}
}

// eventually waits for what happens behind a connection that was cut.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}
