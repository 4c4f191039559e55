package config

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/match"
	"github.com/landfall-dev/landfall/internal/strictyaml"
	"github.com/landfall-dev/landfall/internal/units"
	"github.com/landfall-dev/landfall/internal/version"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
)

func readUpTo(r io.Reader, p []byte) (int, error) {
	n, err := io.ReadFull(r, p)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return n, err
}

func (p *parser) mirrors(f strictyaml.Field) error {
	fields, err := f.List()
	for _, f := range fields {
		m, err := p.mirror(f)
		if err != nil {
			return err
		}
		if p.Mirror(m.Name) != nil {
			return f.Errorf("name %s is there twice", m.Name)
		}
		p.Mirrors = append(p.Mirrors, m)
	}
	return err
}

func (p *parser) mirror(f strictyaml.Field) (m Mirror, err error) {
	var charts *ChartRepo
	var only []match.Glob
	var onDemand bool
	var refresh time.Duration
	fields, err := parts(f,
		text("name", &m.Name, ParseName),
		list("source", &m.Sources, p.source),
		text("charts", &charts, p.charts),
		list("only", &only, p.chartName),
		part{"tags", func(f strictyaml.Field) error { return p.tags(f, &m.Tags) }},
		list("platforms", &m.Platforms, registry.ParsePlatform),
		part{"referrers", func(f strictyaml.Field) error { return p.referrers(f, &m.Referrers) }},
		text("recheck", &m.Recheck, parseBool),
		part{"destination", func(f strictyaml.Field) error { return p.destination(f, &m.To) }},
		part{"delete", func(f strictyaml.Field) error { return p.delete(f, &m.Delete) }},
		part{"verify", func(f strictyaml.Field) error { return p.verify(f, &m) }},
		part{"schedule", func(f strictyaml.Field) error { return p.schedule(f, &m) }},
		text("onDemand", &onDemand, parseBool),
		text("refresh", &refresh, units.ParseAge),
		text("offline", &m.Offline, parseBool))
	if err != nil {
		return m, err
	}
	if onDemand {
		m.OnDemand = &OnDemand{Refresh: refresh}
	}
	if m.Charts = charts; charts != nil {
		charts.Only = only
	}
	return m, check(f, fields, &m)
}

// check finds fields that say nothing together.
func check(f strictyaml.Field, fields map[string]strictyaml.Field, m *Mirror) error {
	has := func(name string) bool { _, ok := fields[name]; return ok }
	without := func(reason string, names ...string) error {
		for _, name := range names {
			if f, ok := fields[name]; ok {
				return f.Errorf("%s", reason)
			}
		}
		return nil
	}
	switch {
	case !has("name"):
		return f.Errorf("name is missing")
	case has("source") == has("charts"):
		return f.Errorf("want source, repositories of registries, or charts, the address of a chart repository")
	case !has("charts") && has("only"):
		return fields["only"].Errorf("it chooses charts of a chart repository, and there is none")
	case m.OnDemand == nil && has("refresh"):
		return fields["refresh"].Errorf("it is for mirrors with onDemand: true")
	case has("charts"):
		return without("not for a chart repository", "platforms", "referrers", "recheck", "verify", "onDemand")
	case m.OnDemand != nil && (m.Tags.Dated() || m.Tags.Latest > 0):
		return fields["tags"].Errorf("what comes on demand is chosen by names, regex, exclude and semver only")
	case m.OnDemand != nil && m.To.Prefix != "":
		return fields["destination"].Errorf("what comes on demand keeps its name")
	case m.OnDemand != nil:
		return without("not for what comes on demand", "delete", "schedule", "recheck", "platforms")
	}
	return nil
}

// ParseName accepts the names that mirrors can have.
func ParseName(text string) (string, error) {
	if len(text) > 64 || !helperPattern.MatchString(text) {
		return "", errors.New("want lower-case letters, digits, and . _ - between them, at most 64")
	}
	return text, nil
}

