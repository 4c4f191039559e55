package api

import (
	"context"
	"net/http"
	"net/url"

	"github.com/landfall-dev/landfall/bundle/media"
	"github.com/landfall-dev/landfall/ui/landing"
)

// Drives are what is plugged in at an appliance, through its Client.
type Drives struct{ client *Client }

// Drives are the appliance's drives.
func (c *Client) Drives() *Drives { return &Drives{c} }

// List lists drives, and the bundles on them.
func (d *Drives) List(ctx context.Context) (l []media.Drive, err error) {
	return l, d.client.call(ctx, http.MethodGet, "bundles/drives", nil, &l)
}

// Rescan has the appliance look for drives, and through all that are there. It
// returns at once.
func (d *Drives) Rescan(ctx context.Context) error {
	return d.client.call(ctx, http.MethodPost, "bundles/drives/rescan", nil, nil)
}

// Eject has the appliance let go of a drive, so that it can be pulled out.
func (d *Drives) Eject(ctx context.Context, id string) error {
	return d.client.call(ctx, http.MethodPost, "bundles/drives/"+url.PathEscape(id)+"/eject", nil, nil)
}

// Import lands a bundle that is on a drive. Once hosts can pull from it, the
// import goes on when ctx ends.
func (d *Drives) Import(ctx context.Context, drive, file string, land landing.Request, tell func(landing.Progress)) (*landing.Progress, error) {
	j, err := d.client.StartJob(ctx, "bundles/import", importRequest{Source: landing.Source{Drive: drive, File: file}, Request: land})
	if err != nil {
		return nil, err
	}
	return d.client.followImport(ctx, j, tell)
}
