package observe

import (
	"net/http"
	"strings"
)

// route is the kind of thing that a path stands for. The list is closed, and
// so is that of methods: labels must not come from outside.
type route uint8

const (
	other route = iota
	base
	manifest
	blob
	upload
	referrers
	tags
	catalog
	api
	routes // how many there are
)

var routeNames = [routes]string{"other", "base", "manifest", "blob", "upload", "referrers", "tags", "catalog", "api"}

// routeOf tells what a path looks like, whether or not something is there. As
// in the registry's protocol the last elements decide.
func routeOf(path string) route {
	switch {
	case path == "/v2" || path == "/v2/":
		return base
	case path == "/v2/_catalog":
		return catalog
	case strings.HasPrefix(path, "/api/"):
		return api
	case !strings.HasPrefix(path, "/v2/"):
		return other
	case strings.HasSuffix(path, "/blobs/uploads"):
		return upload
	}
	last := strings.LastIndexByte(path, '/')
	head := path[:last]
	switch head[strings.LastIndexByte(head, '/')+1:] {
	case "manifests":
		return manifest
	case "blobs":
		return blob
	case "referrers":
		return referrers
	case "tags":
		return tags
	case "uploads":
		return upload
	}
	return other
}

type method uint8

const (
	otherMethod method = iota
	get
	head
	post
	put
	patch
	del
	methods // how many there are
)

var methodNames = [methods]string{"other", http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

func methodOf(name string) method {
	switch name {
	case http.MethodGet:
		return get
	case http.MethodHead:
		return head
	case http.MethodPost:
		return post
	case http.MethodPut:
		return put
	case http.MethodPatch:
		return patch
	case http.MethodDelete:
		return del
	}
	return otherMethod
}

// statuses have a label of their own; slot 0 is for all others.
var statuses = [...]int{0, 101, 200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 406, 408, 409,
	410, 411, 412, 413, 415, 416, 422, 423, 429, 431, 500, 501, 502, 503, 504, 507}

// slots finds a status among statuses.
var slots = func() (slots [600]uint8) {
	for slot, status := range statuses {
		slots[status] = uint8(slot)
	}
	return slots
}()

func slotOf(status int) uint8 {
	if status < 0 || status >= len(slots) {
		return 0
	}
	return slots[status]
}