// source completes single names as Docker does; globs have to have a host.
func (p *parser) source(text string) (s Source, err error) {
	if !strings.Contains(text, "*") {
		if strings.Contains(text[strings.LastIndexByte(text, '/')+1:], ":") || strings.Contains(text, "@") {
			return s, errors.New("want a repository; its tags are chosen with tags")
		}
		if s.Name, err = registry.NormalizeRepository(text); err != nil {
			return s, err
		}
		s.Host, _, _ = registry.CutHost(s.Name)
		return s, nil
	}
	var ok bool
	if s.Host, _, ok = registry.CutHost(text); !ok || strings.Contains(s.Host, "*") {
		return s, errors.New("a glob begins with one host, like registry.example.com/team/*")
	}
	g, err := p.compiler.Glob(text, checkRepository)
	s.Glob = &g
	return s, err
}

func checkRepository(example string) error {
	if ref, err := registry.ParseName(example + ":0"); err != nil || ref.Repository != example {
		return errors.New("no repository can have such a name")
	}
	return nil
}

// charts lets files be on hosts that have settings here: somebody has named them.
func (p *parser) charts(text string) (*ChartRepo, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return nil, errors.New("want the address of a chart repository, https://charts.example.com/stable; credentials belong to registries")
	}
	c := &ChartRepo{URL: text}
	for _, r := range p.Registries {
		c.Hosts = append(c.Hosts, r.Host)
	}
	return c, nil
}

func (p *parser) chartName(text string) (match.Glob, error) {
	return p.compiler.Glob(text, func(string) error {
		if strings.Contains(text, "/") {
			return errors.New("the name of a chart has no slash")
		}
		return nil
	})
}

func (p *parser) tags(f strictyaml.Field, t *Tags) error {
	var semver version.Range
	fields, err := parts(f,
		list("names", &t.Names, parseTag),
		list("regex", &t.Regex, p.compiler.Pattern),
		list("exclude", &t.Exclude, p.compiler.Pattern),
		text("semver", &semver, version.ParseRange),
		part{"newerThan", func(f strictyaml.Field) error { return newerThan(f, t) }},
		text("latest", &t.Latest, whole(1, 100_000)))
	if _, ok := fields["semver"]; ok {
		t.Semver = &semver
	}
	if err == nil && len(fields) == 0 {
		err = f.Errorf("nothing is chosen; leave the field out for all tags")
	}
	return err
}

func parseTag(text string) (string, error) {
	if !registry.ValidTag(text) {
		return "", errors.New("not a tag")
	}
	return text, nil
}

// newerThan is an age or a day.
func newerThan(f strictyaml.Field, t *Tags) (err error) {
	t.Younger, err = strictyaml.Text(f, func(text string) (age time.Duration, err error) {
		if age, err = units.ParseAge(text); err == nil {
			return age, nil
		}
		for _, layout := range []string{time.DateOnly, time.RFC3339} {
			if t.NewerThan, err = time.Parse(layout, text); err == nil {
				return 0, nil
			}
		}
		return 0, errors.New("want an age like 90d, or a day like 2026-01-31")
	})
	return err
}

func (p *parser) referrers(f strictyaml.Field, r *Referrers) error {
	word := part{"", func(f strictyaml.Field) error {
		_, err := strictyaml.Text(f, func(text string) (string, error) {
			if r.None = text == "none"; text != "none" && text != "all" {
				return "", errors.New("want all, none, or a list of artifact types")
			}
			return text, nil
		})
		return err
	}}
	if _, isList := f.List(); isList != nil {
		return word.read(f)
	}
	types, err := strictyaml.List(f, func(text string) (match.Glob, error) {
		return p.compiler.Glob(text, func(string) error { return nil })
	})
	r.Types = types
	return err
}

