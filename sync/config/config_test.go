package config_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/schematest"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/trust"
	"github.com/landfall-dev/landfall/sync/config"
)

// smallest is the mirror.yaml of the README.
const smallest = `registries:
  - host: 127.0.0.1:5001
    plainHTTP: true
mirrors:
  - name: team
    source: 127.0.0.1:5001/team/*
    tags: {regex: "^v.*"}
`

const full = `version: 1
offline: false
registries:
  - host: registry.example.com
    endpoints: ["https://cache.example.com", "https://harbor.example.com/proxy"]
    ca: ca.pem
    clientCert: cert.pem
    clientKey: key.pem
    credentials: {username: robot, passwordFile: secret}
    limits: {requests: 2.5, bytes: 4MiB/s, transfers: 3}
    windows: {times: ["22:00-06:00", "Sat,Sun 00:00-24:00"], zone: Europe/Berlin}
    timeout: 45s
  - host: other.example.com:5000
    credentials: {helper: pass}
    windows: Mon-Fri 12:00-13:30
mirrors:
  - name: apps
    source: [registry.example.com/team/**, nginx]
    tags:
      names: stable
      regex: ["^v.*", "1\\..*"]
      exclude: .*-rc.*
      semver: ">=1.2 <2"
      newerThan: 90d
      latest: 5
    platforms: [linux/amd64, linux/arm/v7]
    referrers: [application/vnd.dev.cosign.*]
    recheck: true
    destination: {prefix: mirror/apps, keepHost: true}
    delete: {when: gone, keep: 10, maxShare: 5%}
    verify:
      - repositories: ["registry.example.com/team/**"]
        keys: team.pub
      - keys: [team.pub]
        unsigned: record
    schedule: {cron: "0 2 * * *", jitter: 30m}
  - name: hub
    source: docker.io/library/*
    tags: {regex: .*}
    onDemand: true
    refresh: 10m
    offline: true
  - name: charts
    charts: https://charts.example.com/stable
    only: [nginx, "redis*"]
    tags: {newerThan: 2026-01-31}
    delete: gone
    destination: charts
    schedule: "@daily"
`

// folder has the files that full names.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	key, err := trust.Generate(trust.ECDSA)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "team.pub"), key.Key.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func parse(t *testing.T, dir, content string) (*config.File, error) {
	t.Helper()
	return config.Parse(filepath.Join(dir, "mirror.yaml"), []byte(content))
}

func TestSmallest(t *testing.T) {
	t.Parallel()
	f, err := parse(t, t.TempDir(), smallest)
	if err != nil {
		t.Fatal(err)
	}
	m := f.Mirrors[0]
	if !f.Registry("127.0.0.1:5001").Remote.PlainHTTP || !m.Means("127.0.0.1:5001/team/app") || m.Means("127.0.0.1:5001/other/app") {
		t.Errorf("%+v", f)
	}
	if !m.Tags.Match("v1") || m.Tags.Match("latest") || !m.Tags.Listed() || !m.Delete.Never() {
		t.Errorf("%+v", m.Tags)
	}
}

func TestFull(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	f, err := parse(t, dir, full)
	if err != nil {
		t.Fatal(err)
	}
	r := f.Registries[0]
	if r.Remote.CAFile != filepath.Join(dir, "ca.pem") || r.Remote.Bytes != 4<<20 || r.Remote.Requests != 2.5 || r.Transfers != 3 || r.Remote.Stall != 45*time.Second {
		t.Errorf("%+v", r)
	}
	apps := f.Mirror("apps")
	for tag, want := range map[string]bool{"stable": true, "v1.3.0": true, "v1.3.0-rc.1": false, "1.4": true, "v2.0.0": false, "edge": false} {
		if apps.Tags.Match(tag) != want {
			t.Errorf("%s: want %v", tag, want)
		}
	}
	if !apps.Means("docker.io/library/nginx") || apps.To.Repository("registry.example.com/team/a") != "mirror/apps/registry.example.com/team/a" {
		t.Errorf("%+v", apps)
	}
	if from, ok := apps.To.Source("registry.example.com", "mirror/apps/registry.example.com/team/a"); !ok || from != "registry.example.com/team/a" {
		t.Error(from, ok)
	}
	if rule := apps.Rule("docker.io/library/nginx"); rule == nil || rule.Require || len(rule.Keys) != 1 || rule.Keys[0].Owner != "team" {
		t.Errorf("%+v", rule)
	}
	if !apps.Referrers.Match("application/vnd.dev.cosign.artifact.sig.v1+json") || apps.Referrers.Match("application/spdx+json") {
		t.Error("referrers")
	}
	charts := f.Mirror("charts")
	if !charts.Means("charts.example.com/stable/redis-ha") || charts.Means("charts.example.com/stable/mysql") || charts.To.Repository("charts.example.com/stable/nginx") != "charts/stable/nginx" {
		t.Errorf("%+v", charts.Charts)
	}
	if hub := f.Mirror("hub"); hub.OnDemand == nil || hub.OnDemand.Refresh != 10*time.Minute || !hub.Offline {
		t.Errorf("%+v", hub)
	}
}

