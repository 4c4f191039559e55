package definitions

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/lifecycle/closure"
	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/wants"
)

// CheckOptions of a check. The zero value is the default.
type CheckOptions struct {
	// Platforms that the content is wanted for, like linux/arm64; none: the site's.
	Platforms []string
	// Deep reads every byte.
	Deep bool
}

// Gate is what the gate found, in short.
type Gate struct {
	State     closure.State `json:"state" enum:"complete,missing,damaged,refused,moved"`
	Platforms []string      `json:"platforms"`
	Items     int           `json:"items" doc:"Images, charts, manifests and files"`
	Bad       int           `json:"bad" doc:"Of these, those that are not complete"`
	Digests   int           `json:"digests" doc:"That were looked for"`
	Bytes     int64         `json:"bytes" doc:"Of all that is wanted for these platforms"`
	Lacking   int64         `json:"lacking" doc:"Bytes that are missing"`
	Deep      bool          `json:"deep,omitempty" doc:"Every byte was read"`
	Checked   time.Time     `json:"checked"`
}

// String is the result in a few words.
func (g Gate) String() string {
	switch g.State {
	case closure.Complete:
		return "complete"
	case closure.Refused: // nothing is missing
		return fmt.Sprintf("the site's policy refuses %d of %d items", g.Bad, g.Items)
	}
	text := fmt.Sprintf("incomplete: %d of %d items", g.Bad, g.Items)
	if g.Lacking > 0 {
		return text + ", " + bytesText(g.Lacking) + " are missing"
	}
	return text + " are " + string(g.State)
}

// Checked is a report that was kept.
type Checked struct {
	Report *closure.Report `json:"report"`
	At     time.Time       `json:"at"`
}

// gateOf is a report in short.
func gateOf(r *closure.Report, at time.Time) Gate {
	g := Gate{State: r.State, Platforms: append([]string{}, r.Platforms...), Items: len(r.Items), Digests: r.Digests, Bytes: r.Bytes, Lacking: r.Lacking, Deep: r.Deep, Checked: at}
	for _, i := range r.Items {
		if i.State != closure.Complete {
			g.Bad++
		}
	}
	return g
}

// platforms are the site's, in the form of options.
func (s *Definitions) platforms(ctx context.Context) ([]string, error) {
	if s.opts.Platforms == nil {
		return nil, nil
	}
	list, err := s.opts.Platforms(ctx)
	texts := make([]string, 0, len(list))
	for _, p := range list {
		texts = append(texts, registry.PlatformString(p))
	}
	return sorted(texts), err
}

// sorted is a list ascending, each text once.
func sorted(texts []string) []string {
	texts = slices.Clone(texts)
	slices.Sort(texts)
	return slices.Compact(texts)
}

// Check asks the gate about a definition of the site, and keeps what it finds for the
// site's platforms. That it is incomplete is no error here: see closure.Report.Err.
func (s *Definitions) Check(ctx context.Context, name string, opts CheckOptions) (*closure.Report, error) {
	st, err := s.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	report, changed, err := s.checkStored(ctx, st, opts)
	if changed {
		s.Wake() // more may have come, or gone, while this took its time
	}
	return report, err
}

// checkStored checks a definition of the site. For the site's platforms what is found is
// kept, and clients are told when it is another result than before.
func (s *Definitions) checkStored(ctx context.Context, st *Stored, opts CheckOptions) (report *closure.Report, changed bool, err error) {
	site, err := s.platforms(ctx)
	if err != nil {
		return nil, false, err
	}
	if len(opts.Platforms) == 0 {
		opts.Platforms = site
	}
	if report, err = s.check(ctx, st.Definition, true, opts); err != nil || !slices.Equal(sorted(opts.Platforms), site) {
		return report, false, err
	}
	if changed, err = s.keepReport(ctx, site, report); changed {
		s.tellClients(ctx, st, report)
	}
	return report, changed, err
}

// CheckDocument asks the gate about a document, which need not be at the site. Nothing
// is kept.
func (s *Definitions) CheckDocument(ctx context.Context, document []byte, opts CheckOptions) (*closure.Report, error) {
	d, err := definition.Parse("definition", document)
	if err != nil {
		return nil, err
	}
	return s.check(ctx, d, false, opts)
}

