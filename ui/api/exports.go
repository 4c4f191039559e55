package api

import (
	"context"
	"os"

	"github.com/landfall-dev/landfall/ui/chores"
	"github.com/landfall-dev/landfall/ui/jobs"
)

// bundleMade is a job that makes a bundle, with the file that is there of it.
type bundleMade struct {
	jobs.Job
	FileBytes int64 `json:"fileBytes,omitempty" doc:"Bytes of the bundle's file; absent when it is not there yet, or was removed"`
}

// listExports also says which bundles are still there: the jobs stay when those are
// removed.
func (a *API) listExports(ctx context.Context, in *historyInput) (*answer[page[bundleMade]], error) {
	list, err := a.opts.Jobs.List(ctx, jobs.Filter{Kind: chores.Export, Before: in.Before, Limit: in.Limit + 1})
	made := make([]bundleMade, 0, len(list))
	for _, j := range list {
		b := bundleMade{Job: j}
		if j.State == jobs.Done {
			if info, err := os.Stat(chores.ExportFile(a.opts.Exports, j.ID)); err == nil {
				b.FileBytes = info.Size()
			}
		}
		made = append(made, b)
	}
	return give(pageOf(made, in.Limit, func(b bundleMade) string { return b.ID }), err)
}
