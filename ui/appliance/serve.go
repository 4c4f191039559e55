package appliance

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/landfall-dev/landfall/internal/resident"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/auth"
	"github.com/landfall-dev/landfall/ui/auth/oidc"
	"github.com/landfall-dev/landfall/ui/auth/registrytoken"
	"github.com/landfall-dev/landfall/ui/browse"
	"github.com/landfall-dev/landfall/ui/diagnostics"
	"github.com/landfall-dev/landfall/ui/host"
	"github.com/landfall-dev/landfall/ui/jobs"
	"github.com/landfall-dev/landfall/ui/service"
	"github.com/landfall-dev/landfall/ui/settings"
)

// newServer puts together what answers.
func (a *Appliance) newServer(ctx context.Context) (*ui.Server, error) {
	guard, err := a.guard(ctx)
	if err != nil {
		return nil, err
	}
	server := ui.NewServer(a.store, ui.Options{Log: a.log, LogRequests: a.config.Log.Requests, View: a.view, Upstream: a.upstream, Traces: a.traces,
		Guard: guard, Manage: map[string]http.Handler{
			api.Prefix + "/":         api.New(a.apiOptions()),
			api.Prefix + "/uploads":  a.allowed(auth.UploadsWrite, a.uploads),
			api.Prefix + "/uploads/": a.allowed(auth.UploadsWrite, a.uploads),
		}})
	server.OnEnding(func() { close(a.ending) })
	return server, nil
}

func (a *Appliance) apiOptions() api.Options {
	o := api.Options{Version: a.opts.Version, Log: a.log, Ending: a.ending, Site: a.store, Browser: browse.New(a.store, a.view), Jobs: a.jobs,
		Events: a.events, Lander: a.landing, Drives: a.drives, Uploads: a.uploads, Uploader: a.uploader, Exports: a.path(exportsFolder), Temp: a.path(inboxFolder), Definitions: a.definitions, Hosts: a.hosts, Clusters: a.clusters, Auth: a.auth, OIDC: a.config.Auth.OIDC.Issuer != "" && a.auth != nil,
		Audit: a.audit, Keys: a.store, Settings: a.settings, Certs: a.certs, Host: host.Options{Folders: []string{a.config.Data}}, History: a.history, Diagnostics: a.diagnostics()}
	if a.mirroring != nil { // a nil Mirroring is no nil Mirrorer
		o.Mirrors = a.mirroring
	}
	if a.auth != nil {
		o.Allow, o.MayRepository, o.Check = auth.Allow, auth.MayRepository, a.auth.Check
	}
	return o
}

