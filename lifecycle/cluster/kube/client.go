// Package kube is what is done to a cluster through its API server: nodes are waited
// for, emptied and let back, layers of a definition are applied, proven and taken out.
// It knows no hosts and no plans, and keeps nothing but what it writes into the cluster.
//
// Nouns. An object of ours carries the label landfall.dev/layer. The inventory of a
// layer is the list of its objects, kept in the cluster in the namespace
// landfall-system, by which what a newer version does not have any more is found. A
// gate is a wait for things to be as they should be.
//
// An API server that is away for a while, as during an upgrade of a control plane of one
// host, is waited for until the context ends.
package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/landfall-dev/landfall/registry"
)

// Options of a Client. The zero value is the default.
type Options struct {
	Owner string        // field manager, and who cordoned; "landfall" when empty
	Every time.Duration // between two looks at what is waited for; 1 s when 0
	Kinds time.Duration // for which a kind that the cluster does not know is waited for; 1 min when 0
	Log   *slog.Logger  // nil for silence
}

// Client speaks to one cluster.
type Client struct {
	opts    Options
	server  string
	http    *http.Client
	objects dynamic.Interface
	found   *discovery.DiscoveryClient
	mapper  *restmapper.DeferredDiscoveryRESTMapper
	shared  *shared
}

const (
	defaultOwner = "landfall"
	lookEvery    = time.Second
	awaitKinds   = time.Minute
	pageSize     = 100 // objects of a list that are in memory at once
	requestLimit = 30 * time.Second
	dialLimit    = 10 * time.Second
	idleLimit    = 90 * time.Second
	idleMost     = 4 // connections; HTTP/2 needs one
	// Requests per second, and at once: many objects of a layer are looked at.
	queries, burst = 50, 100
)

// New makes a client of a kubeconfig. It dials nobody yet.
func New(kubeconfig []byte, opts Options) (*Client, error) {
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("%w: kubeconfig: %w", registry.ErrInvalid, err)
	}
	opts.Owner, opts.Every, opts.Kinds = cmp.Or(opts.Owner, defaultOwner), cmp.Or(opts.Every, lookEvery), cmp.Or(opts.Kinds, awaitKinds)
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	config.Timeout, config.QPS, config.Burst, config.UserAgent = requestLimit, queries, burst, opts.Owner
	config.WarningHandler = rest.NoWarnings{}
	c := &Client{opts: opts, server: config.Host, shared: newShared()}
	if c.http, err = httpClient(config); err != nil {
		return nil, err
	}
	if c.objects, err = dynamic.NewForConfigAndClient(config, c.http); err != nil {
		return nil, err
	}
	if c.found, err = discovery.NewDiscoveryClientForConfigAndClient(config, c.http); err != nil {
		return nil, err
	}
	c.mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(c.found))
	return c, nil
}

// httpClient has connections of its own: client-go keeps those of each certificate for all
// clients, and nobody could close them.
func httpClient(config *rest.Config) (*http.Client, error) {
	security, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, err
	}
	own := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: security, TLSHandshakeTimeout: dialLimit, ForceAttemptHTTP2: true,
		DialContext: (&net.Dialer{Timeout: dialLimit, KeepAlive: dialLimit}).DialContext, MaxIdleConnsPerHost: idleMost, IdleConnTimeout: idleLimit,
	}
	wrapped, err := rest.HTTPWrappersForConfig(config, own)
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: closing{wrapped, own}, Timeout: config.Timeout}, nil
}

// closing closes what is below the wrappers.
type closing struct {
	http.RoundTripper
	own *http.Transport
}

// CloseIdleConnections is what http.Client looks for.
func (c closing) CloseIdleConnections() { c.own.CloseIdleConnections() }

// Close lets go of connections and of what was learned of the cluster's kinds. Requests
// that are under way end as they would; a client that is used again dials again.
func (c *Client) Close() {
	c.http.CloseIdleConnections()
	c.mapper.Reset()
}

