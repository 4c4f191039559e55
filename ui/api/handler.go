package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
)

// maxRequest bounds the body of a request, in bytes.
const maxRequest = 2 << 20

// What an answer of success can be.
const (
	typeJSON   = "application/json"
	typeStream = "application/x-ndjson"
	typeBytes  = "application/octet-stream"
)

// Options of a Handler. The zero value is the default.
type Options struct {
	// Lander lands bundles; nil: that is not offered.
	Lander Lander
	// Mirrors runs mirrors; nil: that is not offered.
	Mirrors Mirrorer
	// Ending is closed when the appliance ends: then what only lasts as long ends.
	Ending <-chan struct{}
}

// Handler serves a site below /api/v1/. Requests that a browser sends for
// another page are refused.
func Handler(s Site, opts Options) http.Handler {
	h := &handler{s}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/content/hold", hold(s, opts.Ending))
	if opts.Lander != nil {
		mux.HandleFunc("POST /api/v1/bundles/import", importBundle(opts.Lander))
	}
	mirrors(mux, opts.Mirrors)
	if t, ok := s.(teller); ok {
		mux.HandleFunc("GET /api/v1/receipt", func(w http.ResponseWriter, r *http.Request) {
			send(w, r, func(ctx context.Context) (io.ReadCloser, error) {
				var b bytes.Buffer
				return io.NopCloser(&b), WriteReceipt(ctx, t, &b)
			})
		})
	}
	mux.HandleFunc("POST /api/v1/content/scrub", h.scrub)
	mux.HandleFunc("POST /api/v1/content/collect", h.collect)
	for pattern, do := range map[string]func(*http.Request) (any, error){
		"POST /api/v1/content/undo":              func(r *http.Request) (any, error) { return s.Undo(r.Context()) },
		"GET /api/v1/content/why/{digest}":       h.why,
		"GET /api/v1/content/pins":               func(r *http.Request) (any, error) { return s.Pins(r.Context()) },
		"POST /api/v1/content/pins":              h.pin,
		"POST /api/v1/content/unpin":             h.unpin,
		"GET /api/v1/content/policy":             func(r *http.Request) (any, error) { return s.Policy(r.Context()) },
		"PUT /api/v1/content/policy":             h.setPolicy,
		"POST /api/v1/content/retain":            h.retain,
		"GET /api/v1/content/manifests/{digest}": h.manifestOf,
		"GET /api/v1/content/referrers/{digest}": h.referrersOf,
		"POST /api/v1/content/missing":           h.missingBlobs,
		"GET /api/v1/trust/policy":               func(r *http.Request) (any, error) { return s.TrustPolicyText(r.Context()) },
		"PUT /api/v1/trust/policy":               h.setTrustPolicy,
		"GET /api/v1/trust/state":                func(r *http.Request) (any, error) { return s.TrustState(r.Context()) },
		"GET /api/v1/trust/images":               func(r *http.Request) (any, error) { return s.ImageVerdicts(r.Context()) },
		"GET /api/v1/site":                       h.siteID,
		"GET /api/v1/doctor":                     func(r *http.Request) (any, error) { return s.Examine(r.Context()) },
		"GET /api/v1/stats":                      func(r *http.Request) (any, error) { return s.Stats(r.Context()) },
	} {
		mux.HandleFunc(pattern, answer(do))
	}
	mux.HandleFunc("GET /api/v1/backup/database", func(w http.ResponseWriter, r *http.Request) { send(w, r, s.Snapshot) })
	mux.HandleFunc("GET /api/v1/backup/blobs/{digest}", func(w http.ResponseWriter, r *http.Request) {
		send(w, r, func(ctx context.Context) (io.ReadCloser, error) {
			d, err := registry.ParseDigest(r.PathValue("digest"))
			if err != nil {
				return nil, err
			}
			return s.BlobBytes(ctx, d)
		})
	})
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, fmt.Errorf("%w: the request comes from another site's page", registry.ErrDenied))
	}))
	return protection.Handler(mux)
}

type handler struct{ site Site }

// decode reads a body that is one JSON value of known fields.
func decode(r *http.Request, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxRequest))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		err = cmp.Or(err, errors.New("more than one value"))
	}
	return fmt.Errorf("%w: request: %w", registry.ErrInvalid, err)
}

