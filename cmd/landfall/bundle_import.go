package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/registry/trust"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/definitions"
	"github.com/landfall-dev/landfall/ui/landing"
)

func newBundleImport() *cobra.Command {
	l := &lander{}
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Land a bundle in a site",
		Long: "Bring a bundle's content into a site. First the trust policy is asked; names become visible when all content is there.\n" +
			"Interrupted, it goes on where it stopped when it is called again. When a thin bundle needs what is not there, a wants\n" +
			"file is written: 'landfall bundle create --wants FILE' carries exactly that.",
		Args: cobra.ExactArgs(1),
	}
	l.siteFlags = addSiteFlags(c)
	l.addRequestFlags(c)
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := l.readKeys(); err != nil {
			return err
		}
		l.stderr = c.ErrOrStderr()
		l.progress = newProgress(c.ErrOrStderr(), "importing")
		header, verdict, err := l.land(c.Context(), args[0])
		l.progress.close()
		if err != nil {
			return l.explain(args[0], err)
		}
		for _, warning := range verdict.Warnings {
			fmt.Fprintf(c.ErrOrStderr(), "landfall: %s: %s\n", args[0], warning)
		}
		warnUngated(c.ErrOrStderr(), l.ungated)
		return printImported(c, landed{args[0], header.ID, l.progress.moved(), l.progress.skipped(), header.Names, l.took, l.gates, verdict}, *asJSON)
	}
	return c
}

// lander lands one bundle.
type lander struct {
	*siteFlags
	keys     []string // files
	wants    string
	request  landing.Request
	progress *progress
	stderr   io.Writer
	attached bool
	took     took
	gates    []definitions.Result // what the closure gate found then
	ungated  error                // why it could not be asked
}

// took is how long the parts of a landing took, in seconds; 0 where it is not
// known.
type took struct {
	Judging float64 `json:"judging"` // with --verify, proving too
	Landing float64 `json:"landing"`
}

// addRequestFlags adds what can be said of a landing.
func (l *lander) addRequestFlags(c *cobra.Command) {
	c.Flags().StringArrayVar(&l.keys, "key", nil, "let it in only if this public `key` file has signed; may be repeated")
	c.Flags().StringVar(&l.request.Override, "override", "", "let an expired, old or earlier bundle in, and remember `why`")
	c.Flags().BoolVar(&l.request.Verify, "verify", false, "prove every byte of the bundle before anything is brought in")
	c.Flags().BoolVar(&l.request.Attach, "attach", false, "let hosts pull at once, while the content is brought in; an appliance does so with every signed bundle")
	c.Flags().StringVar(&l.wants, "wants-file", "", "where to write what is missing (default NAME.wants.json, here)")
}

func (l *lander) readKeys() error {
	for _, path := range l.keys {
		k, err := readKey(path)
		if err != nil {
			return err
		}
		l.request.Keys = append(l.request.Keys, string(k.PEM()))
	}
	return nil
}

// land brings a bundle into the site and returns its header. An appliance on
// this machine reads the file itself; to any other the content is sent.
func (l *lander) land(ctx context.Context, file string) (*bundle.Header, *trust.Verdict, error) {
	var verdict *trust.Verdict
	if server := l.appliance(ctx); server != "" {
		var err error
		if verdict, err = l.handOver(ctx, server, file); err != nil && !errors.Is(err, api.ErrUnseen) {
			return nil, nil, err
		}
	}
	if verdict == nil && l.request.Attach {
		return nil, nil, usageError{fmt.Errorf("--attach: no appliance runs on %s that sees this file; start one with 'landfall serve'", l.data)}
	}
	r, err := bundle.Open(file)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	if verdict == nil {
		verdict, err = l.copy(ctx, r)
	}
	return r.Header(), verdict, err
}

// copy copies a bundle's content into the store, or to an appliance.
func (l *lander) copy(ctx context.Context, r *bundle.Reader) (*trust.Verdict, error) {
	opts, err := l.request.Options()
	if err != nil {
		return nil, err
	}
	opts.Copy.Progress = l.progress.event
	s, server, err := l.find(ctx)
	if err != nil {
		return nil, err
	}
	if s != nil {
		verdict, err := l.landHere(ctx, s, r, opts)
		return verdict, errors.Join(err, s.Close())
	}
	return l.send(ctx, server, r, opts)
}

func (l *lander) landHere(ctx context.Context, s *store.Store, r *bundle.Reader, opts bundle.LandOptions) (*trust.Verdict, error) {
	began := time.Now()
	a, err := bundle.Admit(ctx, s, r, opts)
	if err != nil {
		return nil, err
	}
	l.took.Judging = time.Since(began).Seconds()
	began = time.Now()
	err = a.Land(ctx, s, opts.Copy)
	l.took.Landing = time.Since(began).Seconds()
	if err == nil {
		l.gates, l.ungated = gatesHere(ctx, s)
	}
	return a.Verdict, err
}