// AwaitAPI waits until the API server says that it is ready. When the context ends
// before, the error says what it answered last.
func (c *Client) AwaitAPI(ctx context.Context) error {
	return c.until(ctx, "the API server at "+c.server, func(ctx context.Context) (string, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.server+"/readyz", nil)
		if err != nil {
			return "", err
		}
		answer, err := c.http.Do(request)
		if err != nil {
			return err.Error(), nil //nolint:nilerr // it is waited for
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return "it answers " + answer.Status, nil
		}
		return "", nil
	})
}

// until looks again and again until nothing is missing; look says what is. Errors that
// pass by themselves count as something that is missing.
func (c *Client) until(ctx context.Context, what string, look func(ctx context.Context) (missing string, err error)) error {
	last := ""
	for {
		missing, err := look(ctx)
		switch {
		case err != nil && !passing(err):
			return fmt.Errorf("%s: %w", what, err)
		case err == nil && missing == "":
			return nil
		case err != nil:
			missing = err.Error()
		}
		if last == "" || ctx.Err() == nil && !late(err) {
			last = missing
		}
		select {
		case <-time.After(c.opts.Every):
		case <-ctx.Done():
			return fmt.Errorf("%s: %w: %s", what, context.Cause(ctx), last)
		}
	}
}

// late reports whether an error says only that there is no time left for a request.
func late(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || err != nil && strings.Contains(err.Error(), "rate limiter Wait")
}

// passing reports whether an error is one of a server that is away, starts, or has too
// much to do.
func passing(err error) bool {
	switch {
	case apierrors.HasStatusCause(err, namespaceEnds):
		return true
	case apierrors.IsUnauthorized(err), apierrors.IsForbidden(err), apierrors.IsInvalid(err), apierrors.IsBadRequest(err),
		apierrors.IsNotFound(err), apierrors.IsMethodNotSupported(err), apierrors.IsAlreadyExists(err), apierrors.IsRequestEntityTooLargeError(err), apierrors.IsGone(err):
		return false
	case meta.IsNoMatchError(err), errors.Is(err, registry.ErrConflict), errors.Is(err, registry.ErrInvalid):
		return false
	}
	status := apierrors.APIStatus(nil)
	if asStatus(err, &status) {
		return true // timeouts, too many requests, conflicts, internal errors
	}
	text := err.Error()
	for _, fatal := range []string{"x509:", "unknown authority", "unsupported protocol"} {
		if strings.Contains(text, fatal) {
			return false
		}
	}
	return true // the network
}

// namespaceEnds is the cause of an error in a namespace that is being deleted.
const namespaceEnds metav1.CauseType = "NamespaceTerminating"

// retried does something that errors may keep from being done for a while.
func (c *Client) retried(ctx context.Context, what string, do func(ctx context.Context) error) error {
	return c.until(ctx, what, func(ctx context.Context) (string, error) { return "", do(ctx) })
}

// resource is where objects of a kind are; the namespace counts where the kind has some.
func (c *Client) resource(kind schema.GroupVersionKind, namespace string) (dynamic.ResourceInterface, error) {
	in, _, err := c.place(kind, namespace)
	return in, err
}

// place is resource, and says whether the kind has no namespaces.
func (c *Client) place(kind schema.GroupVersionKind, namespace string) (in dynamic.ResourceInterface, global bool, err error) {
	m, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) {
		c.mapper.Reset() // its definition may be new
		m, err = c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	}
	if err != nil {
		return nil, false, err
	}
	if m.Scope.Name() != meta.RESTScopeNameNamespace {
		return c.objects.Resource(m.Resource), true, nil
	}
	return c.objects.Resource(m.Resource).Namespace(namespace), false, nil
}

// each does something with each object of a list, which is read in pages.
func each(ctx context.Context, in dynamic.ResourceInterface, options metav1.ListOptions, do func(*unstructured.Unstructured) error) error {
	options.Limit = pageSize
	for {
		page, err := in.List(ctx, options)
		if err != nil {
			return err
		}
		for i := range page.Items {
			if err := do(&page.Items[i]); err != nil {
				return err
			}
		}
		if options.Continue = page.GetContinue(); options.Continue == "" {
			return nil
		}
	}
}

// Resources that every cluster has.
var (
	leaseResource     = schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
	nodeResource      = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	podResource       = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	configResource    = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	namespaceResource = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	budgetResource    = schema.GroupVersionResource{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"}
)