func (p *parser) destination(f strictyaml.Field, d *Destination) error {
	prefix := text("prefix", &d.Prefix, parsePrefix)
	if _, err := f.Text(); err == nil {
		return prefix.read(f)
	}
	fields, err := parts(f, prefix, text("keepHost", &d.KeepHost, parseBool))
	if _, ok := fields["prefix"]; err == nil && !ok {
		err = f.Errorf("prefix is missing")
	}
	return err
}

func parsePrefix(text string) (string, error) {
	if !registry.ValidRepositoryPath(text) {
		return "", errors.New("no repository can be under such a prefix")
	}
	return text, nil
}

// defaultMaxShare is what one run may delete when nothing is said.
const defaultMaxShare = 0.2

func (p *parser) delete(f strictyaml.Field, d *Delete) error {
	d.MaxShare = defaultMaxShare
	when := text("when", &d.Gone, func(text string) (bool, error) {
		if text != "gone" && text != "never" {
			return false, errors.New("want never or gone")
		}
		return text == "gone", nil
	})
	if _, err := f.Text(); err == nil {
		return when.read(f)
	}
	fields, err := parts(f, when, text("keep", &d.Keep, whole(1, 100_000)), text("maxShare", &d.MaxShare, parseShare))
	if err == nil && d.Never() {
		if share, ok := fields["maxShare"]; ok {
			err = share.Errorf("nothing is deleted: want when: gone, or keep: N")
		}
	}
	return err
}

func parseShare(text string) (float64, error) {
	percent, ok := strings.CutSuffix(text, "%")
	n, err := strconv.ParseFloat(percent, 64)
	if err != nil || !ok || !(n > 0 && n <= 100) {
		return 0, errors.New("want a share like 20%, at most 100%")
	}
	return n / 100, nil
}

func (p *parser) verify(f strictyaml.Field, m *Mirror) error {
	fields, err := f.List()
	for _, f := range fields {
		v, err := p.verifyRule(f)
		if err != nil {
			return err
		}
		m.Verify = append(m.Verify, v)
	}
	if err == nil && len(fields) == 0 {
		err = f.Errorf("an empty list; leave the field out")
	}
	return err
}

func (p *parser) verifyRule(f strictyaml.Field) (v Verify, err error) {
	v.Rule.Require = true
	fields, err := parts(f,
		list("repositories", &v.Repositories, func(text string) (match.Glob, error) { return p.compiler.Glob(text, checkRepository) }),
		list("keys", &v.Rule.Keys, p.key),
		text("unsigned", &v.Rule.Require, func(text string) (bool, error) {
			if text != "record" && text != "refuse" {
				return false, errors.New("want record or refuse")
			}
			return text == "refuse", nil
		}))
	if _, ok := fields["keys"]; err == nil && !ok {
		err = f.Errorf("keys is missing: files of public keys (PEM)")
	}
	return v, err
}

// key is a public key in a file; its owner is the file's name.
func (p *parser) key(text string) (k trust.TrustedKey, err error) {
	path, err := p.path(text)
	if err != nil {
		return k, err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return k, err
	}
	k.Key, err = trust.ParseKey(content)
	k.Owner = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	return k, err
}

func (p *parser) schedule(f strictyaml.Field, m *Mirror) error {
	var jitter time.Duration
	times := text("cron", &m.Schedule, parseCron)
	if _, err := f.Text(); err == nil {
		return times.read(f)
	}
	fields, err := parts(f, times, text("jitter", &jitter, parseJitter))
	if _, ok := fields["cron"]; err == nil && !ok {
		err = f.Errorf("cron is missing")
	}
	if err == nil {
		m.Schedule.Jitter = jitter
	}
	return err
}

func parseJitter(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > 24*time.Hour {
		return 0, fmt.Errorf("want a time up to 24h")
	}
	return d, nil
}

// Names are the names of all mirrors.
func (f *File) Names() []string {
	var names []string
	for _, m := range f.Mirrors {
		names = append(names, m.Name)
	}
	slices.Sort(names)
	return names
}
