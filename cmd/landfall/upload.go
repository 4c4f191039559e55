package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/upload"
	"github.com/landfall-dev/landfall/ui/upload/send"
)

func newUpload() *cobra.Command {
	u := &uploader{}
	c := &cobra.Command{
		Use:   "upload FILE...",
		Short: "Send files to an appliance: bundles, their parts and signatures, image archives, definitions",
		Long: "Send files to an appliance and print the ids of the uploads. Interrupted, it goes on where the appliance is when it is\n" +
			"called again with the same file. At the end the appliance's digest is compared with that of the file. What is done with\n" +
			"an upload is for the appliance to say. The token comes from --token-file or LANDFALL_TOKEN; the appliance on this machine\n" +
			"needs none.",
		Args: cobra.MinimumNArgs(1),
	}
	u.siteFlags = addSiteFlags(c)
	c.Flags().IntVar(&u.opts.Parts, "parts", 0, "send so many parts of a file at the same time (default: by its size, up to 4)")
	c.Flags().StringVar((*string)(&u.opts.Kind), "kind", "", "what the files are: bundle, part, signature, docker-archive, oci-archive, definition or cluster-backup (default: the appliance finds out)")
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, files []string) (err error) {
		if err := u.connect(c.Context()); err != nil {
			return err
		}
		defer u.opts.Client.CloseIdleConnections()
		results := []uploaded{}
		if *asJSON {
			defer func() { err = errors.Join(err, printJSON(c.OutOrStdout(), results)) }()
		}
		for _, file := range files {
			r, err := u.send(c, file)
			if err != nil {
				return err
			}
			results = append(results, *r)
			if !*asJSON {
				fmt.Fprintln(c.OutOrStdout(), r.ID)
			}
		}
		return nil
	}
	return c
}

// uploader sends files.
type uploader struct {
	*siteFlags
	opts send.Options
}

// uploaded is what upload prints of a file.
type uploaded struct {
	File string `json:"file"`
	upload.Upload
	Sent  int64 `json:"sent"`  // bytes that this call has sent
	Found int64 `json:"found"` // bytes that the appliance had before
}

// connect finds the appliance, and the token for it.
func (u *uploader) connect(ctx context.Context) (err error) {
	if u.opts.Parts < 0 || u.opts.Parts > maxParts {
		return usageError{fmt.Errorf("--parts %d: want 1 to %d", u.opts.Parts, maxParts)}
	}
	server := u.server
	if server == "" {
		if server = u.appliance(ctx); server == "" {
			return fmt.Errorf("%s: %w: no appliance runs there; start one with 'landfall serve', or name one with --server", u.data, registry.ErrUnreachable)
		}
	}
	if u.opts.Client, u.opts.URL, err = send.Dial(server, u.ca); errors.Is(err, registry.ErrInvalid) {
		return usageError{err}
	}
	if err == nil {
		u.opts.Token, err = u.token()
	}
	return err
}

// maxParts is how many parts make sense.
const maxParts = 16

// send sends one file, and shows how far it is.
func (u *uploader) send(c *cobra.Command, file string) (*uploaded, error) {
	bar := newProgress(c.ErrOrStderr(), "uploading "+upload.DisplayName(file))
	u.opts.File = file
	r, err := send.Send(c.Context(), u.opts, func(p send.Progress) { bar.at(p.Offset, p.Total) })
	bar.close()
	if err != nil {
		return nil, err
	}
	again := ""
	if r.Found > 0 {
		again = fmt.Sprintf("; %s had come before", units.Bytes(r.Found))
	}
	fmt.Fprintf(c.ErrOrStderr(), "landfall: %s: %s are at the appliance, %s%s\n", file, units.Bytes(r.Size), r.Digest, again)
	return &uploaded{file, r.Upload, r.Sent, r.Found}, nil
}
