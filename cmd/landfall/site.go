package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/priority"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/api"
)

// site is where a verb works: a store on this machine, or an appliance.
type site interface {
	registry.Reader
	registry.Writer
	registry.Lister
	registry.Deleter
	Close() error
}

// siteFlags say which site is meant.
type siteFlags struct {
	data, server, ca string
	tokenFile        string
	store            store.Options // when the store is opened here
	makes            bool          // a store that is new is made
}

func addSiteFlags(c *cobra.Command) *siteFlags {
	f := &siteFlags{}
	addDataFlag(c, &f.data)
	c.Flags().StringVar(&f.server, "server", "", "speak to the appliance at this `URL` instead")
	c.Flags().StringVar(&f.ca, "ca", "", "trust the certificates in this PEM `file` too")
	f.addToken(c)
	c.MarkFlagsMutuallyExclusive("data", "server")
	return f
}

func addDataFlag(c *cobra.Command, data *string) {
	c.Flags().StringVar(data, "data", defaultData(), "data `folder` of the store (LANDFALL_DATA)")
}

func defaultData() string {
	if dir := os.Getenv("LANDFALL_DATA"); dir != "" {
		return dir
	}
	if os.Getuid() == 0 {
		return "/var/lib/landfall"
	}
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "landfall")
	}
	home, _ := os.UserHomeDir()
	return filepath.Join(home, ".local", "share", "landfall")
}

// socketName is where a running appliance is reached on its own machine.
const socketName = "landfall.sock"

// open opens the site to be written to; a store that is new is made.
func (f *siteFlags) open(ctx context.Context) (site, error) {
	s, server, err := f.find(ctx)
	if err != nil {
		return nil, err // not s: a nil store is no nil site
	}
	if s != nil {
		return s, nil
	}
	return f.dialRegistry(server, nil)
}

// hold tells an appliance that an import is under way. Another registry has
// nothing to be told.
func (f *siteFlags) hold(ctx context.Context, server string) (release func(), err error) {
	priority.Lower() // the appliance's clients come first
	client, err := f.dial(server)
	if err != nil {
		return nil, err
	}
	end, err := client.Hold(ctx, store.HoldImport)
	if errors.Is(err, registry.ErrUnreachable) {
		return nil, err
	}
	if err != nil {
		end = func() {}
	}
	return func() {
		end()
		client.Close()
	}, nil
}

// find opens the store, or says at which address its appliance is.
func (f *siteFlags) find(ctx context.Context) (s *store.Store, server string, err error) {
	if f.server != "" {
		if !strings.Contains(f.server, "://") {
			return nil, "", usageError{fmt.Errorf("--server %q: want a URL like http://127.0.0.1:5080", f.server)}
		}
		return nil, f.server, nil
	}
	s, err = store.Open(ctx, f.data, f.store)
	if inUse := (*store.InUseError)(nil); errors.As(err, &inUse) {
		if server := f.appliance(ctx); server != "" {
			return nil, server, nil
		} // else it is an import, not an appliance
	}
	if err == nil {
		if err = recordChanges(ctx, s, localActor()); err != nil {
			return nil, "", errors.Join(err, s.Close())
		}
	}
	return s, "", err
}

// appliance is the address of the appliance on this machine that is meant, if
// it listens.
func (f *siteFlags) appliance(ctx context.Context) (server string) {
	socket, ok := strings.CutPrefix(f.server, "unix://")
	if f.server == "" {
		var err error
		socket, err = filepath.Abs(filepath.Join(f.data, socketName))
		ok = err == nil
	}
	if !ok {
		return ""
	}
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return ""
	}
	c.Close()
	return "unix://" + socket
}

// openExisting opens the site to be read; it makes nothing.
func (f *siteFlags) openExisting(ctx context.Context) (site, error) {
	if err := f.mustExist(); err != nil {
		return nil, err
	}
	return f.open(ctx)
}

func (f *siteFlags) mustExist() error {
	if _, err := os.Stat(filepath.Join(f.data, store.Database)); f.server == "" && !f.makes && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w: no store is there; name its folder with --data, or an appliance with --server", f.data, registry.ErrNotFound)
	}
	return nil
}

// manage makes a command that keeps a site in order.
func (f *siteFlags) manage(run func(c *cobra.Command, s managed, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) (err error) {
		if err := f.mustExist(); err != nil {
			return err
		}
		var s managed
		local, server, err := f.find(c.Context())
		if err == nil && local != nil {
			s = local
		} else if err == nil {
			s, err = f.dial(server)
		}
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.Close()) }()
		return run(c, s, args)
	}
}

// managed is a site that is kept in order.
type managed interface {
	api.Site
	Close() error
}

// verb makes a command that works on what the site holds already.
func (f *siteFlags) verb(run func(c *cobra.Command, s site, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		s, err := f.openExisting(c.Context())
		if err != nil {
			return err
		}
		defer s.Close()
		return run(c, s, args)
	}
}

// eachName does something to a name as the site lists it or, when that is not
// there, as Docker would complete it; it returns the one that was there.
func eachName(text string, do func(registry.Ref) error) (registry.Ref, error) {
	if ref, err := registry.ParseName(text); err == nil {
		if err := do(ref); !errors.Is(err, registry.ErrNotFound) {
			return ref, err
		}
	}
	ref, err := registry.ParseRef(text)
	if err != nil {
		return ref, usageError{err}
	}
	return ref, do(ref)
}

// findName finds the name that is meant. An appliance completes names, too, but
// removes and exports only what it lists.
func findName(ctx context.Context, s site, text string) (registry.Ref, error) {
	completed, _ := registry.ParseRef(text)
	return eachName(text, func(ref registry.Ref) error {
		if ref.Repository != completed.Repository {
			if err := mustList(ctx, s, ref); err != nil {
				return err
			}
		}
		_, err := s.Resolve(ctx, ref)
		return err
	})
}

// mustList is ErrNotFound when a site does not list a name's repository.
func mustList(ctx context.Context, s registry.Lister, ref registry.Ref) error {
	before := ref.Repository[:len(ref.Repository)-1]
	for name, err := range s.Repositories(ctx, before) {
		if err != nil {
			return err
		}
		if name == ref.Repository {
			return nil
		}
		if registry.RepositoryPath(name) > ref.Repository {
			break
		}
	}
	return fmt.Errorf("%s: %w", ref, registry.ErrNotFound)
}
