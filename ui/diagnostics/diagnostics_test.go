package diagnostics

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/host"
	"github.com/landfall-dev/landfall/ui/observe"
	"github.com/landfall-dev/landfall/ui/settings"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// unpack reads a bundle.
func unpack(t *testing.T, content []byte) map[string]string {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(zip); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		name, ok := strings.CutPrefix(h.Name, folder)
		if !ok || h.Mode != 0o600 {
			t.Errorf("%+v", h)
		}
		files[name] = string(text)
	}
	return files
}

func collect(t *testing.T, s Sources) map[string]string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(t.Context(), &b, s); err != nil {
		t.Fatal(err)
	}
	return unpack(t, b.Bytes())
}

// The bundle of a real site has all that its README says, as JSON where it says so.
func TestSite(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	config, err := settings.Load(settings.Sources{Env: []string{"LANDFALL_SITE_NAME=Berth 7"}})
	if err != nil {
		t.Fatal(err)
	}
	ring := NewRing(0)
	log := observe.NewLog(io.MultiWriter(ring, io.Discard), observe.LogOptions{})
	log.Info("hello", "from", "the site")
	files := collect(t, Sources{
		Version: "1.2.3", Doctor: JSON(s.Examine), Stats: JSON(s.Stats), Log: ring,
		Config:  func(context.Context) (any, error) { return config.Values(), nil },
		Host:    func(context.Context) (any, error) { return host.Read(host.Options{}), nil },
		Jobs:    func(context.Context) (any, error) { return []string{}, nil },
		Audit:   func(context.Context) (any, error) { return map[string]int{"entries": 7}, nil },
		Metrics: func(_ context.Context, w io.Writer) error { _, err := io.WriteString(w, "landfall_x 1\n"); return err },
	})
	delete(files, "README.txt")
	for line := range strings.Lines(readme) {
		name, _, ok := strings.Cut(line, "  ")
		if _, there := files[name]; ok && name != "errors.txt" && !there {
			t.Errorf("%s is missing", name)
		}
	}
	for name, text := range files {
		if !strings.Contains(readme, name) {
			t.Errorf("the README says nothing of %s", name)
		}
		if strings.HasSuffix(name, ".json") && !json.Valid([]byte(text)) {
			t.Errorf("%s: %s", name, text)
		}
	}
	for name, want := range map[string]string{
		"program.json": `"version": "1.2.3"`, "config.json": `"value": "Berth 7"`, "doctor.json": `"database `, "stats.json": `"freeBytes"`, "audit.json": `"entries": 7`,
		"metrics.txt": "landfall_x 1\n", "log.txt": `msg=hello from="the site"`, "goroutines.txt": "diagnostics.Write", "host.json": `"kernel"`,
	} {
		if !strings.Contains(files[name], want) {
			t.Errorf("%s: %.300s\nwant %s", name, files[name], want)
		}
	}
	if errors, there := files["errors.txt"]; there {
		t.Error(errors)
	}
}