// answer makes a handler of a function that returns its answer.
func answer(do func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		result, err := do(r)
		if err != nil {
			refuse(w, err)
			return
		}
		w.Header().Set("Content-Type", typeJSON)
		_ = json.NewEncoder(w).Encode(result)
	}
}

func refuse(w http.ResponseWriter, err error) {
	f, status := describeError(err)
	w.Header().Set("Content-Type", typeJSON)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(f)
}

// stream runs a verb that tells of events.
func stream[E, R any](w http.ResponseWriter, run func(tell func(E)) (*R, error)) {
	w.Header().Set("Content-Type", typeStream)
	out := json.NewEncoder(w)
	flush := http.NewResponseController(w)
	_ = flush.Flush() // the client knows that it runs
	result, err := run(func(e E) {
		_ = out.Encode(event[E, R]{Event: &e}) // a client that left ends the request's context
		_ = flush.Flush()
	})
	last := event[E, R]{Result: result}
	if err != nil {
		f, _ := describeError(err)
		last = event[E, R]{Error: &f}
	}
	_ = out.Encode(last)
}

func (h *handler) scrub(w http.ResponseWriter, r *http.Request) {
	var request scrubRequest
	if err := decode(r, &request); err != nil {
		refuse(w, err)
		return
	}
	stream(w, func(tell func(store.Damage)) (*store.Scrubbed, error) {
		return h.site.Scrub(r.Context(), store.ScrubOptions{Fresh: request.Fresh, Rate: request.Rate, Found: tell})
	})
}

func (h *handler) collect(w http.ResponseWriter, r *http.Request) {
	var request collectRequest
	if err := decode(r, &request); err != nil {
		refuse(w, err)
		return
	}
	stream(w, func(tell func(store.Kept)) (*store.Collected, error) {
		opts := store.CollectOptions{DryRun: request.DryRun, Now: request.Now}
		if request.Kept {
			opts.Kept = tell
		}
		return h.site.Collect(r.Context(), opts)
	})
}

func (h *handler) why(r *http.Request) (any, error) {
	d, err := registry.ParseDigest(r.PathValue("digest"))
	if err != nil {
		return nil, err
	}
	return h.site.Why(r.Context(), d)
}

func (p pinRequest) ref() registry.Ref {
	return registry.Ref{Repository: p.Repository, Tag: p.Tag, Digest: p.Digest}
}

func (h *handler) pin(r *http.Request) (any, error) {
	var p pinRequest
	if err := decode(r, &p); err != nil {
		return nil, err
	}
	return h.site.Pin(r.Context(), p.ref(), p.Owner, p.Reason)
}

func (h *handler) unpin(r *http.Request) (any, error) {
	var p pinRequest
	if err := decode(r, &p); err != nil {
		return nil, err
	}
	return struct{}{}, h.site.Unpin(r.Context(), p.ref(), p.Owner)
}

func (h *handler) setPolicy(r *http.Request) (any, error) {
	var content []byte
	if err := decode(r, &content); err != nil {
		return nil, err
	}
	return struct{}{}, h.site.SetPolicy(r.Context(), content)
}

func (h *handler) retain(r *http.Request) (any, error) {
	var request retainRequest
	if err := decode(r, &request); err != nil {
		return nil, err
	}
	return h.site.Retain(r.Context(), store.RetainOptions{DryRun: request.DryRun, Policy: request.Policy})
}

// send answers with bytes. What breaks off in the middle cuts the connection;
// what is all there but damaged is called so in the trailer.
func send(w http.ResponseWriter, r *http.Request, open func(context.Context) (io.ReadCloser, error)) {
	content, err := open(r.Context())
	if err != nil {
		refuse(w, err)
		return
	}
	defer content.Close()
	w.Header().Set("Content-Type", typeBytes)
	w.Header().Set("Trailer", errorTrailer)
	_, err = io.Copy(w, content)
	if errors.Is(err, registry.ErrDigest) {
		f, _ := describeError(err)
		text, _ := json.Marshal(f)
		w.Header().Set(errorTrailer, string(text))
	} else if err != nil {
		panic(http.ErrAbortHandler)
	}
}
