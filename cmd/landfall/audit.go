package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/audit"
)

// auditSite is the audit log of a site: of a store that is open here, or of an
// appliance.
type auditSite interface {
	List(ctx context.Context, f audit.Filter) ([]audit.Record, error)
	Export(ctx context.Context, w io.Writer) error
	// Verify compares the log with a checkpoint, too, unless it is nil.
	Verify(ctx context.Context, against *audit.Checkpoint) (audit.Verdict, error)
}

// localAudit is that of a store that is open here.
type localAudit struct {
	*audit.Log
	store *store.Store
}

func (l localAudit) Export(ctx context.Context, w io.Writer) error {
	key, err := l.store.SiteKey(ctx)
	if err != nil {
		return err
	}
	return l.Log.Export(ctx, w, key)
}

func (l localAudit) Verify(ctx context.Context, against *audit.Checkpoint) (audit.Verdict, error) {
	if against == nil {
		return l.Log.Verify(ctx)
	}
	return l.VerifyAgainst(ctx, *against)
}

// recordChanges keeps what is done to a store in its audit log: as done by who,
// or by whom the context says when that is nil.
func recordChanges(ctx context.Context, s *store.Store, who *audit.Actor) error {
	log, err := audit.Open(ctx, s)
	if err != nil {
		return err
	}
	record := log.Recorder()
	if who == nil {
		s.OnChange(record)
		return nil
	}
	s.OnChange(func(ctx context.Context, tx *sql.Tx, changes []store.Change) error {
		return record(audit.WithActor(ctx, *who), tx, changes)
	})
	return nil
}

// localActor is who runs this command.
func localActor() *audit.Actor {
	name := "uid " + strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	return &audit.Actor{Name: name, Kind: "local"}
}

// audit is the log of an appliance, or of a store that nobody has open.
func (f *siteFlags) audit(ctx context.Context) (log auditSite, end func() error, err error) {
	if err := f.mustExist(); err != nil {
		return nil, nil, err
	}
	local, server, err := f.find(ctx)
	if err != nil {
		return nil, nil, err
	}
	if local == nil {
		client, err := f.dial(server)
		if err != nil {
			return nil, nil, err
		}
		return client.Audit(), client.Close, nil
	}
	opened, err := audit.Open(ctx, local)
	if err != nil {
		return nil, nil, errors.Join(err, local.Close())
	}
	return localAudit{opened, local}, local.Close, nil
}

func newAuditLs() *cobra.Command {
	var f audit.Filter
	var since, until string
	c := &cobra.Command{
		Use:   "ls",
		Short: "List who changed what at a site",
		Long:  "List who changed what at a site, the newest first. With --json all that is known of each change is printed.",
		Args:  cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	c.Flags().StringVar(&f.Actor, "actor", "", "only what this `user` or robot did")
	c.Flags().StringVar(&f.Action, "action", "", "only this `action`, or those that start so: \"tag.\"")
	c.Flags().StringVar(&f.Target, "target", "", "only what was done to names with this `text` in them")
	c.Flags().StringVar(&f.Outcome, "outcome", "", "only what had this `outcome`: \"ok\"")
	c.Flags().StringVar(&since, "since", "", "only from this `time` on: 2026-05-01, 2026-05-01T12:00:00Z, or 7d for the last seven days")
	c.Flags().StringVar(&until, "until", "", "only before this `time`")
	c.Flags().Int64Var(&f.Before, "before", 0, "only entries before the one of this `ID`")
	c.Flags().IntVar(&f.Limit, "limit", 100, "at most so many")
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		if f.Since, err = parseMoment(since); err != nil {
			return usageError{fmt.Errorf("--since %q: %w", since, err)}
		}
		if f.Until, err = parseMoment(until); err != nil {
			return usageError{fmt.Errorf("--until %q: %w", until, err)}
		}
		if f.Limit < 1 || f.Before < 0 {
			return usageError{errors.New("want --limit 1 or more, and an ID for --before")}
		}
		log, end, err := flags.audit(c.Context())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, end()) }()
		list, err := log.List(c.Context(), f)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(c.OutOrStdout(), list)
		}
		return printRecords(c.OutOrStdout(), list)
	}
	return c
}

// parseMoment reads a day, a time, or how long ago it was; "" is the zero time.
func parseMoment(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	age, err := units.ParseAge(text)
	if err != nil {
		return time.Time{}, errors.New("want a day like 2026-05-01, a time like 2026-05-01T12:00:00Z, or an age like 7d")
	}
	return time.Now().Add(-age), nil
}

func printRecords(w io.Writer, list []audit.Record) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tAT\tACTOR\tFROM\tACTION\tOUTCOME\tTARGET\tCHANGE")
	for _, r := range list {
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.At.Format(time.RFC3339), shown(r.Actor.Name), shown(r.Actor.Address),
			shown(r.Action), shown(r.Outcome), shown(r.Target), describeChange(r))
	}
	return t.Flush()
}

