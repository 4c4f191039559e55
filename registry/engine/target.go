package engine

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/distribution/distribution/v3/registry/api/errcode"

	"github.com/landfall-dev/landfall/registry"
)

// kind is what a path below /v2/ stands for.
type kind int

const (
	unknown   kind = iota
	base           // /v2/
	catalog        // /v2/_catalog
	tags           // /v2/<name>/tags/list
	referrers      // /v2/<name>/referrers/<digest>
	manifest       // /v2/<name>/manifests/<tag or digest>
	blob           // /v2/<name>/blobs/<digest>
	uploads        // /v2/<name>/blobs/uploads/
	upload         // /v2/<name>/blobs/uploads/<id>
)

// target is what the path and the query of a request name.
type target struct {
	kind  kind
	name  string     // as in the path; a valid <name>
	arg   string     // the tag, digest or upload id, unchecked
	ns    string     // host of the original name (distribution-spec, "Registry Proxying"), or empty
	query url.Values // nil when there is none
	// repository is what writes and deletes take, and reads try first: the name
	// as it is, or with ?ns=HOST the original name's path.
	repository string
}

// parseTarget reads an address. The last elements of a path decide its kind,
// so that names may contain "blobs" or "tags".
func parseTarget(u *url.URL) (target, error) {
	var t target
	path, ok := strings.CutPrefix(u.Path, "/v2")
	switch {
	case !ok || path != "" && path[0] != '/':
		return t, errNoRoute
	case len(path) <= 1:
		return target{kind: base}, nil
	}
	if u.RawQuery != "" {
		t.query = u.Query()
		t.ns = t.query.Get("ns")
	}
	if path == "/_catalog" {
		t.kind = catalog
		return t, nil
	}
	if t.kind, t.name, t.arg = splitPath(path[1:]); t.kind == unknown {
		return t, errNoRoute
	}
	if !validName(t.name) {
		return t, refuse(http.StatusBadRequest, errcode.ErrorCodeNameInvalid, "invalid repository name %q", t.name)
	}
	t.repository = t.name
	if t.ns == "" {
		return t, nil
	}
	if t.repository = registry.RepositoryPath(hubName(t.ns, t.name)); !validName(t.repository) {
		return t, refuse(http.StatusNotFound, errcode.ErrorCodeNameUnknown, "nothing is known of ns %q", t.ns)
	}
	return t, nil
}

var errNoRoute = refuse(http.StatusNotFound, errcode.ErrorCodeUnsupported, "no such address in the registry's protocol")

// splitPath cuts "<name>/manifests/<reference>" and the like.
func splitPath(path string) (k kind, name, arg string) {
	if name, ok := strings.CutSuffix(path, "/blobs/uploads"); ok {
		return uploads, name, ""
	}
	head, arg, ok := cutLast(path)
	if !ok {
		return unknown, "", ""
	}
	name, noun, _ := cutLast(head)
	switch {
	case noun == "manifests" && arg != "":
		return manifest, name, arg
	case noun == "blobs" && arg != "":
		return blob, name, arg
	case noun == "referrers" && arg != "":
		return referrers, name, arg
	case noun == "tags" && arg == "list":
		return tags, name, ""
	case noun == "uploads" && strings.HasSuffix(name, "/blobs"):
		name = strings.TrimSuffix(name, "/blobs")
		if arg == "" {
			return uploads, name, ""
		}
		return upload, name, arg
	}
	return unknown, "", ""
}

// cutLast splits at the last slash.
func cutLast(path string) (head, last string, ok bool) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}
