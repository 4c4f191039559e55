package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/audit"
)

// Audit is the audit log of an appliance, through its Client.
type Audit struct{ client *Client }

// Audit is the appliance's audit log.
func (c *Client) Audit() *Audit { return &Audit{c} }

// List returns records, the newest first; all of them when the filter's limit is 0.
func (a *Audit) List(ctx context.Context, f audit.Filter) ([]audit.Record, error) {
	query := url.Values{}
	for name, value := range map[string]string{"actor": f.Actor, "action": f.Action, "target": f.Target, "outcome": f.Outcome} {
		if value != "" {
			query.Set(name, value)
		}
	}
	for name, at := range map[string]time.Time{"since": f.Since, "until": f.Until} {
		if !at.IsZero() {
			query.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	if f.Before > 0 {
		query.Set("before", strconv.FormatInt(f.Before, 10))
	}
	return pages[audit.Record](ctx, a.client, listing{path: "audit", query: query, cursor: "before", limit: f.Limit})
}

// Export reads the whole log, with a checkpoint that the site's key has signed.
func (a *Audit) Export(ctx context.Context, w io.Writer) error {
	return a.export(ctx, func(r io.Reader) error {
		_, err := io.Copy(w, r)
		return err
	})
}

// export reads the log. That it broke off may say that it is broken: such a log is
// not signed.
func (a *Audit) export(ctx context.Context, read func(io.Reader) error) error {
	r, err := a.client.stream(ctx, "audit/export", typeStream)
	if err == nil {
		defer r.Close()
		err = read(r)
	}
	if errors.Is(err, registry.ErrUnreachable) {
		if _, broken := a.Verify(ctx, nil); errors.Is(broken, registry.ErrDigest) {
			return broken
		}
	}
	return err
}

// Verify has the appliance follow the chain of its log. Against a checkpoint of
// an earlier export nobody's word is taken: the whole log is read and followed
// here. An ErrDigest says what is wrong.
func (a *Audit) Verify(ctx context.Context, against *audit.Checkpoint) (audit.Verdict, error) {
	if against != nil {
		return a.compare(ctx, *against)
	}
	var v auditVerdict
	if err := a.client.call(ctx, http.MethodPost, "audit/verify", nil, &v); err != nil {
		return audit.Verdict{}, err
	}
	if !v.Whole {
		return v.Verdict, &remoteError{registry.ErrDigest, v.Broken}
	}
	return v.Verdict, nil
}

func (a *Audit) compare(ctx context.Context, c audit.Checkpoint) (audit.Verdict, error) {
	entry := &nthLine{n: c.Entries}
	var now audit.Checkpoint
	err := a.export(ctx, func(r io.Reader) (err error) {
		now, err = audit.VerifyExport(io.TeeReader(r, entry), c.Site)
		return err
	})
	if err != nil {
		return audit.Verdict{}, err
	}
	says := "the checkpoint of " + c.Time.UTC().Format(time.RFC3339)
	v := audit.Verdict{Entries: now.Entries, Hash: now.Hash}
	if now.Entries < c.Entries {
		return v, &audit.BrokenError{Entry: now.Entries + 1, Fault: fmt.Sprintf("it is missing; %s has %d entries", says, c.Entries)}
	}
	var record audit.Record
	if c.Entries > 0 && (json.Unmarshal(entry.line, &record) != nil || record.ID != c.Entries || record.Hash != c.Hash) {
		return v, &audit.BrokenError{Entry: c.Entries, Fault: "it is another one than " + says + " names: the log was made anew"}
	}
	return v, nil
}

// nthLine keeps one line of what is written to it, counted from 1.
type nthLine struct {
	n    int64
	line []byte
}

func (l *nthLine) Write(p []byte) (int, error) {
	for rest := p; l.n > 0 && len(rest) > 0; {
		part, after, ended := bytes.Cut(rest, []byte("\n"))
		if l.n == 1 {
			l.line = append(l.line, part...)
		}
		if rest = after; ended {
			l.n--
		}
	}
	return len(p), nil
}