// allowed lets in who has a right, where no operation of the API does that.
func (a *Appliance) allowed(right auth.Right, next http.Handler) http.Handler {
	if a.auth == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := auth.Allow(r.Context(), right); err != nil {
			api.Refuse(w, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func refuse(w http.ResponseWriter, _ *http.Request, err error) { api.Refuse(w, err) }

// guard says who may do what.
func (a *Appliance) guard(ctx context.Context) (*ui.Guard, error) {
	if a.auth == nil {
		return openGuard(), nil
	}
	gate, err := registrytoken.New(ctx, a.auth, registrytoken.Options{Log: a.log})
	if err != nil {
		return nil, err
	}
	g := &ui.Guard{Access: gate, Registry: gate.Wrap, ConnContext: auth.ConnContext, Open: map[string]http.Handler{registrytoken.Path: gate}}
	g.Identify = func(next http.Handler) http.Handler { return a.auth.Wrap(next, refuse) }
	g.Metrics = func(w http.ResponseWriter, r *http.Request) bool {
		err := auth.Allow(r.Context(), auth.MetricsRead)
		if err != nil {
			api.Refuse(w, err)
		}
		return err != nil
	}
	if err := a.addProvider(g); err != nil {
		return nil, err
	}
	return g, nil
}

// addProvider lets people sign in through an identity provider.
func (a *Appliance) addProvider(g *ui.Guard) error {
	c := a.config.Auth.OIDC
	if c.Issuer == "" {
		return nil
	}
	o := oidc.Options{Issuer: c.Issuer, ClientID: c.ClientID, BaseURL: c.BaseURL, Scopes: c.Scopes, GroupsClaim: c.GroupsClaim, NameClaim: c.NameClaim,
		Roles: map[string]auth.Role{}, Log: a.log}
	for _, of := range []struct {
		role   auth.Role
		groups []string
	}{{auth.Viewer, c.ViewerGroups}, {auth.Operator, c.OperatorGroups}, {auth.Admin, c.AdminGroups}} { // the highest counts
		for _, group := range of.groups {
			o.Roles[group] = of.role
		}
	}
	if c.ClientSecretFile != "" {
		secret, err := os.ReadFile(c.ClientSecretFile)
		if err != nil {
			return err
		}
		o.ClientSecret = strings.TrimSpace(string(secret))
	}
	if c.CAFile != "" {
		content, err := os.ReadFile(c.CAFile)
		if err != nil {
			return err
		}
		o.RootCAs = x509.NewCertPool()
		if !o.RootCAs.AppendCertsFromPEM(content) {
			return fmt.Errorf("auth.oidc.caFile: %s: %w: no certificate in it", c.CAFile, registry.ErrInvalid)
		}
	}
	p, err := oidc.New(a.auth, o)
	if err != nil {
		return err
	}
	g.Open["GET "+oidc.LoginPath] = g.Identify(http.HandlerFunc(p.Login))
	g.Open["GET "+oidc.CallbackPath] = g.Identify(http.HandlerFunc(p.Callback))
	return nil
}

// recentJobs is how many jobs a diagnostics bundle tells of.
const recentJobs = 200

func (a *Appliance) diagnostics() diagnostics.Sources {
	return diagnostics.Sources{Version: a.opts.Version, Log: a.opts.Ring,
		Doctor: diagnostics.JSON(a.store.Examine),
		Stats:  diagnostics.JSON(a.store.Stats),
		Config: diagnostics.JSON(func(context.Context) ([]settings.Value, error) { return a.settings.Get().Values(), nil }),
		Host: diagnostics.JSON(func(context.Context) (host.Report, error) {
			return host.Read(host.Options{Folders: []string{a.config.Data}}), nil
		}),
		Jobs:  diagnostics.JSON(func(ctx context.Context) ([]jobs.Job, error) { return a.jobs.List(ctx, jobs.Filter{Limit: recentJobs}) }),
		Audit: diagnostics.JSON(a.audit.Verify),
	}
}

// serveManager speaks to the service manager, and reloads when it is told to, until
// keeping ends.
func (a *Appliance) serveManager(keeping context.Context, kept *sync.WaitGroup) (n *service.Notifier, end func()) {
	n = service.New(a.log)
	kept.Go(func() {
		n.Watch(keeping, func(ctx context.Context) error {
			_, err := a.store.Stats(ctx)
			return err
		})
	})
	kept.Go(func() { n.Reload(keeping, a.reload) })
	n.Status("serving %s", a.config.Data)
	n.Ready()
	if err := resident.GiveBackProgram(); err != nil {
		a.log.Warn("pages that only starting needed stay in memory", "error", err)
	}
	return n, n.Close
}

// reload reads the configuration again and puts in force what can be.
func (a *Appliance) reload(context.Context) error {
	if a.opts.Reload == nil {
		return registry.ErrInvalid
	}
	next, err := a.opts.Reload()
	if err != nil {
		return err
	}
	at := a.settings.Get()
	changed, restart := settings.Diff(at.Effective, next)
	if len(restart) > 0 {
		a.log.Warn("these changes come into force with a restart", "fields", restart)
	}
	follow, err := at.Follow(next)
	if err != nil {
		return err
	}
	if _, err := a.settings.Rebase(follow); err != nil {
		return err
	}
	a.log.Info("the configuration was read again", "changed", changed)
	return nil
}

// apply puts settings in force that nobody asks for each time.
func (a *Appliance) apply(s settings.Settings) {
	c := s.Config
	if a.certs != nil {
		if err := a.certs.SetNames(c.TLS.Names); err != nil {
			a.log.Error("the names of the certificate stay as they were", "error", err)
		}
	}
	if a.opts.Level != nil {
		a.opts.Level.Set(c.Log.Level)
	}
	a.jobs.SetHistory(c.Jobs.History)
	a.uploads.SetLimits(uploadLimits(c.Uploads))
	a.definitions.Wake() // its platforms may be other ones
}
