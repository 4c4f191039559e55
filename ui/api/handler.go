package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"
	"github.com/gin-gonic/gin"

	"github.com/landfall-dev/landfall/registry"
)

// Prefix is where the API is; version is how it calls itself.
const (
	version = "v1"
	Prefix  = "/api/" + version
)

// What an answer of success can be.
const (
	typeJSON    = "application/json"
	typeProblem = "application/problem+json"
	typeStream  = "application/x-ndjson"
	typeBytes   = "application/octet-stream"
	typeEvents  = "text/event-stream"
)

// maxRequest bounds the body of a request, in bytes; within bodyTime it has to be
// here. The few that may be larger have largeTime.
const (
	maxRequest = 2 << 20
	bodyTime   = 10 * time.Second
	largeTime  = 2 * time.Minute
)

// Right is what a request needs; package auth says who has it.
type Right = string

// Anyone is the right of operations that need none.
const Anyone Right = ""

// API is the management API of an appliance.
type API struct {
	opts   Options
	router *gin.Engine
	huma   huma.API

	outlines chan struct{} // as many as are looked at now
	checks   chan struct{} // as many definitions as are checked now
}

// New makes the API of what the options have. Operations of what they have not
// answer 404 and say why.
func New(opts Options) *API {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Allow == nil {
		opts.Allow = func(context.Context, Right) error { return nil }
	}
	gin.SetMode(gin.ReleaseMode) // else it writes to standard output
	router := gin.New()
	router.RedirectTrailingSlash = false
	router.HandleMethodNotAllowed = true
	none := func(status int, text string) gin.HandlerFunc {
		return func(c *gin.Context) {
			Refuse(c.Writer, huma.NewError(status, c.Request.Method+" "+c.Request.URL.Path+": "+text).(*Problem)) //nolint:forcetypeassert // see init
		}
	}
	router.NoRoute(none(http.StatusNotFound, "there is no such operation"))
	router.NoMethod(none(http.StatusMethodNotAllowed, "this is not possible here"))
	config := huma.DefaultConfig("Landfall", version)
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = Prefix+"/openapi", "", ""
	config.CreateHooks = nil // links to schemas in every answer
	config.RejectUnknownQueryParameters = true
	config.Info.Description = "What a Landfall appliance can be asked to do."
	config.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token":   {Type: "http", Scheme: "bearer", Description: "A personal or robot token"},
		"session": {Type: "apiKey", In: "cookie", Name: "landfall", Description: "The cookie of a login"},
	}
	a := &API{opts: opts, router: router, huma: humagin.New(router, config), outlines: make(chan struct{}, outlinesAtOnce), checks: make(chan struct{}, checksAtOnce)}
	a.routes()
	return a
}

// generic are names of types that say too little without their package.
var generic = []string{"Progress", "State", "Run", "Status", "Summary", "Source", "Request", "Report", "Result", "Key", "Pin", "Line", "Step", "Entry", "Event", "Value", "Info", "Document", "Finding", "Header", "Verdict", "Record", "System", "Clock", "Load", "Memory", "Network", "Options", "List", "Series", "Sample"}

// modelled are packages of which many types say too little without it.
var modelled = []string{"chart", "closure", "cluster", "definition", "find", "fleet", "hosts", "kube", "plan", "profile", "sitevalues", "source", "variable"}

// schemaName is what a type is called in the document.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	at := path.Base(t.PkgPath())
	if strings.HasSuffix(t.PkgPath(), "lifecycle/host") { // the machine of the appliance is a host, too
		at = "fleet"
	}
	if slices.Contains(generic, t.Name()) || slices.Contains(modelled, at) && !strings.EqualFold(at, t.Name()) {
		return strings.ToUpper(at[:1]) + at[1:] + name
	}
	return name
}

// ServeHTTP answers what is below Prefix.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.router.ServeHTTP(w, r) }

