// Package engine speaks the OCI distribution-spec 1.1 protocol ("/v2/") over
// the site's store: reads, pushes, referrers, lists and deletes, one file
// each. Reads see what is attached to the store, too. It is not a proxy: what the
// site does not hold is a quick 404 and nothing is ever dialled, unless an
// [Upstream] is set and has it. Transport (TLS,
// HTTP/1.1 only) and accounts belong to the server that mounts it; accounts enter
// through [Options.Access].
//
// Nouns. A target is what the path and query of a request name: a kind of
// resource, a name and an argument. A candidate is a repository that the
// target may mean; see names.go. A refusal is the answer to a bad request, as
// clients see it; see errors.go.
//
// The engine must be given the server's own http.ResponseWriter on a bare TCP
// connection, or one that hands ReadFrom on to it and has Unwrap: only then
// does the kernel move blobs from file to socket (sendfile) and a push that
// stalls can be broken off.
package engine

import (
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/distribution/distribution/v3/registry/api/errcode"
	"github.com/distribution/distribution/v3/registry/auth"

	"github.com/landfall-dev/landfall/registry/attach"
	"github.com/landfall-dev/landfall/registry/store"
)

// DefaultReadTimeout is how long a push may bring no byte.
const DefaultReadTimeout = time.Minute

// Options configures an Engine. The zero value is the default: everything is
// allowed, and nothing is logged.
type Options struct {
	// Access decides about every request, with the access types of the token
	// scope grammar: repository:NAME:pull, push, delete and
	// registry:catalog:*. NAME is the repository that is read or written, after
	// ns and aliases. An error that is an auth.Challenge is answered 401 with
	// its headers, one that wraps registry.ErrDenied 403. Nil allows everything.
	Access auth.AccessController
	// View is the store with what is attached to it; nil: the store alone.
	View *attach.View
	// Upstream brings what the site does not have; nil: nobody does.
	Upstream Upstream
	// ReadTimeout breaks off a push that brings no byte for so long;
	// DefaultReadTimeout when 0. What has arrived is kept for a resume.
	ReadTimeout time.Duration
	// Log gets what clients are not told: failures of the site itself, with
	// the request's context. Nil for silence. Requests are not logged.
	Log *slog.Logger
}

// Engine is the http.Handler for /v2/ and everything below it.
type Engine struct {
	store    *store.Store
	view     *attach.View
	upstream Upstream // nil: none
	access   auth.AccessController
	timeout  time.Duration
	log      *slog.Logger
}

// New serves s. The store stays the caller's to close, after the server.
func New(s *store.Store, opts Options) *Engine {
	e := &Engine{store: s, view: opts.View, upstream: opts.Upstream, access: opts.Access, timeout: opts.ReadTimeout, log: opts.Log}
	if e.view == nil {
		e.view = attach.NewView(s)
	}
	if e.timeout == 0 {
		e.timeout = DefaultReadTimeout
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	return e
}

// Header values that never change, shared by all answers.
var (
	apiVersion  = []string{"registry/2.0"}
	jsonType    = []string{"application/json"}
	octetStream = []string{"application/octet-stream"}
	bytesUnit   = []string{"bytes"}
)

// A verb answers one method on one kind of target. An error that it returns
// means that nothing was written yet.
type verb func(*Engine, http.ResponseWriter, *http.Request, *target) error

// verbs is the whole protocol (distribution-spec, "Endpoints").
var verbs = [...]map[string]verb{
	base:      {"GET": (*Engine).ping, "HEAD": (*Engine).ping},
	catalog:   {"GET": (*Engine).listRepositories},
	tags:      {"GET": (*Engine).listTags},
	referrers: {"GET": (*Engine).listReferrers},
	manifest: {"GET": (*Engine).getManifest, "HEAD": (*Engine).headManifest,
		"PUT": (*Engine).putManifest, "DELETE": (*Engine).deleteManifest},
	blob:    {"GET": (*Engine).getBlob, "HEAD": (*Engine).headBlob, "DELETE": (*Engine).deleteBlob},
	uploads: {"POST": (*Engine).startUpload},
	upload: {"GET": (*Engine).statusUpload, "PATCH": (*Engine).patchUpload,
		"PUT": (*Engine).putUpload, "DELETE": (*Engine).cancelUpload},
}

// ServeHTTP answers one request.
func (e *Engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header()["Docker-Distribution-Api-Version"] = apiVersion
	if r.ContentLength != 0 {
		// net/http reads what is left of a body before it sends the answer.
		e.patient(w, r).extend()
	}
	t, err := parseTarget(r.URL)
	if err == nil {
		err = e.serve(w, r, &t)
	}
	if err != nil {
		e.fail(w, r, t.kind, err)
	}
}

func (e *Engine) serve(w http.ResponseWriter, r *http.Request, t *target) error {
	methods := verbs[t.kind]
	do := methods[r.Method]
	if do == nil {
		w.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(methods)), ", "))
		return refuse(http.StatusMethodNotAllowed, errcode.ErrorCodeUnsupported, "%s is not possible here", r.Method)
	}
	if t.ns != "" {
		w.Header().Set("OCI-Namespace", t.ns)
	}
	return do(e, w, r, t)
}

// ping tells clients that this is a registry, and whether they are let in.
func (e *Engine) ping(w http.ResponseWriter, r *http.Request, _ *target) error {
	if err := e.allow(r); err != nil {
		return err
	}
	w.Header()["Content-Type"] = jsonType
	_, _ = w.Write([]byte("{}"))
	return nil
}

// allow asks whether the request may do all of this.
func (e *Engine) allow(r *http.Request, access ...auth.Access) error {
	if e.access == nil {
		return nil
	}
	_, err := e.access.Authorized(r, access...)
	return err
}

// onRepository is the access to one repository.
func onRepository(repository, action string) auth.Access {
	return auth.Access{Resource: auth.Resource{Type: "repository", Name: repository}, Action: action}
}

// wholeCatalog is the access to whatever the site holds.
var wholeCatalog = auth.Access{Resource: auth.Resource{Type: "registry", Name: "catalog"}, Action: "*"}

// allowPush asks for a push into one repository, and whether the site takes any.
// Clients ask their token servers for both actions together.
func (e *Engine) allowPush(r *http.Request, repository string) error {
	if err := e.store.MayPush(r.Context()); err != nil {
		return err
	}
	return e.allow(r, onRepository(repository, "push"), onRepository(repository, "pull"))
}
