package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/auth"
	"github.com/landfall-dev/landfall/ui/certs"
	"github.com/landfall-dev/landfall/ui/settings"
)

// settingsBody is what can be changed while the appliance runs.
type settingsBody struct {
	Version  int64              `json:"version"`
	Changed  time.Time          `json:"changed,omitzero" doc:"The last change"`
	Settings []settings.Setting `json:"settings"`
	Problems []string           `json:"problems,omitempty" doc:"Kept values that this version does not understand"`
}

type settingsAnswer struct {
	ETag string `header:"ETag"`
	Body settingsBody
}

func giveSettings(s settings.Settings) *settingsAnswer {
	return &settingsAnswer{versionTag(s.Version), settingsBody{s.Version, s.Changed, s.Settings(), s.Problems}}
}

type changeSettingsInput struct {
	IfMatch string         `header:"If-Match" required:"true" doc:"The ETag that was read"`
	Body    map[string]any `doc:"The new values by field; null for the default"`
}

func (a *API) settingsRoutes() {
	k := a.opts.Settings
	add(a, route{method: http.MethodGet, path: "/settings", id: "get-settings", right: auth.SettingsRead, summary: "Read what can be changed while the appliance runs"},
		func(context.Context, *nothing) (*settingsAnswer, error) { return giveSettings(k.Get()), nil })
	add(a, route{method: http.MethodPatch, path: "/settings", id: "change-settings", right: auth.SettingsWrite, summary: "Change settings"},
		func(ctx context.Context, in *changeSettingsInput) (*settingsAnswer, error) {
			version, err := versionOf(in.IfMatch)
			if err != nil {
				return nil, err
			}
			s, err := k.Set(ctx, version, in.Body)
			if changed := (*settings.VersionError)(nil); errors.As(err, &changed) {
				err = stale(in.IfMatch, err)
			}
			if err != nil {
				return nil, err
			}
			return giveSettings(s), nil
		})
	add(a, route{method: http.MethodGet, path: "/settings/effective", id: "get-configuration", right: auth.SettingsRead, summary: "Read the whole configuration, and where each value comes from"},
		func(context.Context, *nothing) (*answer[[]settings.Value], error) { return give(k.Get().Values(), nil) })
	a.certRoutes()
}

type certificateRequest struct {
	Certificate string `json:"certificate" minLength:"1" maxLength:"262144" doc:"The chain (PEM), the server's first"`
	Key         string `json:"key" minLength:"1" maxLength:"65536" doc:"Its private key (PEM), not encrypted"`
}

type certificateInput struct {
	IfMatch string `header:"If-Match" doc:"The version that was read"`
	Body    certificateRequest
}

type certificateAnswer struct {
	ETag string `header:"ETag"`
	Body certs.Status
}

func (a *API) giveCertificate(err error) (*certificateAnswer, error) {
	if err != nil {
		return nil, err
	}
	s := a.opts.Certs.Status()
	return &certificateAnswer{`"` + s.Version + `"`, s}, nil
}

// stale is a conflict as the condition that does not hold, where there is one.
func stale(ifMatch string, err error) error {
	if ifMatch == "" || !errors.Is(err, registry.ErrConflict) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrPrecondition, err)
}

// tagged is what stands between the quotes of an entity tag; empty for any.
func tagged(etag string) string {
	if etag == "*" {
		return ""
	}
	if n := len(etag); n > 1 && etag[0] == '"' && etag[n-1] == '"' {
		return etag[1 : n-1]
	}
	return etag
}

type pemAnswer struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

func (a *API) certRoutes() {
	add(a, route{method: http.MethodGet, path: "/tls", id: "get-tls", right: auth.SystemRead, summary: "Say how the appliance proves itself"},
		func(context.Context, *nothing) (*certificateAnswer, error) {
			if err := offered(a.opts.Certs != nil, "speaks no HTTPS"); err != nil {
				return nil, err
			}
			return a.giveCertificate(nil)
		})
	add(a, route{method: http.MethodPut, path: "/tls/certificate", id: "set-certificate", right: auth.SettingsWrite, summary: "Use a certificate of one's own"},
		func(ctx context.Context, in *certificateInput) (*certificateAnswer, error) {
			if err := offered(a.opts.Certs != nil, "speaks no HTTPS"); err != nil {
				return nil, err
			}
			_, err := a.opts.Certs.SetCustom(ctx, []byte(in.Body.Certificate), []byte(in.Body.Key), tagged(in.IfMatch))
			return a.giveCertificate(stale(in.IfMatch, err)) // with the warnings that it gives rise to
		})
	add(a, route{method: http.MethodDelete, path: "/tls/certificate", id: "remove-certificate", right: auth.SettingsWrite, summary: "Go back to the site's own certificate"},
		func(ctx context.Context, in *struct {
			IfMatch string `header:"If-Match" doc:"The version that was read"`
		}) (*certificateAnswer, error) {
			if err := offered(a.opts.Certs != nil, "speaks no HTTPS"); err != nil {
				return nil, err
			}
			return a.giveCertificate(stale(in.IfMatch, a.opts.Certs.RemoveCustom(ctx, tagged(in.IfMatch))))
		})
	add(a, route{method: http.MethodGet, path: "/tls/ca.pem", id: "get-ca", right: Anyone, media: typePEM, summary: "Read the site's authority, for hosts to trust"},
		func(context.Context, *nothing) (*pemAnswer, error) {
			if err := offered(a.opts.Certs != nil, "speaks no HTTPS"); err != nil {
				return nil, err
			}
			return &pemAnswer{typePEM, a.opts.Certs.CAPEM()}, nil
		})
}
