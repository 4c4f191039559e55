package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/chores"
	"github.com/landfall-dev/landfall/ui/jobs"
	"github.com/landfall-dev/landfall/ui/landing"
)

type sourceInput struct {
	Keyed
	Body landing.Source
}

func (a *API) bundleRoutes() {
	add(a, route{method: http.MethodPost, path: "/bundles/inspect", id: "inspect-bundle", right: "bundles.read",
		summary: "Say what is in a bundle, and what would come of it here"},
		func(ctx context.Context, in *sourceInput) (*answer[*landing.Inspection], error) {
			if err := a.mayRead(ctx, in.Body); err != nil {
				return nil, err
			}
			return give(a.opts.Lander.Inspect(ctx, in.Body))
		})
	a.outlineRoutes()
	add(a, route{method: http.MethodPost, path: "/bundles/verify", id: "verify-bundle", right: "bundles.write", status: http.StatusAccepted,
		summary: "Prove every byte of a bundle"},
		func(ctx context.Context, in *sourceInput) (*jobAnswer, error) {
			if err := a.mayRead(ctx, in.Body); err != nil {
				return nil, err
			}
			return jobStarted(a.opts.Lander.Verify(ctx, in.Body, in.Key))
		})
	add(a, route{method: http.MethodPost, path: "/bundles/import", id: "import-bundle", right: "bundles.write", status: http.StatusAccepted,
		summary: "Land a bundle"}, a.importBundle)
	add(a, route{method: http.MethodGet, path: "/bundles/imports", id: "list-imports", right: "bundles.read", summary: "List imports, the newest first"},
		func(ctx context.Context, in *historyInput) (*answer[page[jobs.Job]], error) {
			return a.history(ctx, landing.Kind, in)
		})
	addJob(a, route{path: "/bundles/exports", id: "export-bundle", right: "bundles.write", summary: "Make a bundle of what is here"}, chores.Export, chores.ExportArgs{})
	add(a, route{method: http.MethodGet, path: "/bundles/exports", id: "list-exports", right: "bundles.read", summary: "List bundles that were made"}, a.listExports)
	add(a, route{method: http.MethodGet, path: "/bundles/exports/{id}/content", id: "download-export", right: "bundles.read", media: typeBytes, summary: "Read a bundle that was made"}, a.downloadExport)
	add(a, route{method: http.MethodDelete, path: "/bundles/exports/{id}", id: "delete-export", right: "bundles.write", summary: "Remove the file of a bundle that was made"}, a.deleteExport)
}

type historyInput struct {
	Before string `query:"before" maxLength:"64" doc:"Those before this one: next of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

func (a *API) history(ctx context.Context, kind string, in *historyInput) (*answer[page[jobs.Job]], error) {
	list, err := a.opts.Jobs.List(ctx, jobs.Filter{Kind: kind, Before: in.Before, Limit: in.Limit + 1})
	return give(pageOf(list, in.Limit, func(j jobs.Job) string { return j.ID }), err)
}

// mayRead refuses files of the machine to who is not on it.
func (a *API) mayRead(ctx context.Context, s landing.Source) error {
	if err := offered(a.opts.Lander != nil, "lands no bundles"); err != nil {
		return err
	}
	if s.Path != "" && !isLocal(ctx) {
		return errFar
	}
	return a.mayUse(ctx, s)
}

// mayUse refuses uploads of somebody else.
func (a *API) mayUse(ctx context.Context, s landing.Source) error {
	if a.opts.Uploads == nil || a.opts.Uploader == nil {
		return nil
	}
	owner, all := a.opts.Uploader(ctx)
	if s.Upload == "" || all {
		return nil
	}
	for _, id := range append([]string{s.Upload}, s.Signatures...) {
		// What is not whole, or gone, is for the landing to explain.
		if f, err := a.opts.Uploads.Whole(ctx, id); err == nil && f.Owner != owner {
			return fmt.Errorf("upload %s: %w", id, registry.ErrNotFound)
		}
	}
	return nil
}

// exportFile is the file of an export that has ended.
func (a *API) exportFile(ctx context.Context, id string) (string, error) {
	j, err := a.opts.Jobs.Get(ctx, id)
	if err != nil {
		return "", err
	}
	if j.Kind != chores.Export || j.State != jobs.Done {
		return "", &notOffered{"has no bundle of this job: it is no export, or has not ended"}
	}
	return chores.ExportFile(a.opts.Exports, j.ID), nil
}

func (a *API) downloadExport(ctx context.Context, in *JobInput) (*huma.StreamResponse, error) {
	path, err := a.exportFile(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, &notOffered{"has removed this bundle"}
	}
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		defer f.Close()
		w := humagin.Unwrap(c)
		w.Writer.Header().Set("Content-Type", typeBytes)
		w.Writer.Header().Set("Content-Disposition", "attachment; filename="+strconv.Quote(filepath.Base(path)))
		info, err := f.Stat()
		if err != nil {
			return
		}
		http.ServeContent(w.Writer, w.Request, "", info.ModTime(), io.NewSectionReader(f, 0, info.Size()))
	}}, nil
}

// deleteExport also removes what an export that failed or was cancelled has left.
func (a *API) deleteExport(ctx context.Context, in *JobInput) (*nothing, error) {
	j, err := a.opts.Jobs.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if j.Kind != chores.Export || !j.State.Ended() {
		return nil, &notOffered{"has no bundle of this job: it is no export, or has not ended"}
	}
	removed, err := chores.RemoveExport(a.opts.Exports, j.ID)
	if err == nil && !removed {
		err = &notOffered{"has removed this bundle"}
	}
	return &nothing{}, err
}
