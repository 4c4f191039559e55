package appliance

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/bundle/media"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/attach"
	"github.com/landfall-dev/landfall/registry/remote"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/sync/config"
	"github.com/landfall-dev/landfall/sync/ondemand"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/auth"
	"github.com/landfall-dev/landfall/ui/certs"
	"github.com/landfall-dev/landfall/ui/chores"
	"github.com/landfall-dev/landfall/ui/definitions"
	"github.com/landfall-dev/landfall/ui/drives"
	"github.com/landfall-dev/landfall/ui/history"
	"github.com/landfall-dev/landfall/ui/jobs"
	"github.com/landfall-dev/landfall/ui/landing"
	"github.com/landfall-dev/landfall/ui/mirroring"
	"github.com/landfall-dev/landfall/ui/observe"
	"github.com/landfall-dev/landfall/ui/settings"
	"github.com/landfall-dev/landfall/ui/upload"
)

func (a *Appliance) openTraces(ctx context.Context) (err error) {
	if a.config.Trace.Endpoint == "" {
		return nil
	}
	if a.traces, err = observe.NewTraces(a.config.Trace.Endpoint, a.log); err != nil {
		return err
	}
	a.onClose(func() error {
		a.traces.Close(context.WithoutCancel(ctx))
		return nil
	})
	return nil
}

