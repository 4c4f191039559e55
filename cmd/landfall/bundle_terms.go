package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/internal/durable"
	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
	"github.com/landfall-dev/landfall/ui/api"
)

// termFlags say what a bundle that is made says beyond its content.
type termFlags struct {
	keys     []string
	channel  string
	sequence int64
	expires  string
	base     baseFlags
}

func (f *termFlags) add(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.keys, "sign", nil, "sign with this private `key` file; may be repeated")
	c.Flags().StringVar(&f.channel, "channel", "", "make it the next bundle of this `channel`")
	c.Flags().Int64Var(&f.sequence, "sequence", 0, "its `place` in the channel (default the time, in seconds)")
	c.Flags().StringVar(&f.expires, "expires", "", "let it be landed for this `time` only: 720h, 30d, 2w")
	f.base.add(c)
}

// options reads all that the flags name.
func (f *termFlags) options(platforms []registry.Platform) (o bundle.CreateOptions, err error) {
	o = bundle.CreateOptions{Created: time.Now(), Channel: f.channel, Sequence: f.sequence, Platforms: platforms}
	if f.sequence < 0 {
		return o, usageError{fmt.Errorf("--sequence %d: want 1 or more", f.sequence)}
	}
	if f.expires != "" {
		if o.Lasts, err = units.ParseAge(f.expires); err != nil {
			return o, usageError{fmt.Errorf("--expires %q: %w", f.expires, err)}
		}
	}
	if o.Keys, err = readPrivateKeys(f.keys); err != nil {
		return o, err
	}
	return o, f.base.apply(&o)
}

func newBundleSign() *cobra.Command {
	var keys []string
	var detached bool
	c := &cobra.Command{
		Use:   "sign FILE",
		Short: "Add signatures to a bundle",
		Long: "Add signatures to a bundle that was made with --sign or --channel, or, with --detached, make one for any bundle in a\n" +
			"file of its own, FILE.sig. Its content is not read: verify it first.",
		Args: cobra.ExactArgs(1),
	}
	c.Flags().StringArrayVar(&keys, "key", nil, "sign with this private `key` file; may be repeated")
	c.Flags().BoolVar(&detached, "detached", false, "leave the bundle as it is and write FILE.sig, of one key")
	c.RunE = func(c *cobra.Command, args []string) error {
		private, err := readPrivateKeys(keys)
		if err == nil && len(private) == 0 {
			err = usageError{errors.New("name the keys to sign with with --key NAME.key")}
		}
		if err == nil && detached && len(private) > 1 {
			err = usageError{errors.New("--detached: sign with one key at a time")}
		}
		if err != nil {
			return err
		}
		if detached {
			return signDetached(c, args[0], private[0])
		}
		added, err := bundle.Sign(args[0], private)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %d signatures added\n", args[0], added)
		return err
	}
	return c
}

// signDetached writes a signature beside a bundle.
func signDetached(c *cobra.Command, path string, key *trust.PrivateKey) error {
	content, err := bundle.SignDetached(path, key)
	if err == nil {
		err = durable.WriteFile(path+".sig", content, 0o644)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "%s.sig: signature of key %s\n", path, key.ID())
	return err
}

func newBundleInflate() *cobra.Command {
	var base, output string
	c := &cobra.Command{
		Use:   "inflate THIN",
		Short: "Make a full bundle of a thin one and what it stands on",
		Long: "Make a full bundle, which any tool for OCI archives reads, of a thin one and of the full bundle or the store that\n" +
			"has the rest. The result is not signed: the signatures are of the thin one.",
		Args: cobra.ExactArgs(1),
	}
	c.Flags().StringVar(&base, "base", "", "full bundle `file`, or data folder of a store, that has the rest")
	c.Flags().StringVarP(&output, "output", "o", "", "bundle `file` to make")
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		if base == "" || output == "" {
			return usageError{errors.New("name what it stands on with --base, and the bundle to make with -o FILE")}
		}
		b, closeBase, err := openBase(c.Context(), base)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, closeBase()) }()
		thin, err := bundle.Open(args[0])
		if err != nil {
			return err
		}
		defer thin.Close()
		p := newProgress(c.ErrOrStderr(), "inflating")
		h, err := bundle.Inflate(c.Context(), output, thin, b, registry.CopyOptions{Progress: p.event})
		p.close()
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		return printMade(c, output, h, p.moved(), *asJSON)
	}
	return c
}

// openBase opens what a thin bundle stands on.
func openBase(ctx context.Context, path string) (base bundle.Base, closeBase func() error, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, usageError{fmt.Errorf("--base: %w", err)}
	}
	if !info.IsDir() {
		r, err := bundle.Open(path)
		if err != nil {
			return nil, nil, err
		}
		return r, r.Close, nil
	}
	f := &siteFlags{data: path}
	if err := f.mustExist(); err != nil {
		return nil, nil, err
	}
	s, server, err := f.find(ctx)
	if err != nil {
		return nil, nil, err
	}
	if s != nil {
		return s, s.Close, nil
	}
	client, err := api.NewClient(api.ClientOptions{Server: server})
	if err != nil {
		return nil, nil, err
	}
	return client, client.Close, nil
}
