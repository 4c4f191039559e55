package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"github.com/landfall-dev/landfall/ui/audit"
	"github.com/landfall-dev/landfall/ui/auth"
)

type auditInput struct {
	Actor   string    `query:"actor" maxLength:"128" doc:"Of this name"`
	Action  string    `query:"action" maxLength:"64" doc:"This one, or those that begin so: tag. for all that happened to tags"`
	Target  string    `query:"target" maxLength:"512" doc:"Or a part of it"`
	Outcome string    `query:"outcome" maxLength:"64"`
	Since   time.Time `query:"since"`
	Until   time.Time `query:"until"`
	Before  int64     `query:"before" minimum:"1" doc:"Those before this id: next of the page before"`
	Limit   int       `query:"limit" minimum:"1" maximum:"500" default:"100"`
}

// auditVerdict is what an examination of the log found.
type auditVerdict struct {
	audit.Verdict
	Whole  bool   `json:"whole" doc:"No entry was changed, added or taken out"`
	Broken string `json:"broken,omitempty" doc:"What is wrong, when it is not whole"`
}

func (a *API) auditRoutes() {
	l := a.opts.Audit
	add(a, route{method: http.MethodGet, path: "/audit", id: "list-audit", right: auth.AuditRead, summary: "List what was done, the newest first"},
		func(ctx context.Context, in *auditInput) (*answer[page[audit.Record]], error) {
			list, err := l.List(ctx, audit.Filter{Actor: in.Actor, Action: in.Action, Target: in.Target, Outcome: in.Outcome,
				Since: in.Since, Until: in.Until, Before: in.Before, Limit: in.Limit + 1})
			return give(pageOf(list, in.Limit, func(r audit.Record) string { return strconv.FormatInt(r.ID, 10) }), err)
		})
	add(a, route{method: http.MethodGet, path: "/audit/export", id: "export-audit", right: auth.AuditRead, media: typeStream, summary: "Read the whole log as JSON lines, with a signed checkpoint"}, a.exportAudit)
	add(a, route{method: http.MethodPost, path: "/audit/verify", id: "verify-audit", right: auth.AuditRead, summary: "Prove that no entry was changed"},
		func(ctx context.Context, _ *nothing) (*answer[auditVerdict], error) {
			v, err := l.Verify(ctx)
			if broken := (*audit.BrokenError)(nil); errors.As(err, &broken) {
				return give(auditVerdict{Verdict: v, Broken: err.Error()}, nil)
			}
			return give(auditVerdict{Verdict: v, Whole: true}, err)
		})
}

func (a *API) exportAudit(ctx context.Context, _ *nothing) (*huma.StreamResponse, error) {
	key, err := a.opts.Keys.SiteKey(ctx)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		w := humagin.Unwrap(c).Writer
		w.Header().Set("Content-Type", typeStream)
		w.Header().Set("Content-Disposition", `attachment; filename="audit.jsonl"`)
		if err := a.opts.Audit.Export(c.Context(), w, key); err != nil {
			_ = a.problem(c.Context(), err) // logs what is the site's own
			panic(http.ErrAbortHandler)     // without its checkpoint it is none
		}
	}}, nil
}