// never is how a store's options write that there is none of a time.
func never(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

func (a *Appliance) openStore(ctx context.Context) (err error) {
	if a.config.Mirror != "" {
		if _, err := mirroring.Load(a.config.Mirror); err != nil { // before a store is made
			return err
		}
	}
	c := a.config.Store
	a.store, err = store.Open(ctx, a.config.Data, store.Options{Lease: never(c.Lease), TrashAge: never(c.Trash), Warm: true,
		AcceptIncomplete: a.config.Registry.AcceptIncomplete})
	if err != nil {
		return err
	}
	a.onClose(a.store.Close)
	a.view = attach.NewView(a.store)
	a.keep = append(a.keep, func(ctx context.Context) { a.store.Keep(ctx, a.log) })
	return nil
}

func (a *Appliance) openHistory(ctx context.Context) (err error) {
	a.history, err = history.Open(ctx, a.store, history.Options{Log: a.log})
	return err
}

func (a *Appliance) openAudit(ctx context.Context) (err error) {
	a.audit, err = audit.Open(ctx, a.store)
	return err
}

// openDefinitions has the closure gate asked at the start, and whenever content came
// or went; and all that comes and goes noted.
func (a *Appliance) openDefinitions(ctx context.Context) error {
	var err error
	if a.values, err = definitions.OpenValues(ctx, a.store, a.config.Data, a.audit); err != nil {
		return err
	}
	a.definitions, err = definitions.Open(ctx, a.store, definitions.Options{Platforms: a.platforms, Values: a.values, Events: a.events, Log: a.log})
	if err != nil {
		return err
	}
	a.keep = append(a.keep, a.definitions.Keep)
	record := a.audit.Recorder()
	a.store.OnChange(func(ctx context.Context, tx *sql.Tx, changes []store.Change) error {
		if definitions.Concerns(changes) {
			a.definitions.Wake()
		}
		return record(ctx, tx, changes)
	})
	return nil
}

// platforms are those of the site's hosts, as an administrator says it, else as the
// linked ones are.
func (a *Appliance) platforms(ctx context.Context) ([]registry.Platform, error) {
	said := a.now().Definitions.Platforms
	if len(said) == 0 && a.hosts != nil {
		return a.hosts.Platforms(ctx)
	}
	return registry.ParsePlatforms(said)
}

func (a *Appliance) openJobs(ctx context.Context) (err error) {
	a.jobs, err = jobs.New(ctx, a.store, jobs.Options{Log: a.log, Audit: a.audit, Events: a.events, Describe: api.DescribeFailure, History: a.config.Jobs.History})
	if err != nil {
		return err
	}
	chores.Register(a.jobs, a.store, a.path(exportsFolder))
	when := chores.Schedule{ScrubRate: a.config.Store.ScrubRate, ScrubEvery: a.config.Store.ScrubEvery, CollectEvery: a.config.Store.CollectEvery, Log: a.log}
	a.keep = append(a.keep, a.jobs.Keep, func(ctx context.Context) { chores.Keep(ctx, a.jobs, a.store, when) })
	return nil
}

func (a *Appliance) openSettings(ctx context.Context, e *settings.Effective) (err error) {
	if a.settings, err = settings.Open(ctx, a.store, a.audit, e); err != nil {
		return err
	}
	for _, problem := range a.settings.Get().Problems {
		a.log.Warn("a setting counts for nothing: " + problem)
	}
	a.settings.OnChange(a.apply)
	return nil
}

// now is the configuration in force.
func (a *Appliance) now() settings.Config { return a.settings.Get().Config }

func (a *Appliance) openAuth(ctx context.Context) (err error) {
	if a.config.Auth.Open {
		return nil
	}
	c := a.now().Auth
	a.auth, err = auth.Open(ctx, a.store, auth.Options{Audit: a.audit, Log: a.log, SessionIdle: c.SessionIdle, SessionLife: c.SessionLifetime,
		AnonymousPull: func() bool { return a.now().Registry.AnonymousPull }})
	return err
}

func (a *Appliance) openCerts(context.Context) (err error) {
	a.certs, err = certs.Open(a.path(tlsFolder), certs.Options{Names: a.now().TLS.Names, Log: a.log, Audit: a.audit})
	if err == nil {
		a.keep = append(a.keep, a.certs.Keep)
	}
	return err
}

func (a *Appliance) openUploads(ctx context.Context) (err error) {
	a.uploads, err = upload.New(ctx, a.store, a.path(inboxFolder), upload.Options{
		Base: api.Prefix + "/uploads", Owner: func(r *http.Request) (string, bool) { return a.uploader(r.Context()) }, Limits: uploadLimits(a.now().Uploads), Log: a.log, Audit: a.audit, Events: a.events})
	if err != nil {
		return err
	}
	a.onClose(func() error {
		a.uploads.Close()
		return nil
	})
	a.keep = append(a.keep, a.uploads.Keep)
	return nil
}

func uploadLimits(c settings.Uploads) upload.Limits {
	return upload.Limits{Quota: c.Quota, OwnerQuota: c.PerUserQuota, KeepFree: cmp.Or(c.KeepFree, -1), Expiry: c.Expiry, WholeExpiry: c.KeepWhole}
}

// uploader is whose uploads a request means, and whether it may see those of others.
func (a *Appliance) uploader(ctx context.Context) (owner string, admin bool) {
	s, ok := auth.SubjectOf(ctx)
	if a.auth == nil || !ok || s.Kind == auth.Local {
		return "local", true
	}
	return string(s.Kind) + " " + s.ID, s.May(auth.SettingsWrite)
}

func (a *Appliance) openLanding(context.Context) error {
	if c := a.config.Media; c.Watch {
		a.drives = drives.New(a.jobs, drives.Options{
			Watch:     media.Options{Mount: c.Mount == settings.MountAuto, Devices: c.Devices, Folders: c.Folders, Own: []string{a.config.Data}},
			Automatic: func() bool { return a.now().Media.ImportPolicy == settings.ImportSigned },
			Events:    a.events, Log: a.log})
	}
	a.landing = landing.New(a.store, a.view, a.jobs, landing.Options{Uploads: a.uploads, Open: a.openSource, Beside: a.besideSource, Landed: a.definitions.Tell, Log: a.log})
	a.keep = append(a.keep, a.landing.Keep)
	if a.drives != nil {
		a.drives.SetLanding(a.landing)
		a.keep = append(a.keep, a.drives.Keep)
	}
	return nil
}

// openSource opens files on drives.
func (a *Appliance) openSource(ctx context.Context, s landing.Source, id string) (bundle.Medium, error) {
	if a.drives == nil {
		return nil, fmt.Errorf("%s: %w: this appliance watches no drives", s, registry.ErrNotFound)
	}
	f, err := a.drives.Open(ctx, s, id)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// besideSource names the files that a drive has as signatures of one: that are named
// like it, with more behind.
func (a *Appliance) besideSource(s landing.Source) (ids []string) {
	if a.drives == nil {
		return nil
	}
	for _, d := range a.drives.List() {
		i := slices.IndexFunc(d.Candidates, func(c media.Candidate) bool { return d.ID == s.Drive && c.ID == s.File })
		if i < 0 {
			continue
		}
		for _, c := range d.Candidates {
			rest, like := strings.CutPrefix(c.Name, d.Candidates[i].Name+".")
			if like && c.Form == media.Signature && !strings.Contains(rest, "/") {
				ids = append(ids, c.ID)
			}
		}
	}
	return ids
}

// openMirrors adds the mirrors of a file: runs, and what comes on demand.
func (a *Appliance) openMirrors(ctx context.Context) (err error) {
	if a.config.Mirror == "" {
		return nil
	}
	if a.mirroring, err = mirroring.New(ctx, a.store, a.jobs, a.config.Mirror, a.log); err != nil {
		return err
	}
	client, err := dial(a.mirroring.Config())
	if err != nil {
		return err
	}
	pulls := ondemand.New(a.mirroring.Config(), a.store, client, ondemand.Options{View: a.view, Log: a.log})
	a.onClose(func() error {
		pulls.Close()
		return nil
	})
	a.mirroring.OnReload(func(file *config.File) {
		client, err := dial(file)
		if err != nil {
			a.log.Error("what comes on demand goes on as before", "file", a.config.Mirror, "error", err)
			return
		}
		pulls.SetConfig(file, client)
	})
	a.upstream = pulls
	a.keep = append(a.keep, a.mirroring.Keep)
	return nil
}

// dial makes the client for a file's registries.
func dial(file *config.File) (*remote.Registry, error) {
	return remote.New(remote.Options{Hosts: file.Hosts()})
}
