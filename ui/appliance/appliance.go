// Package appliance puts a site's appliance together of its parts, from a
// configuration, and runs it: what is opened first, who is told what, and in which
// order everything ends. Each part's behaviour is in the part's own package.
package appliance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"

	"github.com/landfall-dev/landfall/lifecycle/sitevalues"
	"github.com/landfall-dev/landfall/registry/attach"
	"github.com/landfall-dev/landfall/registry/engine"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/auth"
	"github.com/landfall-dev/landfall/ui/certs"
	"github.com/landfall-dev/landfall/ui/clusters"
	"github.com/landfall-dev/landfall/ui/definitions"
	"github.com/landfall-dev/landfall/ui/diagnostics"
	"github.com/landfall-dev/landfall/ui/drives"
	"github.com/landfall-dev/landfall/ui/events"
	"github.com/landfall-dev/landfall/ui/history"
	"github.com/landfall-dev/landfall/ui/hosts"
	"github.com/landfall-dev/landfall/ui/jobs"
	"github.com/landfall-dev/landfall/ui/landing"
	"github.com/landfall-dev/landfall/ui/mirroring"
	"github.com/landfall-dev/landfall/ui/observe"
	"github.com/landfall-dev/landfall/ui/settings"
	"github.com/landfall-dev/landfall/ui/upload"
)

// The data folder, beside what is the store's:
//
//	tls/            the site's authority, and a customer's certificate
//	inbox/          uploads
//	exports/        bundles that were made here
//	clusters/       states of clusters that are being restored, encrypted
//	values.key      the key of the sealed values of definitions
//	landfall.sock   for commands on this machine
const (
	tlsFolder      = "tls"
	inboxFolder    = "inbox"
	exportsFolder  = "exports"
	clustersFolder = "clusters"
	// Socket is where an appliance is reached on its own machine.
	Socket = "landfall.sock"
)

// Options are what an appliance is given besides its configuration.
type Options struct {
	Version string
	Log     *slog.Logger      // nil for silence
	Level   *slog.LevelVar    // of the log, for a reload; nil: it cannot be changed
	Ring    *diagnostics.Ring // the log's last lines; nil: none are kept
	// Console gets what whoever starts the appliance has to see: where it answers,
	// and the link of the first start. Nil for nobody.
	Console io.Writer
	// Reload reads the configuration again; nil: it is never read again.
	Reload func() (*settings.Effective, error)
}

// Appliance is everything that stands at a site.
type Appliance struct {
	opts   Options
	log    *slog.Logger
	config settings.Config // as it was started

	store     *store.Store
	view      *attach.View
	audit     *audit.Log
	events    *events.Bus
	jobs      *jobs.Pool
	settings  *settings.Keeper
	auth      *auth.Auth // nil when the appliance is open
	certs     *certs.Certs
	uploads   *upload.Uploads
	landing   *landing.Landing
	drives    *drives.Drives       // nil when none are watched
	mirroring *mirroring.Mirroring // nil without mirrors
	upstream  engine.Upstream
	traces    *observe.Traces
	history   *history.History

	values      *sitevalues.Values
	definitions *definitions.Definitions
	hosts       *hosts.Hosts       // nil when none are managed
	clusters    *clusters.Clusters // nil without hosts

	keep   []func(ctx context.Context) // what goes on for as long as it runs
	ending chan struct{}               // closed when its server begins to end
	closes []func() error              // the last one first
}

// Open puts an appliance together. Close ends it.
func Open(ctx context.Context, e *settings.Effective, opts Options) (_ *Appliance, err error) {
	a := &Appliance{opts: opts, log: opts.Log, config: e.Config, events: events.NewBus(0), ending: make(chan struct{})}
	a.log = cmp.Or(a.log, slog.New(slog.DiscardHandler))
	if a.opts.Console == nil {
		a.opts.Console = io.Discard
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.Close())
		}
	}()
	for _, open := range []func(ctx context.Context) error{
		a.openTraces, a.openStore, a.openHistory, a.openAudit, a.openDefinitions, a.openJobs,
		func(ctx context.Context) error { return a.openSettings(ctx, e) },
		a.openAuth, a.openCerts, a.openHosts, a.openUploads, a.openLanding, a.openMirrors,
	} {
		if err := open(ctx); err != nil {
			return nil, a.named(err)
		}
	}
	return a, nil
}