// shown is a text as a terminal may get it: what controls one, or makes text look
// like another, is escaped.
func shown(text string) string {
	if text == "" {
		return "-"
	}
	if strings.ContainsFunc(text, func(c rune) bool { return !strconv.IsPrint(c) || c == '\\' }) {
		quoted := strconv.Quote(text)
		return quoted[1 : len(quoted)-1]
	}
	return text
}

// describeChange is what was before and is after, in few words.
func describeChange(r audit.Record) string {
	switch before, after := describeValue(r.Before), describeValue(r.After); {
	case r.Before == nil:
		return after
	case r.After == nil:
		return before + " → -"
	default:
		return before + " → " + after
	}
}

// shownValue is how many bytes of a value are shown.
const shownValue = 40

func describeValue(value json.RawMessage) string {
	text := string(value)
	var plain string
	if json.Unmarshal(value, &plain) == nil {
		text = plain
	}
	if algorithm, hex, ok := strings.Cut(text, ":"); ok && strings.HasPrefix(algorithm, "sha") && len(hex) >= 64 {
		return algorithm + ":" + hex[:12]
	}
	if text = shown(text); len(text) > shownValue {
		end := shownValue
		for !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end] + "…"
	}
	return text
}

func newAuditExport() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "export",
		Short: "Write the audit log to a file, signed by the site",
		Long: "Write all entries as lines of JSON, and last a checkpoint that the site's key has signed. Kept elsewhere, an export\n" +
			"proves later with 'landfall audit verify --against FILE' that nobody has written the log anew since.",
		Args: cobra.NoArgs,
	}
	flags := addSiteFlags(c)
	c.Flags().StringVarP(&output, "output", "o", "", "`file` to write; standard output without")
	c.RunE = func(c *cobra.Command, _ []string) (err error) {
		log, end, err := flags.audit(c.Context())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, end()) }()
		if output == "" {
			return log.Export(c.Context(), c.OutOrStdout())
		}
		if err := replaceFile(output, func(w io.Writer) error { return log.Export(c.Context(), w) }); err != nil {
			return err
		}
		cp, err := readExport(output, "")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %d entries, signed by site %s\n", output, cp.Entries, cp.Site)
		return err
	}
	return c
}

// readExport proves an export; site is the id of the key that has to have signed
// it, or a file with that key, or empty.
func readExport(path, site string) (audit.Checkpoint, error) {
	if _, err := os.Stat(site); site != "" && err == nil {
		key, err := readAnyKey(site)
		if err != nil {
			return audit.Checkpoint{}, err
		}
		site = key.ID()
	}
	f, err := os.Open(path)
	if err != nil {
		return audit.Checkpoint{}, usageError{err}
	}
	defer f.Close()
	cp, err := audit.VerifyExport(bufio.NewReader(f), site)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return cp, err
}

func newAuditVerify() *cobra.Command {
	var key, against string
	c := &cobra.Command{
		Use:   "verify [FILE]",
		Short: "Prove that nobody has changed the audit log, or an export of it",
		Long: "Follow the chain of the site's audit log, or with FILE that of an export, which needs no site. The exit code is 3 when\n" +
			"an entry was changed, added, moved or taken out. Who may write the site's whole database can write all of the log\n" +
			"anew: --against finds that, too, with an export that was kept elsewhere.",
		Args: cobra.MaximumNArgs(1),
	}
	flags := addSiteFlags(c)
	c.Flags().StringVar(&key, "key", "", "the site's `key`, which has to have signed the export: a PEM file, or the id that 'landfall receipt' printed")
	c.Flags().StringVar(&against, "against", "", "compare the site's log with an earlier export in this `file`")
	asJSON := jsonFlag(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			if against != "" || c.Flags().Changed("data") || flags.server != "" {
				return usageError{errors.New("an export is verified without a site: not with --against, --data or --server")}
			}
			return verifyExport(c, args[0], key, *asJSON)
		}
		if key != "" && against == "" {
			return usageError{errors.New("--key is for an export: name its file")}
		}
		return flags.verifyAudit(c, against, key, *asJSON)
	}
	return c
}

func verifyExport(c *cobra.Command, path, key string, asJSON bool) error {
	cp, err := readExport(path, key)
	if err != nil {
		return err
	}
	if key == "" {
		fmt.Fprintf(c.ErrOrStderr(), "whether %s is the site's key was not checked; give it with --key\n", cp.Site)
	}
	if asJSON {
		return printJSON(c.OutOrStdout(), cp)
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %d entries are whole, signed by site %s on %s\n", path, cp.Entries, cp.Site, cp.Time.Format(time.RFC3339))
	return err
}

func (f *siteFlags) verifyAudit(c *cobra.Command, against, key string, asJSON bool) (err error) {
	var cp *audit.Checkpoint
	if against != "" {
		earlier, err := readExport(against, key)
		if err != nil {
			return err
		}
		cp = &earlier
	}
	log, end, err := f.audit(c.Context())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	v, err := log.Verify(c.Context(), cp)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(c.OutOrStdout(), v)
	}
	text := fmt.Sprintf("%d entries are whole", v.Entries)
	if cp != nil {
		text += fmt.Sprintf(", and the first %d are those of %s", cp.Entries, against)
	}
	_, err = fmt.Fprintln(c.OutOrStdout(), text)
	return err
}
