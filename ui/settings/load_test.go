package settings

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/registry"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// other is a value of the field that is not its default.
func other(f Field) string {
	switch {
	case f.Bool() && f.Default == "true":
		return "false"
	case f.Bool():
		return "true"
	case f.kind.oneOf != nil:
		return f.kind.oneOf[len(f.kind.oneOf)-1]
	}
	return map[string]string{"folder": "/srv/data", "file": "/srv/file", "address": "[::1]:1", "text": "one", "name": "a.example",
		"URL": "https://x.example", "size": "3MiB", "time": "3h", "platform": "linux/arm64"}[f.Type()]
}

// For every field that has them, a flag counts before a variable, that before
// the file, that before the default, and the origin says so.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	for _, f := range table {
		parts := strings.Split(f.Name, ".")
		file := ""
		for i, p := range parts {
			file += strings.Repeat("  ", i) + p + ":\n"
		}
		file = strings.TrimSuffix(file, "\n") + " " + f.kind.quoted(other(f)) + "\n"
		path := write(t, companions(f, file))
		line := strings.Count(companions(f, file), "\n")
		s := Sources{}
		steps := []struct {
			say    func()
			origin string
			value  string
		}{
			{func() {}, "default", f.Default},
			{func() { s.File = path }, fmt.Sprintf("%s:%d", path, line), other(f)},
			{func() { s.Env = []string{f.Env() + "=" + other(f)} }, "env " + f.Env(), other(f)},
			{func() { s.Flags = map[string][]string{f.Flag: {other(f)}} }, "flag --" + f.Flag, other(f)},
		}
		if f.Flag == "" {
			steps = steps[:3]
		}
		for _, step := range steps {
			step.say()
			e, err := Load(s)
			if err != nil {
				t.Errorf("%s: %v", f.Name, err)
				continue
			}
			want, _ := f.canonical(f.split(step.value))
			if got := e.Origin(f.Name).String(); got != step.origin || !slices.Equal(e.texts[f.Name], want) {
				t.Errorf("%s is %q from %s, want %q from %s", f.Name, e.texts[f.Name], got, want, step.origin)
			}
		}
	}
}

// quoted is a text as the file has it.
func (k kind) quoted(text string) string { return `"` + text + `"` }

// companions puts what a field wants besides before it.
func companions(f Field, file string) string {
	if f.Name != "auth.oidc.issuer" {
		return file
	}
	return "auth:\n  oidc:\n    clientID: a\n    baseURL: https://b.example\n    adminGroups: c\n    issuer: https://x.example\n"
}

// Paths in a file are found from its folder, others from where one is.
func TestPaths(t *testing.T) {
	t.Parallel()
	path := write(t, "data: here\nmirror: ../mirror.yaml\nauth: {oidc: {clientSecretFile: /etc/secret}}\n")
	e, err := Load(Sources{File: path, Env: []string{"LANDFALL_DATA=there/"}})
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Dir(path)
	if e.Config.Data != "there" || e.Config.Mirror != filepath.Join(filepath.Dir(folder), "mirror.yaml") || e.Config.Auth.OIDC.ClientSecretFile != "/etc/secret" {
		t.Errorf("%+v", e.Config)
	}
}

