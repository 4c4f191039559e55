// Package web has the Local UI's files inside the binary and serves them. They are
// built by 'make ui' from the folder's sources; a binary that was made without them
// serves a page that says so, and what the appliance answers all the same.
package web

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"embed"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// embedded has what 'make ui' builds, in dist, and a text that keeps it in the
// repository.
//
//go:embed all:embedded
var embedded embed.FS

// policy lets pages load what is theirs, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; " +
	"connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Handler serves the UI. What is no file of it is the UI's own path, and gets the
// page from which it begins.
func Handler() http.Handler {
	files, err := fs.Sub(embedded, "embedded/dist")
	if err != nil {
		panic(err) // the folder is in the binary
	}
	return handler(files)
}

func handler(files fs.FS) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "this is not possible here", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Security-Policy", policy)
		page, err := fs.ReadFile(files, "index.html")
		switch {
		case err != nil:
			absent(w, r)
		case serveFile(w, r, files, strings.TrimPrefix(r.URL.Path, "/")):
		case path.Ext(r.URL.Path) != "" && strings.HasPrefix(r.URL.Path, "/assets/"):
			http.NotFound(w, r) // a file that there is not
		default:
			w.Header().Set("Cache-Control", "no-cache")
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Length", strconv.Itoa(len(page)))
			_, _ = w.Write(page)
		}
	})
}

// serveFile serves a file that has its hash in its name, if there is one. What can be
// compressed is in the binary as .gz only.
func serveFile(w http.ResponseWriter, r *http.Request, files fs.FS, name string) bool {
	if path.Dir(name) != "assets" {
		return false
	}
	content, err := fs.ReadFile(files, name)
	if err != nil {
		content, err = fs.ReadFile(files, name+".gz")
		if err != nil {
			return false
		}
		w.Header().Set("Vary", "Accept-Encoding")
		if acceptsGzip(r) {
			w.Header().Set("Content-Encoding", "gzip")
		} else if content, err = unzip(content); err != nil {
			panic(err) // the build has made it
		}
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Content-Type", cmp.Or(mime.TypeByExtension(path.Ext(name)), "application/octet-stream"))
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	_, _ = w.Write(content)
	return true
}

// acceptsGzip says whether a client takes gzip (RFC 9110, 12.5.3).
func acceptsGzip(r *http.Request) bool {
	for coding := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		name, weight, _ := strings.Cut(coding, ";")
		if name = strings.TrimSpace(name); name == "gzip" || name == "*" {
			weight = strings.TrimSpace(weight)
			return !strings.HasPrefix(weight, "q=0") || strings.Trim(weight, "q=0.") != ""
		}
	}
	return false
}

func unzip(content []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// absent is what there is without the UI.
func absent(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if r.URL.Path != "/" {
		w.WriteHeader(http.StatusNotFound)
	}
	_, _ = io.WriteString(w, `Landfall

This is the site's registry and its management API. The Local UI is not in this
binary: it is built with 'make ui', then 'make build'.

  /v2/                    the registry: pull from it with any OCI client
  /api/v1/openapi.json    what can be managed, and how
  /healthz                whether it answers

On this machine, 'landfall content ls' lists what can be pulled.
`)
}