func (s *Definitions) check(ctx context.Context, d *definition.Definition, artifact bool, opts CheckOptions) (*closure.Report, error) {
	asked := sorted(opts.Platforms)
	if len(asked) == 0 {
		var err error
		if asked, err = s.platforms(ctx); err != nil {
			return nil, err
		}
	}
	platforms, err := registry.ParsePlatforms(asked)
	if err != nil {
		return nil, err
	}
	return closure.Check(ctx, s.store, d, closure.Options{Platforms: platforms, Deep: opts.Deep, Artifact: artifact})
}

// keepReport keeps a check, and reports whether its result is another one than before.
func (s *Definitions) keepReport(ctx context.Context, platforms []string, r *closure.Report) (changed bool, err error) {
	content, err := json.Marshal(r)
	if err != nil {
		return false, err
	}
	now := time.Now()
	err = s.db.WriteSoon(ctx, func(tx *sql.Tx) error {
		before, err := s.last(ctx, tx, r.Document, platforms)
		if err != nil {
			return err
		}
		changed = before == nil || !gateOf(before.Report, now).same(gateOf(r, now))
		_, err = tx.ExecContext(ctx, `INSERT INTO definition_checks (document, platforms, name, version, report, checked_at) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (document, platforms) DO UPDATE SET report = excluded.report, checked_at = excluded.checked_at`,
			r.Document.String(), strings.Join(platforms, ","), r.Name, r.Version, string(content), now.UnixMilli())
		return err
	})
	return changed && err == nil, registry.DiskError(err)
}

// same reports whether clients see no difference.
func (g Gate) same(other Gate) bool {
	return g.State == other.State && g.Bad == other.Bad && g.Lacking == other.Lacking
}

// forgetChecks lets go of checks for other platforms, and of definitions that are gone.
func (s *Definitions) forgetChecks(ctx context.Context, platforms []string, there []Result) error {
	documents := make([]string, 0, len(there))
	for _, r := range there {
		documents = append(documents, r.Document.String())
	}
	list, err := json.Marshal(documents)
	if err != nil {
		return err
	}
	const old = `platforms <> ? OR document NOT IN (SELECT value FROM json_each(?))`
	asked, found := strings.Join(platforms, ","), false
	if err := s.db.Read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM definition_checks WHERE `+old+`)`, asked, string(list)).Scan(&found); err != nil || !found {
		return registry.DiskError(err)
	}
	return registry.DiskError(s.db.WriteSoon(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM definition_checks WHERE `+old, asked, string(list))
		return err
	}))
}

// Last is what the gate found last about a definition of the site, for its platforms.
// ErrNotFound when it was not asked yet.
func (s *Definitions) Last(ctx context.Context, name string) (*Checked, error) {
	st, err := s.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	platforms, err := s.platforms(ctx)
	if err != nil {
		return nil, err
	}
	c, err := s.last(ctx, s.db.Read, digest.FromBytes(st.Document), platforms)
	if err == nil && c == nil {
		err = fmt.Errorf("%s: %w: it was not checked yet for these platforms: 'landfall definition check' does it", st.Ref, registry.ErrNotFound)
	}
	return c, err
}

// queryer is a database or a transaction.
type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// last is a check that was kept, nil when none was.
func (s *Definitions) last(ctx context.Context, q queryer, document digest.Digest, platforms []string) (*Checked, error) {
	var text string
	var at int64
	err := q.QueryRowContext(ctx, `SELECT report, checked_at FROM definition_checks WHERE document = ? AND platforms = ?`,
		document.String(), strings.Join(platforms, ",")).Scan(&text, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, registry.DiskError(err)
	}
	c := &Checked{Report: &closure.Report{}, At: time.UnixMilli(at).UTC()}
	if err := json.Unmarshal([]byte(text), c.Report); err != nil { // of another version: it will be asked anew
		s.opts.Log.WarnContext(ctx, "a kept check cannot be read", "document", document, "error", err)
		return nil, nil
	}
	return c, nil
}

func (s *Definitions) lastGate(ctx context.Context, document digest.Digest, platforms []string) (*Gate, error) {
	c, err := s.last(ctx, s.db.Read, document, platforms)
	if c == nil || err != nil {
		return nil, err
	}
	g := gateOf(c.Report, c.At)
	return &g, nil
}

// Wants checks a definition of the site and lists what has to be brought; nil when
// nothing has.
func (s *Definitions) Wants(ctx context.Context, name string) (*wants.Wants, error) {
	st, err := s.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	report, _, err := s.checkStored(ctx, st, CheckOptions{})
	if err != nil {
		return nil, err
	}
	w := report.Wants(st.Definition)
	if w == nil {
		return nil, report.Err()
	}
	w.Site, err = s.store.SiteID(ctx)
	return w, err
}