// The file is the one that is named, else the one of the environment, else the
// usual one when it exists.
func TestWhichFile(t *testing.T) {
	t.Parallel()
	a, b, c := write(t, "site: {name: a}"), write(t, "site: {name: b}"), write(t, "site: {name: c}")
	nowhere := filepath.Join(t.TempDir(), "nowhere.yaml")
	for _, x := range []struct {
		sources Sources
		want    string
	}{
		{Sources{File: a, Env: []string{"LANDFALL_CONFIG=" + b}, Otherwise: c}, "a"},
		{Sources{Env: []string{"LANDFALL_CONFIG=" + b}, Otherwise: c}, "b"},
		{Sources{Env: []string{"LANDFALL_CONFIG="}, Otherwise: c}, "c"},
		{Sources{Otherwise: nowhere}, ""},
	} {
		e, err := Load(x.sources)
		if err != nil || e.Config.Site.Name != x.want {
			t.Errorf("%+v: %q, %v", x.sources, e.Config.Site.Name, err)
		}
	}
	if _, err := Load(Sources{File: nowhere}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if _, err := Load(Sources{Env: []string{"LANDFALL_CONFIG=" + nowhere}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// Every error names the place, the field, the bad value and what is wanted, and
// all wrong values are told at once.
func TestErrors(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"":                                           ": invalid: it is empty",
		"version: 2":                                 `: line 1, column 10: version: invalid: "2": not a version that is known here (1)`,
		"registry:\n  anonymousPul: true\n":          `: line 2, column 3: registry: invalid: unknown field "anonymousPul" (anonymousPull, acceptIncomplete)`,
		"log:\n  level: loud\n":                      `: line 2, column 10: log.level: invalid: "loud": want debug, info, warn or error`,
		"log:\n":                                     `: line 1, column 5: log: invalid: fields are wanted (format, level, requests)`,
		"data: [a]\n":                                `: line 1, column 7: data: invalid: one value is wanted`,
		"listen: [127.0.0.1:1, nowhere]\n":           `: line 1, column 23: listen[1]: invalid: "nowhere": want host:port, or http://host:port or https://host:port`,
		"listen: []\n":                               `:1: listen: invalid: "": want at least one address`,
		"\nlisten: http://0.0.0.0:80\n":              `:2: listen: invalid: "http://0.0.0.0:80": http://0.0.0.0:80 would be plain HTTP beyond loopback; write https://, or allow it with plainHTTP`,
		"metrics: {listen: http://:80}\n":            `:1: metrics.listen: invalid: "http://:80": http://:80 would be plain HTTP beyond loopback; write https://, or allow it with plainHTTP`,
		"data: \"\"\n":                               `:1: data: invalid: "": want a folder`,
		"store: {scrubRate: fast}\n":                 `: line 1, column 20: store.scrubRate: invalid: "fast": want a size like 64MiB, or 0`,
		"store: {lease: -1h}\n":                      `: line 1, column 16: store.lease: invalid: "-1h": want a time from 0 to 365d, like 90m, 24h or 7d`,
		"auth: {sessionIdle: 1s}\n":                  `: line 1, column 21: auth.sessionIdle: invalid: "1s": want a time from 1m to 90d, like 90m, 24h or 7d`,
		"tls: {names: [a_b]}\n":                      `: line 1, column 15: tls.names[0]: invalid: "a_b": want a host name, which may begin with *., or an IP address`,
		"auth: {oidc: {issuer: https://u:p@x}}\n":    `: line 1, column 23: auth.oidc.issuer: invalid: "https://u:p@x": want a URL like https://id.example.com, without user and password`,
		"auth: {oidc: {issuer: http://x}}\n":         `:1: auth.oidc.issuer: invalid: "http://x": want https beyond loopback`,
		"auth: {oidc: {issuer: http://localhost}}\n": `auth.oidc.clientID: invalid: "": it is wanted with auth.oidc.issuer`,
		"auth: {oidc: {issuer: https://x, clientID: a, baseURL: http://b}}": `auth.oidc.adminGroups: invalid: "": want groups of administrators, operators or viewers: nobody could sign in`,
		"a: &x 1\n":                    `unknown field "a"`,
		strings.Repeat("#", maxFile+1): ": invalid: larger than 1048576 bytes",
	} {
		_, err := Load(Sources{File: write(t, content)})
		if !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: %v\nwant %s", content, err, want)
		}
	}
	_, err := Load(Sources{
		File:  write(t, "plainHTTP: maybe\njobs:\n  history: 1m\n"),
		Env:   []string{"LANDFALL_REGISTRY_ANONYMOUS_PULL=yes", "LANDFALL_MEDIA_MOUNT=always"},
		Flags: map[string][]string{"listen": {":1", "x"}, "scrub-rate": {"1MiB", "fast"}},
	})
	if !errors.Is(err, registry.ErrInvalid) {
		t.Fatal(err)
	}
	for _, want := range []string{
		`config.yaml: line 1, column 12: plainHTTP: invalid: "maybe": want true or false`,
		`config.yaml: line 3, column 12: jobs.history: invalid: "1m": want a time from 1h to 3650d, like 90m, 24h or 7d`,
		`LANDFALL_REGISTRY_ANONYMOUS_PULL: registry.anonymousPull: invalid: "yes": want true or false`,
		`LANDFALL_MEDIA_MOUNT: media.mount: invalid: "always": want auto or never`,
		`--listen: listen: invalid: "x": want host:port, or http://host:port or https://host:port`,
		`--scrub-rate: store.scrubRate: invalid: "fast": want a size like 64MiB, or 0`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}

// Without a scheme, an address is plain HTTP on loopback and TLS elsewhere.
func TestListen(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"127.0.0.1:5080": "http://127.0.0.1:5080", "localhost:0": "http://localhost:0", "[::1]:80": "http://[::1]:80", "127.8.8.8:1": "http://127.8.8.8:1",
		":5443": "https://:5443", "0.0.0.0:5443": "https://0.0.0.0:5443", "https://127.0.0.1:1": "https://127.0.0.1:1", "http://site.example:80": "http://site.example:80",
	} {
		l, err := parseListen(text)
		if err != nil || l.String() != want {
			t.Errorf("%s: %s, %v; want %s", text, l, err, want)
		}
	}
	for _, text := range []string{"", "5080", "a:b:c", "x:99999", "x:-1", "ftp://x:1", "https://x:1/path", "a b:1", "https://http://x:1", "x:http"} {
		if l, err := parseListen(text); err == nil {
			t.Errorf("%q is %s", text, l)
		}
	}
}

// A value has one form, which is read as what it was.
func TestForms(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0", time.Nanosecond: "1ns", time.Second: "1s", 90 * time.Minute: "1h30m", 12 * time.Hour: "12h", 10 * time.Minute: "10m", 20*time.Hour + time.Second: "20h0m1s", 48 * time.Hour: "2d",
	} {
		if got := formatSpan(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
	for _, f := range table {
		texts, err := f.canonical([]string{other(f)})
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		if again, err := f.canonical(texts); err != nil || !slices.Equal(again, texts) {
			t.Errorf("%s: %q becomes %q, %v", f.Name, texts, again, err)
		}
	}
}

// The table is consistent, and says nothing that a flag or variable of another
// field says.
func TestTable(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, f := range table {
		for _, name := range []string{f.Name, f.Env(), "--" + f.Flag} {
			if seen[name] && name != "--" {
				t.Errorf("%s is there twice", name)
			}
			seen[name] = true
		}
		if f.Runtime && (!f.Reload || f.Secret) {
			t.Errorf("%s can be changed at run time; it has to be reloadable and no secret", f.Name)
		}
		if f.Doc == "" || strings.Contains(f.Doc, "|") || strings.HasSuffix(f.Doc, ".") {
			t.Errorf("%s: %q", f.Name, f.Doc)
		}
	}
	for name, want := range map[string]string{"data": "LANDFALL_DATA", "plainHTTP": "LANDFALL_PLAIN_HTTP", "registry.anonymousPull": "LANDFALL_REGISTRY_ANONYMOUS_PULL", "auth.oidc.clientID": "LANDFALL_AUTH_OIDC_CLIENT_ID", "auth.oidc.baseURL": "LANDFALL_AUTH_OIDC_BASE_URL"} {
		if f, ok := FieldOf(name); !ok || f.Env() != want {
			t.Errorf("%s: %s, want %s", name, f.Env(), want)
		}
	}
}

// Variables that set nothing although they look so are told; those that
// Kubernetes sets for a service of our name are not.
func TestStrangers(t *testing.T) {
	t.Parallel()
	e, err := Load(Sources{Env: []string{"LANDFALL_LOG_LEVELS=debug", "LANDFALL_PORT=tcp://10.0.0.1:5080", "LANDFALL_SERVICE_HOST=10.0.0.1", "LANDFALL_LOG_LEVEL=debug", "LANDFALL_TOKEN=x"}})
	if err != nil || len(e.Warnings) != 1 || !strings.Contains(e.Warnings[0], "LANDFALL_LOG_LEVELS") {
		t.Errorf("%q, %v", e.Warnings, err)
	}
}

// A URL's user and password are not shown.
func TestSecrets(t *testing.T) {
	t.Parallel()
	e, err := Load(Sources{Env: []string{"LANDFALL_TRACE_ENDPOINT=https://me:hunter2@collector.example"}})
	if err != nil || e.Config.Trace.Endpoint != "https://me:hunter2@collector.example" {
		t.Fatal(err)
	}
	if text := fmt.Sprint(e.Values()); strings.Contains(text, "hunter2") || strings.Contains(text, "me:") || !strings.Contains(text, "https://hidden@collector.example") {
		t.Error(text)
	}
}

// What follows a changed file is the old configuration with the fields that need
// no restart.
func TestFollow(t *testing.T) {
	t.Parallel()
	path := write(t, "log: {level: info}\nlisten: 127.0.0.1:1\n")
	old, err := Load(Sources{File: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("log:\n  level: debug\n  format: json\nlisten: 127.0.0.1:2\nsite: {name: x}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	next, err := Load(Sources{File: path})
	if err != nil {
		t.Fatal(err)
	}
	reloadable, restart := Diff(old, next)
	if !slices.Equal(reloadable, []string{"site.name", "log.level"}) || !slices.Equal(restart, []string{"listen", "log.format"}) {
		t.Errorf("%q, %q", reloadable, restart)
	}
	now, err := old.Follow(next)
	if err != nil {
		t.Fatal(err)
	}
	if got, left := Diff(old, now); !slices.Equal(got, reloadable) || left != nil {
		t.Errorf("%q, %q", got, left)
	}
	if got := now.Origin("log.level").String(); got != path+":2" || now.Config.Listen[0].Address != "127.0.0.1:1" {
		t.Errorf("%s, %+v", got, now.Config)
	}
}

// Whatever the file says, it is refused with its name, or understood as what its
// values say.
func FuzzFile(f *testing.F) {
	f.Add([]byte("version: 1\nlisten: [127.0.0.1:5080, https://0.0.0.0:5443]\nregistry:\n  anonymousPull: false\n"))
	f.Add([]byte(sample()))
	f.Add([]byte("a: &x {b: *x}"))
	f.Add([]byte("site: {banner: \"a\\nb\"}\nauth: {oidc: {scopes: []}}"))
	f.Fuzz(func(t *testing.T, content []byte) {
		l, err := parseFile("/x/config.yaml", content)
		if err != nil {
			if !errors.Is(err, registry.ErrInvalid) || !strings.HasPrefix(err.Error(), "/x/config.yaml: ") {
				t.Fatal(err)
			}
			return
		}
		for name, texts := range l.texts {
			field, ok := FieldOf(name)
			if !ok || l.origins[name].Kind != FromFile || strings.HasSuffix(l.origins[name].Place, ":0") {
				t.Fatal(name, l.origins[name])
			}
			if again, err := field.canonical(texts); err != nil || !slices.Equal(again, texts) {
				t.Fatalf("%s: %q becomes %q, %v", name, texts, again, err)
			}
		}
	})
}