func TestNewest(t *testing.T) {
	t.Parallel()
	got := config.Tags{Latest: 2}.Newest([]string{"v1.9.0", "v1.10.0", "latest", "v1.2.0"})
	if !slices.Equal(got, []string{"v1.9.0", "v1.10.0"}) {
		t.Error(got)
	}
}

// Each refusal tells where and what; nothing is half taken.
func TestRefuses(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	mirror := func(s string) string { return "mirrors:\n  - name: a\n    source: h.io/a\n    " + s + "\n" }
	host := func(s string) string {
		return "registries:\n  - host: h.io\n    " + s + "\nmirrors:\n  - {name: a, source: h.io/a}\n"
	}
	for content, want := range map[string]string{
		"": "it is empty", "mirrors: []": "mirrors is missing", "version: 2\nmirrors: []": "line 1, column 10: version",
		"registers: []":                                  `line 1, column 1: invalid: unknown field "registers"`,
		"mirrors: {}":                                    "line 1, column 10: mirrors: invalid: a list is wanted",
		mirror("tag: x"):                                 `line 4, column 5: mirrors[0]: invalid: unknown field "tag"`,
		mirror("name: b"):                                "is there twice",
		mirror("charts: https://x.io/c"):                 "want source, repositories of registries, or charts",
		mirror("tags: {}"):                               "nothing is chosen",
		mirror("tags: {regex: '('}"):                     "missing closing )",
		mirror("tags: {semver: not-one}"):                "semver",
		mirror("tags: {latest: 0}"):                      "want a whole number from 1",
		mirror("tags: {newerThan: soon}"):                "want an age like 90d",
		mirror("tags: {names: [a b]}"):                   "not a tag",
		mirror("platforms: [amd64]"):                     "want os/architecture",
		mirror("referrers: some"):                        "want all, none",
		mirror("destination: UPPER"):                     "no repository can be under such a prefix",
		mirror("destination: {keepHost: true}"):          "prefix is missing",
		mirror("delete: always"):                         "want never or gone",
		mirror("delete: {maxShare: 10%}"):                "nothing is deleted",
		mirror("delete: {when: gone, maxShare: 200%}"):   "at most 100%",
		mirror("verify: [{keys: missing.pub}]"):          "no such file",
		mirror("verify: [{unsigned: record}]"):           "keys is missing",
		mirror("schedule: sometimes"):                    "want five fields",
		mirror("schedule: {cron: '@daily', jitter: 2d}"): "want a time up to 24h",
		mirror("onDemand: maybe"):                        "true or false",
		mirror("refresh: 1m"):                            "onDemand: true",
		mirror("onDemand: true\n    delete: gone"):       "not for what comes on demand",
		mirror("onDemand: true\n    tags: {latest: 3}"):  "names, regex, exclude and semver only",
		mirror("only: [x]"):                              "there is none",
		"mirrors:\n  - {name: a, source: h.io/a}\n  - {name: a, source: h.io/b}": "name a is there twice",
		"mirrors:\n  - {name: A, source: h.io/a}":                                "lower-case letters",
		"mirrors:\n  - {name: a, source: 'h.io/a:v1'}":                           "its tags are chosen with tags",
		"mirrors:\n  - {name: a, source: '*.io/a'}":                              "a glob begins with one host",
		"mirrors:\n  - {name: a, source: 'team/*'}":                              "a glob begins with one host",
		"mirrors:\n  - {name: a, charts: 'ftp://x'}":                             "want the address of a chart repository",
		"mirrors:\n  - {name: a, charts: 'https://u:p@x.io'}":                    "credentials belong to registries",
		host("host: h.io"):                                             "is there twice",
		host("plainHTTP: yes"):                                         "true or false",
		host("endpoints: [h.io]"):                                      "want https://host",
		host("clientCert: c.pem"):                                      "belong together",
		host("timeout: 5ms"):                                           "want a time from 1s",
		host("limits: {requests: 0}"):                                  "want requests per second",
		host("limits: {bytes: 5}"):                                     "not a whole number of bytes with a unit",
		host("windows: 25:00-26:00"):                                   "want times like",
		host("windows: Mun 10:00-11:00"):                               "no day of the week",
		host("windows: {zone: UTC}"):                                   "times is missing",
		host("windows: {times: 10:00-11:00, zone: Nowhere/City}"):      "unknown time zone",
		host("credentials: {username: a}"):                             "want username with passwordFile",
		host("credentials: {username: a, passwordFile: x, helper: y}"): "want username with passwordFile",
		host("credentials: {passwordEnv: X}"):                          "want username with passwordFile",
		host("credentials: {helper: ../x}"):                            "want NAME of docker-credential-NAME",
		"registries:\n  - {host: 'https://h.io'}\nmirrors:\n  - {name: a, source: h.io/a}": "want a host as in names",
		"a: &x 1\nmirrors: *x": "unknown field",
	} {
		_, err := parse(t, dir, content)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", content, err, want)
			continue
		}
		if !strings.Contains(err.Error(), "mirror.yaml: ") {
			t.Errorf("%q: %v does not name the file", content, err)
		}
	}
}

