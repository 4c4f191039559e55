package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/remote"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/sync/config"
	"github.com/landfall-dev/landfall/sync/mirror"
)

// syncFlags say what is mirrored, and where to.
type syncFlags struct {
	*siteFlags
	file, output, lock string
	spool              string
	mirrors            []string
	recheck            bool
	jobs               int
	asJSON             *bool
}

func addSyncFlags(c *cobra.Command) *syncFlags {
	f := &syncFlags{siteFlags: addSiteFlags(c)}
	c.Flags().StringVarP(&f.file, "file", "f", "", "mirrors to follow: a mirror.yaml `file`")
	c.Flags().StringVarP(&f.output, "output", "o", "", "make a bundle `file` of all that is chosen instead")
	c.Flags().StringVar(&f.lock, "lock", "", "have the digests that this `file` locks; it is written when it is not there")
	c.Flags().StringArrayVar(&f.mirrors, "mirror", nil, "only the mirror of this `name`; may be repeated")
	c.Flags().BoolVar(&f.recheck, "recheck", false, "look below digests that have not changed, too")
	c.Flags().IntVar(&f.jobs, "jobs", mirror.DefaultJobs, "blobs at once")
	c.Flags().StringVar(&f.spool, "spool", defaultSpool(), "`folder` for half blobs on their way to a registry or a bundle; \"\" for none")
	c.MarkFlagsMutuallyExclusive("data", "output")
	c.MarkFlagsMutuallyExclusive("server", "output")
	f.asJSON = jsonFlag(c)
	return f
}

func defaultSpool() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "landfall", "spool")
}

// syncing is a configuration with both of its sides open.
type syncing struct {
	cfg     *config.File
	up      *remote.Registry
	dst     site // nil: a bundle, or a store that is not there yet
	opts    mirror.Options
	lock    bool // there was one to be had
	release func()
}

func (f *syncFlags) open(ctx context.Context, planOnly bool) (s *syncing, err error) {
	if f.file == "" {
		return nil, usageError{fmt.Errorf("name the mirrors with -f FILE")}
	}
	if f.jobs < 1 || f.jobs > 64 {
		return nil, usageError{fmt.Errorf("--jobs %d: want 1 to 64", f.jobs)}
	}
	s = &syncing{opts: mirror.Options{Mirrors: f.mirrors, Recheck: f.recheck, Jobs: f.jobs, Spool: f.spool}, release: func() {}}
	if s.cfg, err = config.Load(f.file); err != nil {
		return nil, usageError{err}
	}
	for _, name := range f.mirrors {
		if s.cfg.Mirror(name) == nil {
			return nil, usageError{fmt.Errorf("no mirror is called %q (%s)", name, strings.Join(s.cfg.Names(), ", "))}
		}
	}
	if err := s.openLock(f.lock); err != nil {
		return nil, err
	}
	if s.up, err = remote.New(remote.Options{Hosts: s.cfg.Hosts(), CAFile: f.ca}); err != nil {
		return nil, usageError{err}
	}
	if f.output == "" {
		err = s.openSite(ctx, f.siteFlags, planOnly)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *syncing) openLock(path string) error {
	if path == "" {
		return nil
	}
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		s.opts.Lock, err = mirror.ParseLock(path, content)
	}
	if s.lock = err == nil; err != nil {
		return usageError{err}
	}
	return nil
}

// openSite opens the destination. Who only plans makes no store.
func (s *syncing) openSite(ctx context.Context, f *siteFlags, planOnly bool) error {
	if planOnly && errors.Is(f.mustExist(), registry.ErrNotFound) {
		return nil
	}
	local, server, err := f.find(ctx)
	if err != nil {
		return err
	}
	if local != nil {
		s.dst = local
		s.opts.Trust, err = local.TrustPolicy(ctx)
		return err
	}
	dst, err := f.dialRegistry(server, s.cfg.Hosts())
	if err != nil {
		return err
	}
	if s.dst = dst; planOnly {
		return nil
	}
	return s.hold(ctx, *f, server)
}

// hold tells the destination, if it is an appliance, that content is on its way.
// Whether it answers at all is found out by the copying.
func (s *syncing) hold(ctx context.Context, f siteFlags, server string) error {
	if u, err := url.Parse(server); err == nil {
		f.ca = cmp.Or(f.ca, s.cfg.Registry(u.Host).Remote.CAFile)
	}
	release, err := f.hold(ctx, server)
	if err == nil {
		s.release = release
	} else if errors.Is(err, registry.ErrUnreachable) {
		err = nil
	}
	return err
}

func (s *syncing) close() error {
	if s.release != nil {
		s.release()
	}
	err := s.up.Close()
	if s.dst != nil {
		err = errors.Join(err, s.dst.Close())
	}
	return err
}

// plan makes the plan, and the lock that was asked for and is not there.
func (s *syncing) plan(ctx context.Context, f *syncFlags) (*mirror.Plan, error) {
	var dst mirror.Destination
	if s.dst != nil { // a nil site is no nil Destination
		dst = s.dst
	}
	s.opts.Locking = f.lock != "" && !s.lock
	p, err := mirror.MakePlan(ctx, s.cfg, s.up, dst, s.opts)
	if err != nil || !s.opts.Locking {
		return p, err
	}
	return p, p.Locked().Write(f.lock)
}

// printMirrors prints what there is to say of whole mirrors.
func printMirrors(w io.Writer, list []mirror.Chosen) {
	for _, m := range list {
		switch {
		case m.OnDemand:
			fmt.Fprintf(w, "%s: comes on demand\n", m.Name)
		case m.Deferred != nil:
			fmt.Fprintf(w, "%s: its link is closed until %s\n", m.Name, m.Deferred.Local().Format(time.DateTime))
		case m.Problem != "":
			fmt.Fprintf(w, "%s: %s\n", m.Name, m.Problem)
		}
	}
}

var _ mirror.Destination = (*store.Store)(nil)