func (l *lander) handOver(ctx context.Context, server, file string) (*trust.Verdict, error) {
	client, err := l.dial(server)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	done, err := client.ImportBundle(ctx, file, l.request, l.news)
	if err != nil {
		return nil, err
	}
	l.progress.importing(*done)
	l.gates, l.ungated = gatesAt(ctx, client)
	return done.Verdict, nil
}

// news shows what an appliance tells of a landing.
func (l *lander) news(at landing.Progress) {
	if at.Attached && !l.attached {
		l.attached = true
		fmt.Fprintln(l.stderr, "landfall: attached: hosts can pull now; the content is brought in behind, also without this command")
	}
	l.progress.importing(at)
}

// send sends a bundle's content to a registry, and tells it, if it is an
// appliance, for how long.
func (l *lander) send(ctx context.Context, server string, r *bundle.Reader, opts bundle.LandOptions) (*trust.Verdict, error) {
	s, err := l.dialRegistry(server, nil)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	release, err := l.hold(ctx, server)
	if err != nil {
		return nil, err
	}
	defer release()
	client, err := l.dial(server)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	if _, err := client.SiteID(ctx); err != nil {
		if errors.Is(err, registry.ErrUnreachable) || errors.Is(err, registry.ErrDenied) {
			return nil, err // who may not read the policy does not go round it
		}
		return bundle.Land(ctx, s, registrySite{}, r, opts) // a registry, and no appliance
	}
	verdict, err := bundle.Land(ctx, s, client, r, opts)
	if err == nil {
		l.gates, l.ungated = gatesAt(ctx, client)
	}
	return verdict, err
}

// registrySite is a registry that knows nothing of bundles.
type registrySite struct{}

func (registrySite) ManifestOf(context.Context, digest.Digest) (registry.Descriptor, []byte, error) {
	return registry.Descriptor{}, nil, registry.ErrNotFound
}

func (registrySite) ReferrersOf(context.Context, digest.Digest) ([]registry.Descriptor, error) {
	return nil, nil
}

func (registrySite) MissingBlobs(_ context.Context, blobs []registry.Descriptor) ([]registry.Descriptor, error) {
	return blobs, nil
}

func (registrySite) BlobBytes(context.Context, digest.Digest) (io.ReadCloser, error) {
	return nil, registry.ErrNotFound
}

func (registrySite) SiteID(context.Context) (string, error) { return "", nil }

func (registrySite) TrustPolicy(context.Context) (*trust.Policy, error) { return &trust.Policy{}, nil }

func (registrySite) TrustState(context.Context) (trust.State, error) { return trust.State{}, nil }

// explain names the file, and writes down what is missing.
func (l *lander) explain(file string, err error) error {
	missing := (*bundle.MissingError)(nil)
	if !errors.As(err, &missing) {
		return fmt.Errorf("import %s: %w", file, err)
	}
	path := l.wants
	if path == "" {
		base := filepath.Base(file)
		path = strings.TrimSuffix(base, filepath.Ext(base)) + ".wants.json"
	}
	content, wantsErr := missing.Wants.Marshal()
	if wantsErr == nil {
		wantsErr = os.WriteFile(path, content, 0o644)
	}
	if wantsErr != nil {
		return fmt.Errorf("import %s: %w; the list of what is missing could not be written: %w", file, err, wantsErr)
	}
	return fmt.Errorf("import %s: %w; %s lists what is missing: bring it with 'landfall bundle create --wants'", file, err, path)
}

// landed is what bundle import prints.
type landed struct {
	File    string        `json:"file"`
	ID      string        `json:"id"`
	Moved   int64         `json:"moved"`   // bytes that were new to the site
	Present int           `json:"present"` // blobs and manifests that it had
	Names   []bundle.Name `json:"names"`
	Seconds took          `json:"seconds"`
	// Definitions are those of the site, with what the closure gate found.
	Definitions []definitions.Result `json:"definitions,omitempty"`
	*trust.Verdict
}

func printImported(c *cobra.Command, l landed, asJSON bool) error {
	if asJSON {
		return printJSON(c.OutOrStdout(), l)
	}
	for _, n := range l.Names {
		fmt.Fprintf(c.OutOrStdout(), "%s\n", n.Name)
	}
	signed := ""
	if len(l.Signers) > 0 {
		signed = "; signed by " + strings.Join(l.Signers, ", ")
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), "%s: %d names are at the site, %s were new%s\n", l.File, len(l.Names), units.Bytes(l.Moved), signed)
	printGates(c.OutOrStdout(), l.Definitions)
	return err
}