// A part that fails, panics or is too large stops no other, and errors.txt has it.
func TestFailures(t *testing.T) {
	t.Parallel()
	files := collect(t, Sources{
		Doctor: func(context.Context) (any, error) { return nil, errors.New("the disk is gone") },
		Stats:  func(context.Context) (any, error) { panic("oh") },
		Jobs:   func(context.Context) (any, error) { return make(chan int), nil },
		Audit:  func(context.Context) (any, error) { return strings.Repeat("x", maxPart+100), nil },
		Host:   func(context.Context) (any, error) { return "fine", nil },
		Metrics: func(_ context.Context, w io.Writer) error {
			fmt.Fprintln(w, "half 1")
			return errors.New("cut off")
		},
	})
	got := files["errors.txt"]
	for _, want := range []string{"doctor.json: the disk is gone\n", "stats.json: panic: oh\n", "jobs.json: json: unsupported type", "audit.json: its last 103 bytes are missing", "metrics.txt: cut off\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	if files["host.json"] != "\"fine\"\n" || files["metrics.txt"] != "half 1\n" || len(files["audit.json"]) != maxPart {
		t.Errorf("%q", slices.Collect(maps.Keys(files)))
	}
	if _, there := files["doctor.json"]; there {
		t.Error("a part that failed is there")
	}
}

// Who has gone away is not written for.
func TestEnd(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancelCause(t.Context())
	gone := errors.New("gone")
	err := Write(ctx, io.Discard, Sources{Doctor: func(ctx context.Context) (any, error) {
		stop(gone)
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	if !errors.Is(err, gone) {
		t.Error(err)
	}
	if err := Write(t.Context(), brokenWriter{}, Sources{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// planted are secrets in the forms in which they get into texts. Each has the
// word hunter, in some form, where nothing may be left.
func planted() []string {
	key := string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: []byte("hunterhunterhunterhunterhunterhunterhunterhunterhunter")}))
	encoded := strings.Split(key, "\n")[1]
	return []string{
		"Authorization: Bearer hunter.2", "authorization: Digest username=\"x\", response=\"hunter2\"", "Proxy-Authorization=Basic hunter",
		`headers="map[Authorization:[Basic hunter2] Accept:[*/*]]"`, `{"Authorization":["Bearer hunter2"]}`,
		"Cookie: a=hunter2; b=hunter3", "Set-Cookie: session=hunter2; Path=/; HttpOnly", "cookies=[a=hunter2]",
		"X-Auth-Token: hunter2", "password=hunter2", `password="hunter 2"`, "password: correct hunter battery staple", `{"password":"hun\"hunter2"}`, `msg="body {\"password\":\"x \\\" hunter2\"}"`,
		`{"adminPassword": "hunter2", "a": {"secret": {"k": "hunter2"}}, "tokens": 3}`, "db_passwd='hunter 2'", "LANDFALL_TOKEN=hunter2", "api-key = hunter2", "clientSecret: hunter2",
		"passphrase=hunter2&x=1", "{Password:hunter2 Name:x}", "map[token:hunter2]", "landfall login --password hunter2", `secret=["hunter2", "hunter3"]`,
		"lf_hunter2hunter2hunter2", "lfp_hunter2-hunter2_hunter2", "token lf_hunter2hunter2 was used",
		"https://hunter:hunter2@registry.example/v2/", "dial postgres://a:p@hunter2@db/x", "GET /callback?code=hunter2&state=hunter3", "https://site/?setup=hunter2",
		"eyJhbGciOiJFUzI1NiJ9.hunter2.hunter3", "$argon2id$v=19$m=65536,t=3,p=4$hunter$hunter2", "$2a$10$hunter2",
		`{"auths":{"x":{"auth":"hunter2"}}}`, "AGE-SECRET-KEY-1HUNTER", "Bearer hunter2hunter2", "open https://10.0.0.5:5443/setup#hunter2hunter2hunter2", "got __Host-landfall=hunter2hunter2hunter2",
		"lf_abcdefghij234567abcd_hunterhunterhunterhunterhunterhunterhunterh0123abcd was made",
		key, fmt.Sprintf("%q", key), strings.Join(strings.Split(key, "\n")[:2], "\n"), strings.Join(strings.Split(key, "\n")[1:], "\n"), "csrf=hunter2", "sessionId: hunter2",
		`{"name":"registryPassword","value":"hunter2"}`, strings.ReplaceAll(key, encoded, "hunter"),
	}
}

// Wherever a secret gets into what is told, it does not get into the bundle.
func TestSecrets(t *testing.T) {
	t.Parallel()
	for _, secret := range planted() {
		check := func(where, text string) {
			t.Helper()
			if lower := strings.ToLower(text); strings.Contains(lower, "hunter") || strings.Contains(text, "aHVudGVy") {
				t.Errorf("%s: %q left %q", where, secret, text)
			}
		}
		check("text", Redact("before\n"+secret+"\nafter"))
		text, logged := NewRing(0), NewRing(0)
		slog.New(slog.NewTextHandler(text, nil)).Error(secret, "err", secret)
		slog.New(slog.NewJSONHandler(logged, nil)).Error(secret, "err", errors.New(secret), "nested", map[string]any{"v": secret})
		tell := func(context.Context) (any, error) {
			return []any{secret, map[string]any{"is": secret, "raw": map[string]string{secret: secret}}}, nil
		}
		for _, ring := range []*Ring{text, logged} {
			files := collect(t, Sources{Doctor: tell, Config: tell, Jobs: tell, Log: ring,
				Metrics: func(_ context.Context, w io.Writer) error { _, err := io.WriteString(w, secret); return err },
				Host:    func(context.Context) (any, error) { return nil, errors.New(secret) },
				Stats:   func(context.Context) (any, error) { panic(secret) },
			})
			delete(files, "goroutines.txt") // names this test, not what it holds
			for name, content := range files {
				check(name, content)
			}
			if ring == logged && !json.Valid([]byte(files["log.txt"])) {
				t.Errorf("log.txt: %q became %q", logged.Bytes(), files["log.txt"])
			}
		}
	}
}

// What is no secret stays.
func TestPlain(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"time=2026-01-01T00:00:00Z level=INFO msg=\"served\" path=/v2/team/app/blobs/sha256:" + strings.Repeat("ab", 32) + " bytes=17 request_id=0123456789abcdef\n",
		`{"time":"2026-01-01T00:00:00Z","level":"INFO","msg":"hello","number":12345678901234567890}` + "\n",
		"landfall_http_requests_total{route=\"blob\",code=\"200\"} 3\n", "https://registry.example:5000/v2/?n=10 answered\n", "5 tokens, 3 sessions and 2 passwords were counted\n",
		"auth.oidc.clientSecretFile /etc/landfall/secret\n", "a@b.example wrote\n",
	} {
		if got := Redact(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
	value := map[string]any{"tokens": 3, "passwordFile": "/x", "list": []any{"a", true, nil}, "secret": "", "hasPassword": true}
	plain, err := plainJSON(value)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := marshal(plain)
	if got, _ := marshal(redactValue(plain)); got != want {
		t.Errorf("%s became %s", want, got)
	}
}

// A ring has the last whole lines, whatever the sizes of the writes.
func TestRing(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 7, 64, 1000} {
		r, all := NewRing(size), ""
		for i := range 200 {
			line := strings.Repeat("x", i%23) + fmt.Sprint(i) + "\n"
			all += line
			if n, err := r.Write([]byte(line)); n != len(line) || err != nil {
				t.Fatal(n, err)
			}
			want := all
			if len(all) >= size {
				_, want, _ = strings.Cut(all[len(all)-size:], "\n")
			}
			if got := string(r.Bytes()); got != want {
				t.Fatalf("size %d after %d lines: %q, want %q", size, i+1, got, want)
			}
		}
	}
}

// A secret on a line of its own goes whatever is around it.
func FuzzRedact(f *testing.F) {
	for _, s := range planted() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, around string) {
		const secret = "Xq7hunter2Zp"
		for _, line := range []string{"password=" + secret, "Authorization: Bearer " + secret, "https://me:" + secret + "@host/", "lf_" + secret} {
			if got := Redact(around + "\n" + line + "\n" + around); strings.Contains(got, secret) && !strings.Contains(around, secret) {
				t.Fatalf("%q left %q", line, got)
			}
		}
		if once := Redact(around); len(once) > 20*len(around)+100 {
			t.Fatal("it grows")
		}
	})
}

func BenchmarkRedact(b *testing.B) {
	line := "time=" + time.Now().Format(time.RFC3339Nano) + " level=INFO msg=\"served\" method=GET path=/v2/team/app/blobs/sha256:" + strings.Repeat("ab", 32) + " status=200 bytes=1234567 request_id=0123456789abcdef\n"
	text := strings.Repeat(line, ringSize/len(line))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		Redact(text)
	}
}