// named says of an error whose appliance it is, if it does not itself.
func (a *Appliance) named(err error) error {
	if a.store == nil || strings.Contains(err.Error(), a.config.Data) {
		return err
	}
	return fmt.Errorf("%s: %w", a.path(store.Database), err)
}

// Close ends what Open began. It comes after Run.
func (a *Appliance) Close() error {
	var errs []error
	for k := len(a.closes) - 1; k >= 0; k-- {
		errs = append(errs, a.closes[k]())
	}
	a.closes = nil
	return errors.Join(errs...)
}

func (a *Appliance) onClose(do func() error) { a.closes = append(a.closes, do) }

func (a *Appliance) path(elem string) string { return filepath.Join(a.config.Data, elem) }

// Run serves until ctx ends: then requests may go on for a while, jobs are noted
// down to go on at the next start, and all that goes on beside them ends.
func (a *Appliance) Run(ctx context.Context) error {
	server, err := a.newServer(ctx)
	if err != nil {
		return err
	}
	a.keep = append(a.keep, func(ctx context.Context) { a.history.Keep(ctx, server, a.store) })
	listeners, err := a.listen(ctx)
	if err != nil {
		return err
	}
	a.keepHosts(listeners.hosts)
	keeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	var kept sync.WaitGroup
	for _, keep := range a.keep {
		kept.Go(func() { keep(keeping) })
	}
	defer kept.Wait()
	defer stop()
	defer a.events.Close()
	if err := a.greet(ctx, listeners); err != nil {
		listeners.close()
		return err
	}
	notifier, end := a.serveManager(keeping, &kept)
	defer end()
	metrics := a.serveMetrics(server.Metrics(), listeners.metrics)
	defer metrics()
	told := make(chan struct{})
	stopTelling := context.AfterFunc(ctx, func() {
		defer close(told)
		notifier.Stopping()
		a.uploads.Close() // what receives ends with what it has
	})
	defer func() {
		if !stopTelling() {
			<-told
		}
	}()
	return server.Serve(ctx, listeners.all...)
}

// greet tells the console where the appliance answers, and, as long as there is
// nobody who could sign in, how the first one can.
func (a *Appliance) greet(ctx context.Context, l *listeners) error {
	for _, address := range l.addresses {
		fmt.Fprintf(a.opts.Console, "landfall: serving %s from %s\n", address, a.config.Data)
	}
	if l.hosts != nil {
		fmt.Fprintf(a.opts.Console, "landfall: hosts link at https://%s\n", l.hosts.Addr())
	}
	if a.config.Auth.Open {
		fmt.Fprintln(a.opts.Console, "landfall: open: nobody is asked who they are")
		return nil
	}
	if l.tls {
		fmt.Fprintf(a.opts.Console, "landfall: the site's authority has SHA-256 fingerprint %s\n", a.certs.Fingerprint())
	}
	link, err := a.auth.Setup(ctx)
	if err != nil || link == "" {
		return err
	}
	fmt.Fprintf(a.opts.Console, "landfall: nobody can sign in yet; make the first administrator, once and within 24 hours, at\n\n  %s%s\n\n"+
		"landfall: or on this machine with 'landfall user add NAME --role admin'\n", l.browser, link)
	return nil
}

// serveMetrics answers on a listener of its own; the function returned ends that.
func (a *Appliance) serveMetrics(metrics http.Handler, l net.Listener) (end func()) {
	if l == nil {
		return func() {}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout, ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelWarn)}
	var served sync.WaitGroup
	served.Go(func() { _ = server.Serve(l) })
	return func() {
		server.Close()
		served.Wait()
	}
}
