// Package web has the Local UI's files inside the binary and serves them. They are
// built by 'make ui' from the folder's sources; a binary that was made without them
// serves a page that says so, and what the appliance answers all the same.
package web

import (
	"embed"
	"io"
	"io/fs"
	"net/http"
	"path"
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
	server := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "this is not possible here", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Security-Policy", policy)
		page, err := fs.ReadFile(files, "index.html")
		if err != nil {
			absent(w, r)
			return
		}
		if info, err := fs.Stat(files, r.URL.Path[1:]); err == nil && info.Mode().IsRegular() && r.URL.Path != "/index.html" {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable") // their names have their hashes
			server.ServeHTTP(w, r)
			return
		}
		if ext := path.Ext(r.URL.Path); ext != "" && r.URL.Path != "/index.html" {
			http.NotFound(w, r) // a file that there is not
			return
		}
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page)
	})
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