func TestWindows(t *testing.T) {
	t.Parallel()
	f, err := parse(t, folder(t), full)
	if err != nil {
		t.Fatal(err)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	w := f.Registries[0].Windows
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 11, day, hour, minute, 30, 0, berlin) }
	for _, c := range []struct {
		at     time.Time
		open   bool
		change time.Time
	}{
		{at(25, 23, 10), true, at(26, 6, 0)},  // Wednesday night
		{at(26, 5, 59), true, at(26, 6, 0)},   // over midnight
		{at(26, 6, 0), false, at(26, 22, 0)},  // Thursday
		{at(27, 23, 0), true, at(30, 6, 0)},   // Friday night, the week-end, and the night to Monday
		{at(30, 12, 0), false, at(30, 22, 0)}, // Monday
	} {
		open, change := w.Open(c.at)
		if want := c.change.Truncate(time.Minute); open != c.open || !change.Equal(want) {
			t.Errorf("%s: %v until %s, want %v until %s", c.at, open, change.In(berlin), c.open, want)
		}
	}
	if open, change := (*config.Windows)(nil).Open(time.Now()); !open || !change.IsZero() {
		t.Error("without windows a link is always open")
	}
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	f, err := parse(t, folder(t), full)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.Local)
	s := f.Mirror("apps").Schedule
	due := time.Date(2026, 11, 28, 2, 0, 0, 0, time.Local)
	for range 100 {
		if next := s.Next(now); next.Before(due) || !next.Before(due.Add(30*time.Minute)) {
			t.Fatal(next)
		}
	}
}

// The schema takes what the parser takes, and knows the same fields everywhere.
func TestSchema(t *testing.T) {
	t.Parallel()
	s := schematest.Compile(t, config.Schema)
	for _, content := range []string{smallest, full} {
		if err := schematest.Validate(t, s, content); err != nil {
			t.Errorf("%v", err)
		}
	}
	var doc struct {
		Properties map[string]any            `json:"properties"`
		Defs       map[string]map[string]any `json:"$defs"`
	}
	if err := json.Unmarshal(config.Schema, &doc); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	at := func(def, field string) map[string]any {
		p := doc.Defs[def]["properties"].(map[string]any)
		if field == "" {
			return p
		}
		f := p[field].(map[string]any)
		if list, ok := f["oneOf"].([]any); ok {
			f = list[len(list)-1].(map[string]any)
		}
		if items, ok := f["items"].(map[string]any); ok {
			f = items
		}
		return f["properties"].(map[string]any)
	}
	mirror := func(s string) string { return "mirrors: [{name: a, source: h.io/a, " + s + "}]" }
	host := func(s string) string { return "registries: [{host: h.io, " + s + "}]\nmirrors: []" }
	for content, want := range map[string]map[string]any{
		"nonsense: 1":                        doc.Properties,
		mirror("nonsense: 1"):                at("mirror", ""),
		mirror("tags: {nonsense: 1}"):        at("mirror", "tags"),
		mirror("delete: {nonsense: 1}"):      at("mirror", "delete"),
		mirror("destination: {nonsense: 1}"): at("mirror", "destination"),
		mirror("schedule: {nonsense: 1}"):    at("mirror", "schedule"),
		mirror("verify: [{nonsense: 1}]"):    at("mirror", "verify"),
		host("nonsense: 1"):                  at("registry", ""),
		host("credentials: {nonsense: 1}"):   at("registry", "credentials"),
		host("limits: {nonsense: 1}"):        at("registry", "limits"),
	} {
		_, err := parse(t, dir, content)
		if err == nil || schematest.Validate(t, s, content) == nil {
			t.Errorf("%s was taken", content)
			continue
		}
		m := regexp.MustCompile(`unknown field "nonsense" \((.*)\)`).FindStringSubmatch(err.Error())
		if m == nil {
			t.Errorf("%s: %v", content, err)
			continue
		}
		known := strings.Split(m[1], ", ")
		var stated []string
		for name := range want {
			stated = append(stated, name)
		}
		slices.Sort(known)
		if slices.Sort(stated); !slices.Equal(known, stated) {
			t.Errorf("%s: the parser knows %v, the schema %v", content, known, stated)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(smallest))
	f.Add([]byte(full))
	f.Fuzz(func(t *testing.T, content []byte) {
		file, err := config.Parse("mirror.yaml", content)
		if err != nil {
			if file != nil || !strings.HasPrefix(err.Error(), "mirror.yaml: ") {
				t.Error(file, err)
			}
			return
		}
		if len(file.Mirrors) == 0 {
			t.Error("nothing is mirrored")
		}
		for _, m := range file.Mirrors {
			for _, s := range m.Sources {
				if s.Name != "" {
					if _, err := registry.ParseName(s.Name + ":tag"); err != nil {
						t.Errorf("%q: %v", s.Name, err)
					}
				}
			}
		}
	})
}