// Where an operation's description tells the right that it needs, the one that does
// as well, and that it is not for who may pull from some repositories only.
const (
	rightKey = "x-landfall-right"
	otherKey = "x-landfall-or-right"
	wholeKey = "x-landfall-whole"
)

// route is an operation to be.
type route struct {
	method, path string
	id           string // of the operation
	right        Right
	or           Right // does as well; Anyone: nothing else does
	whole        bool  // it tells of all repositories
	summary      string
	about        string // what the summary leaves out
	status       int    // of success, when it is not 200 or 204
	media        string // type of the answer, when it is no JSON
	body         int64
}

// add registers an operation. Whether the request may do it is decided before
// anything of it is read.
func add[I, O any](a *API, r route, do func(context.Context, *I) (*O, error)) {
	op := a.operation(r)
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := do(ctx, in)
		if err != nil {
			return nil, a.problem(ctx, err)
		}
		return out, nil
	})
}

func (a *API) operation(r route) huma.Operation {
	group, _, _ := strings.Cut(strings.TrimPrefix(r.path, "/"), "/")
	op := huma.Operation{
		Method: r.method, Path: Prefix + r.path, OperationID: r.id, Summary: r.summary, Description: r.about, Tags: []string{group},
		DefaultStatus: r.status, MaxBodyBytes: maxRequest, BodyReadTimeout: bodyTime, Extensions: map[string]any{},
		Middlewares: huma.Middlewares{a.guard(r)},
	}
	if r.body != 0 {
		op.MaxBodyBytes, op.BodyReadTimeout = r.body, largeTime
	}
	if r.media != "" {
		op.Responses = map[string]*huma.Response{strconv.Itoa(http.StatusOK): {Description: http.StatusText(http.StatusOK),
			Content: map[string]*huma.MediaType{r.media: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}}}
	}
	if r.right != Anyone {
		op.Extensions[rightKey] = r.right
		if r.or != Anyone {
			op.Extensions[otherKey] = r.or
		}
		op.Security = []map[string][]string{{"token": {}}, {"session": {}}}
	}
	if r.whole {
		op.Extensions[wholeKey] = true
	}
	return op
}

// guard lets in who has the right.
func (a *API) guard(r route) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		if err := a.may(ctx.Context(), r); err != nil {
			Refuse(humagin.Unwrap(ctx).Writer, err)
			return
		}
		next(ctx)
	}
}

var errSome = fmt.Errorf("%w: this tells of all repositories, and you may pull from some only", registry.ErrDenied)

// may is an error when the context's subject has not what a route needs.
func (a *API) may(ctx context.Context, r route) error {
	if r.right == Anyone {
		return nil
	}
	if err := a.opts.Allow(ctx, r.right); err != nil && (r.or == Anyone || a.opts.Allow(ctx, r.or) != nil) {
		return err
	}
	if r.whole && a.opts.MayRepository != nil && !a.opts.MayRepository(ctx, actionPull, "") {
		return errSome
	}
	return nil
}

// problem is the error for the client; what is the site's own failure is logged.
func (a *API) problem(ctx context.Context, err error) *Problem {
	p := NewProblem(err)
	if p.Status == http.StatusInternalServerError && ctx.Err() == nil {
		a.opts.Log.ErrorContext(ctx, "a request failed", "error", err)
	}
	return p
}

// answer is one with a JSON body.
type answer[T any] struct{ Body T }

// give makes an operation's answer of a function's result.
func give[T any](v T, err error) (*answer[T], error) {
	if err != nil {
		return nil, err
	}
	return &answer[T]{v}, nil
}

// nothing is the input of operations that have none.
type nothing struct{}

// offered is an error when something is not part of the appliance.
func offered(there bool, what string) error {
	if there {
		return nil
	}
	return &notOffered{what}
}

type notOffered struct{ what string }

func (e *notOffered) Error() string { return "this appliance " + e.what }

func (e *notOffered) Unwrap() error { return registry.ErrNotFound }
