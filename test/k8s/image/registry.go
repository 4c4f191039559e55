package image

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
)

const manifestType = "application/vnd.oci.image.manifest.v1+json"

// Registry serves a set to who pulls, as all registries that its names name: which one
// is meant says the host that is asked, or, of a mirror, the query's ns.
type Registry struct {
	Set *Set

	mu     sync.Mutex // protects absent
	absent map[string]bool
}

// Forget lets the registry have a name no more, as if it had never been pushed.
func (r *Registry) Forget(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.absent == nil {
		r.absent = map[string]bool{}
	}
	r.absent[name] = true
}

// ServeHTTP implements http.Handler: the part of the distribution specification that who
// pulls needs.
func (r *Registry) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	host := q.URL.Query().Get("ns")
	if host == "" {
		host = q.Host
		if name, port, err := net.SplitHostPort(host); err == nil && port == "443" {
			host = name
		}
	}
	rest := strings.TrimPrefix(q.URL.Path, "/v2/")
	switch {
	case q.Method != http.MethodGet && q.Method != http.MethodHead:
		http.Error(w, "read only", http.StatusMethodNotAllowed)
	case rest == "":
		w.WriteHeader(http.StatusOK)
	default:
		r.serve(w, q, host+"/"+rest)
	}
}

func (r *Registry) serve(w http.ResponseWriter, q *http.Request, path string) {
	for _, kind := range []string{"/manifests/", "/blobs/", "/referrers/", "/tags/"} {
		repository, what, is := cutLast(path, kind)
		if !is {
			continue
		}
		switch kind {
		case "/manifests/":
			r.manifest(w, q, repository, what)
		case "/blobs/":
			r.file(w, q, what, "application/octet-stream")
		case "/referrers/":
			w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
			_ = json.NewEncoder(w).Encode(map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []any{}})
		default:
			r.tags(w, repository)
		}
		return
	}
	http.NotFound(w, q)
}

func cutLast(path, kind string) (before, after string, found bool) {
	i := strings.LastIndex(path, kind)
	if i < 0 {
		return "", "", false
	}
	return path[:i], path[i+len(kind):], true
}

func (r *Registry) has(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.Set.names[name] != "" && !r.absent[name]
}

func (r *Registry) manifest(w http.ResponseWriter, q *http.Request, repository, reference string) {
	digest := reference
	if !strings.HasPrefix(reference, "sha256:") {
		if digest = r.Set.names[repository+":"+reference]; !r.has(repository + ":" + reference) {
			fail(w, "MANIFEST_UNKNOWN")
			return
		}
	}
	r.file(w, q, digest, manifestType)
}

func (r *Registry) file(w http.ResponseWriter, q *http.Request, digest, kind string) {
	if strings.ContainsAny(digest, "/\\") {
		fail(w, "DIGEST_INVALID")
		return
	}
	f, err := os.Open(r.Set.blob(digest))
	if err != nil {
		fail(w, "BLOB_UNKNOWN")
		return
	}
	defer f.Close()
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Docker-Content-Digest", digest)
	http.ServeContent(w, q, "", epoch, f)
}

func (r *Registry) tags(w http.ResponseWriter, repository string) {
	tags := []string{}
	for _, name := range r.Set.Names() {
		if tag, is := strings.CutPrefix(name, repository+":"); is && r.has(name) {
			tags = append(tags, tag)
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"name": repository, "tags": tags})
}

func fail(w http.ResponseWriter, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []any{map[string]any{"code": code, "message": "not here"}}})
}
