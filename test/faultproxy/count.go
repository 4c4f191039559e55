package faultproxy

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Kind is what a request is for.
type Kind string

// The kinds of requests. Head and get are of blobs and manifests; the parts of
// an upload are told apart.
const (
	Ping         Kind = "ping"
	Token        Kind = "token"
	Catalog      Kind = "catalog"
	Tags         Kind = "tags"
	Referrers    Kind = "referrers"
	HeadManifest Kind = "HEAD manifest"
	GetManifest  Kind = "GET manifest"
	PutManifest  Kind = "PUT manifest"
	HeadBlob     Kind = "HEAD blob"
	GetBlob      Kind = "GET blob"
	PostUpload   Kind = "POST upload"
	PatchUpload  Kind = "PATCH upload"
	PutUpload    Kind = "PUT upload"
	GetUpload    Kind = "GET upload"
	Other        Kind = "other" // deletions, and what is no part of the API
)

// tokenPath is where the proxy itself gives out tokens: no registry has it.
const tokenPath = "/-/token"

// resourcePath takes a path of the API apart. Names may have components that
// look like a resource, so the last one counts.
var resourcePath = regexp.MustCompile(`^/v2/(.+)/(manifests|blobs/uploads|blobs|tags|referrers)/([^/]*)$`)

// kindOf is the kind of a request, whatever its answer will be.
func kindOf(r *http.Request) Kind {
	switch r.URL.Path {
	case "/v2/", "/v2":
		return Ping
	case "/v2/_catalog":
		return Catalog
	case tokenPath:
		return Token
	}
	parts := resourcePath.FindStringSubmatch(r.URL.Path)
	if parts == nil {
		return Other
	}
	return resources[parts[2]].of(r.Method)
}

// byMethod are the kinds of a resource by method; "" is for any.
type byMethod map[string]Kind

var resources = map[string]byMethod{
	"tags":          {"": Tags},
	"referrers":     {"": Referrers},
	"manifests":     {"HEAD": HeadManifest, "GET": GetManifest, "PUT": PutManifest},
	"blobs":         {"HEAD": HeadBlob, "GET": GetBlob},
	"blobs/uploads": {"POST": PostUpload, "PATCH": PatchUpload, "PUT": PutUpload, "GET": GetUpload},
}

func (k byMethod) of(method string) Kind {
	for _, m := range []string{method, ""} {
		if kind, ok := k[m]; ok {
			return kind
		}
	}
	return Other
}

// Counts are what clients asked for, answered by whom and how ever, and what
// they were sent. Bytes count when they go to the kernel, so those that a client
// has are always counted; one that was killed had at most the socket's buffers
// less.
type Counts struct {
	Requests      map[Kind]int
	Connections   int
	BlobBytes     int64 // of the bodies of blobs and ranges of them
	ManifestBytes int64 // of the bodies of manifests
}

// Total is the number of requests of all kinds.
func (c Counts) Total() (n int) {
	for _, of := range c.Requests {
		n += of
	}
	return n
}

// String lists the kinds that occurred, in alphabetical order.
func (c Counts) String() string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(c.Requests)) {
		parts = append(parts, fmt.Sprintf("%d %s", c.Requests[k], k))
	}
	return strings.Join(parts, ", ")
}

type counts struct {
	mu sync.Mutex // protects so
	so Counts
}

func (c *counts) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.so = Counts{Requests: map[Kind]int{}}
}

func (c *counts) read() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.so
	now.Requests = maps.Clone(now.Requests)
	return now
}

func (c *counts) connection() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.so.Connections++
}

func (c *counts) request(k Kind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.so.Requests[k]++
}

// sent counts bytes of a successful answer's body; fewer than none takes back
// what was counted and did not go out.
func (c *counts) sent(k Kind, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch k {
	case GetBlob:
		c.so.BlobBytes += int64(n)
	case GetManifest:
		c.so.ManifestBytes += int64(n)
	}
}
