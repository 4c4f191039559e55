package appliance_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/definition"
	"github.com/landfall-dev/landfall/lifecycle/variable"
	"github.com/landfall-dev/landfall/ui/definitions/definitionstest"
)

// secrets are texts that must be told to nobody but who they are given to.
type secrets struct {
	s      *site
	named  map[string]string // what it is, by the text
	errors []string          // what was answered to requests that went wrong
}

// plant adds a secret; parts of it that lines could break it into count, too.
func (x *secrets) plant(name, text string) string {
	x.named[text] = name
	return text
}

// found looks for all secrets in a text.
func (x *secrets) found(where, text string) {
	x.s.t.Helper()
	for secret, name := range x.named {
		if at := strings.Index(text, secret); at >= 0 {
			x.s.t.Errorf("%s has %s: …%.200q", where, name, text[max(0, at-100):])
		}
	}
}

// send sends a request, and keeps what an error says.
func (x *secrets) send(who subject, method, path, body string, headers ...string) answer {
	x.s.t.Helper()
	got := x.s.as(who, method, path, body, headers...)
	if got.status >= 400 {
		x.errors = append(x.errors, fmt.Sprintf("%d %v %s", got.status, got.header, got.body))
	}
	return got
}

// certificate is one for localhost, with its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}))
}

// middle is the first whole line of a PEM's content.
func middle(text string) string { return strings.Split(text, "\n")[1] }

// Whatever is asked for, rightly or wrongly: passwords, tokens, cookies, keys and
// the link of the first start are in no log, no error, no event, no entry of the
// audit log, no job, nowhere in the database, and not in the diagnostics bundle.
func TestSecrets(t *testing.T) {
	t.Parallel()
	const trace = "trace-5eCret-endpoint"
	oidc := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(oidc, []byte("oidc-5eCret-of-client"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, siteOptions{flags: map[string][]string{"trace-endpoint": {"http://user:" + trace + "@127.0.0.1:1/v1/traces"}},
		env: []string{"LANDFALL_AUTH_OIDC_ISSUER=http://127.0.0.1:1", "LANDFALL_AUTH_OIDC_CLIENT_ID=landfall", "LANDFALL_AUTH_OIDC_CLIENT_SECRET_FILE=" + oidc, "LANDFALL_AUTH_OIDC_ADMIN_GROUPS=admins"}})
	x := &secrets{s: s, named: map[string]string{}}
	x.plant("the trace endpoint's password", trace)
	x.plant("the provider's client secret", "oidc-5eCret-of-client")
	x.plant("the secret of the first start", s.setup)
	x.plant("the password of everybody", goodPassword)
	heard := x.listen()
	admin := x.accounts()
	x.tokens(admin)
	x.files(admin)
	x.values(admin)
	x.wrong(admin)
	x.found("the answers to errors", strings.Join(x.errors, "\n"))
	x.found("the audit log", s.wantAs(admin, "GET", "/api/v1/audit/export", "", 200))
	x.found("the audit log's list", s.wantAs(admin, "GET", "/api/v1/audit?limit=500", "", 200))
	x.found("the jobs", s.wantAs(admin, "GET", "/api/v1/jobs", "", 200))
	x.found("the settings", s.wantAs(admin, "GET", "/api/v1/settings/effective", "", 200))
	for name, content := range unpack(t, s.wantAs(admin, "GET", "/api/v1/diagnostics", "", 200)) {
		x.found("diagnostics: "+name, content)
	}
	x.found("the events", heard())
	dump, unkept := x.dump(), maps.Clone(x.named)
	x.found("the database", dump)
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	x.found("the log", s.log.String())
	delete(x.named, s.setup) // which is what the console is for
	x.found("the console", s.console.String())
	x.named = unkept
	x.disk()
	if len(x.errors) < 40 || !strings.Contains(dump, "auth_users") || len(heard()) == 0 {
		t.Errorf("%d errors, %d bytes of tables, %d of events", len(x.errors), len(dump), len(heard()))
	}
}

// listen hears all events from now on.
func (x *secrets) listen() func() string {
	b := &buffer{}
	who, _ := x.s.addToken("listener", `"role":"viewer"`)
	st := x.s.follow(who, "")
	var hearing sync.WaitGroup
	hearing.Go(func() { _, _ = io.Copy(b, st.body) })
	x.s.t.Cleanup(hearing.Wait)
	return b.String
}

// accounts makes users in right and wrong ways.
func (x *secrets) accounts() (admin subject) {
	const setup = "/api/v1/setup"
	nobody := subject{}
	x.send(nobody, "POST", setup, fmt.Sprintf(`{"secret":%q,"name":"a b","password":%q}`, x.s.setup, goodPassword))
	x.send(nobody, "POST", setup, fmt.Sprintf(`{"secret":%q,"name":"admin","password":"short"}`, x.s.setup))
	x.send(nobody, "POST", setup, fmt.Sprintf(`{"secret":%q,"password":%q}`, x.s.setup, goodPassword))
	x.send(nobody, "POST", setup, fmt.Sprintf(`{"secret":[%q],"password":%q,"name":"x"}`, x.s.setup, goodPassword))
	x.send(nobody, "POST", setup+"?secret="+x.s.setup, "{}")
	admin = x.s.first("admin")
	x.plant("a session", strings.TrimPrefix(admin.headers[1], "landfall="))
	x.send(nobody, "POST", setup, fmt.Sprintf(`{"secret":%q,"name":"admin","password":%q}`, x.s.setup, goodPassword))
	weak := x.plant("a password that is too weak", "sh0rt-Pw")
	guess := x.plant("a wrong password", "wr0ng-password-guess")
	long := x.plant("a password that is too long", "t00-long-"+strings.Repeat("p", 1100))
	for _, body := range []string{
		`{"name":"u1","role":"viewer","password":%q}`, `{"name":"u1","password":%q}`, `{"name":"u1","role":"king","password":%q}`, `{"name":"u 1","role":"viewer","password":%q}`,
		`{"name":"u1","role":"viewer","password":[%q]}`, `{"name":"u1","role":"viewer","password":{"a":%q}}`, `{"name":"u1","role":"viewer","passwort":%q}`,
		`{"name":"u1","role":"viewer","password":%q`, `[%q]`, `%q`, `{"name":"admin","role":"viewer","password":%q}`,
	} {
		for _, secret := range []string{weak, goodPassword, long} {
			x.send(admin, "POST", "/api/v1/users", fmt.Sprintf(body, secret))
			x.send(nobody, "POST", "/api/v1/session", fmt.Sprintf(body, secret))
		}
		x.send(admin, "PATCH", "/api/v1/users/"+admin.id, fmt.Sprintf(body, guess), "If-Match", `"1"`)
		x.send(admin, "PUT", "/api/v1/session/password", fmt.Sprintf(strings.Replace(body, "name", "current", 1), guess))
	}
	x.send(nobody, "POST", "/api/v1/session", fmt.Sprintf(`{"name":%q,"password":"x"}`, guess)) // in the wrong field
	for _, path := range []string{"/v2/", "/auth/token", "/api/v1/session"} {
		x.send(subject{}, "GET", path, "", "Authorization", basic("admin", guess))
		x.send(subject{}, "GET", path, "", "Authorization", "Digest "+guess)
		x.send(subject{}, "GET", path, "", "Authorization", "Bearer "+guess)
		x.send(subject{}, "GET", path, "", "Cookie", "landfall="+guess)
	}
	x.send(subject{}, "POST", "/auth/token", "grant_type=password&service=landfall&username=admin&password="+guess, "Content-Type", "application/x-www-form-urlencoded")
	x.send(subject{}, "POST", "/auth/token", "grant_type=refresh_token&service=landfall&refresh_token="+guess, "Content-Type", "application/x-www-form-urlencoded")
	x.plant("the other password of the administrator", "another g00d password")
	changed := x.send(admin, "PUT", "/api/v1/session/password", fmt.Sprintf(`{"current":%q,"password":"another g00d password"}`, goodPassword))
	if changed.status != 200 {
		x.s.t.Fatal(changed)
	}
	admin.headers = []string{"Cookie", changed.cookie()}
	x.plant("another session", changed.value())
	return admin
}

// tokens makes tokens and uses them, also when they have ended.
func (x *secrets) tokens(admin subject) {
	for name, fields := range map[string]string{"robot": `"role":"operator"`, "personal": fmt.Sprintf(`"owner":%q`, admin.id)} {
		body := fmt.Sprintf(`{"name":%q,%s}`, name, fields)
		told := x.send(admin, "POST", "/api/v1/tokens", body)
		text, id := x.plant("a token", field(x.s.t, told.body, "text")), field(x.s.t, told.body, "id")
		x.plant("a token's secret", text[strings.LastIndexByte(text, '_')+1:])
		login := "admin"
		if name == "robot" {
			renewed := x.send(admin, "POST", "/api/v1/tokens/"+id+"/renew", "{}")
			text, login = x.plant("a renewed token", field(x.s.t, renewed.body, "text")), "robot$robot"
		}
		use := func() {
			for _, headers := range [][]string{{"Authorization", "Bearer " + text}, {"Authorization", basic(login, text)}, {"Authorization", basic("another", text)}, {"Authorization", "Bearer " + text + "x"}} {
				for _, path := range []string{"/api/v1/content/names", "/api/v1/nosuch", "/v2/", "/v2/x/manifests/a", "/auth/token?service=landfall&scope=repository:x:pull"} {
					if got := x.send(subject{}, "GET", path, "", headers...); got.status == 200 && strings.HasPrefix(path, "/auth") {
						pass := x.plant("a pass", field(x.s.t, got.body, "token"))
						x.send(subject{}, "GET", "/v2/x/manifests/a", "", "Authorization", "Bearer "+pass)
						x.send(subject{}, "GET", "/api/v1/session", "", "Authorization", "Bearer "+pass)
					}
				}
			}
			x.send(subject{}, "POST", "/api/v1/content/scrub", "{}", "Authorization", "Bearer "+text, "Idempotency-Key", name)
		}
		use()
		x.send(admin, "DELETE", "/api/v1/tokens/"+id, "")
		use()
		x.send(admin, "POST", "/api/v1/tokens", strings.TrimSuffix(body, "}")+fmt.Sprintf(`,"text":%q}`, text))
	}
}

// files brings a certificate with its key, and bundles.
func (x *secrets) files(admin subject) {
	cert, key := certificate(x.s.t.(*testing.T))
	_, other := certificate(x.s.t.(*testing.T))
	x.plant("the certificate's key", middle(key))
	x.plant("another key", middle(other))
	set := func(cert, key string) answer {
		return x.send(admin, "PUT", "/api/v1/tls/certificate", fmt.Sprintf(`{"certificate":%s,"key":%s}`, quote(cert), quote(key)))
	}
	set(cert, other)
	set(other, key)
	set(key, cert)
	set(cert, key[:len(key)/2])
	set(cert, strings.ReplaceAll(key, "PRIVATE KEY", "SECRET KEY"))
	x.send(admin, "PUT", "/api/v1/tls/certificate", fmt.Sprintf(`{"certificate":%s,"key":[%s]}`, quote(cert), quote(key)))
	x.send(admin, "PUT", "/api/v1/tls/certificate", fmt.Sprintf(`{"key":%s}`, quote(key)))
	if got := set(cert, key); got.status != 200 {
		x.s.t.Errorf("%d %s", got.status, got.body)
	}
	x.send(admin, "POST", "/api/v1/bundles/import", fmt.Sprintf(`{"upload":"nosuch","keys":[%s]}`, quote(key)))
	x.send(admin, "PUT", "/api/v1/trust/policy", fmt.Sprintf(`{"text":%s}`, quote(key)))
}

// values gives a definition values that are sensitive, in right and wrong ways.
func (x *secrets) values(admin subject) {
	c := definitionstest.NewConnected(x.s.t)
	d := definitionstest.Definition("1.0.0", []definition.Image{c.Image("docker.io/team/app:v1")},
		variable.Declaration{Name: "password", Type: variable.String, Sensitive: true, Pattern: `[a-zA-Z0-9-]+`},
		variable.Declaration{Name: "login", Type: variable.Object, Sensitive: true})
	x.s.land(c, c.Publish(d).String())
	good := x.plant("a sensitive value", "valu3-of-the-site")
	other := x.plant("another sensitive value", "0ther-valu3")
	path := "/api/v1/definitions/values?name=edge"
	for _, body := range []string{`{"set":{"password":%q}}`, `{"set":{"login":{"user":"u","password":%q}}}`, `{"set":{"password":"%s broken"}}`, `{"set":{"password":[%q]}}`, `{"set":{"login":%q}}`,
		`{"set":{"nosuch":%q}}`, `{"set":%q}`, `{"set":[%q]}`, `{"unset":[{"password":%q}]}`, `{"set":{"password":%q`, `{"sets":{"password":%q}}`, `[%q]`} {
		for _, secret := range []string{good, other} {
			x.send(admin, "PATCH", path, fmt.Sprintf(body, secret))
		}
	}
	for _, rest := range []string{"", "/compare"} {
		got := x.send(admin, "GET", "/api/v1/definitions/values"+rest+"?name=edge&to=edge", "")
		if rest == "" {
			got = x.send(admin, "GET", path, "")
		}
		x.found("the values", got.body)
		if got.status != 200 || !strings.Contains(got.body, `"set"`) {
			x.s.t.Errorf("%d %s", got.status, got.body)
		}
	}
}

// wrong sends what makes the appliance complain.
func (x *secrets) wrong(admin subject) {
	x.send(admin, "PATCH", "/api/v1/settings", `{"trace.endpoint":"http://user:pw@x"}`, "If-Match", `"0"`)
	x.send(admin, "GET", "/auth/oidc/login", "")
	x.send(admin, "GET", "/auth/oidc/callback?code="+x.plant("a code of the provider", "c0de-of-the-provider")+"&state=x", "")
	x.send(admin, "POST", "/api/v1/uploads", "", "Tus-Resumable", "1.0.0", "Upload-Length", "0", "Upload-Metadata", "filename "+base64.StdEncoding.EncodeToString([]byte("a")))
}

// unpack reads the files of a tar.gz.
func unpack(t *testing.T, content string) map[string]string {
	t.Helper()
	zip, err := gzip.NewReader(strings.NewReader(content))
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
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name] = string(content)
	}
	if len(files) < 8 || files["landfall-diagnostics/log.txt"] == "" {
		t.Errorf("%d files of diagnostics", len(files))
	}
	return files
}

// dump is all that the tables have.
func (x *secrets) dump() string {
	x.s.t.Helper()
	db, err := x.s.appliance.Database(x.s.t.Context())
	if err != nil {
		x.s.t.Fatal(err)
	}
	rows, err := db.Read.QueryContext(x.s.t.Context(), `SELECT name FROM sqlite_master WHERE type = 'table'`)
	if err != nil {
		x.s.t.Fatal(err)
	}
	defer rows.Close()
	var out strings.Builder
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			x.s.t.Fatal(err)
		}
		table, err := db.Read.QueryContext(x.s.t.Context(), `SELECT * FROM `+name)
		if err != nil {
			x.s.t.Fatal(err)
		}
		columns, _ := table.Columns()
		values, to := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			to[i] = &values[i]
		}
		for table.Next() {
			if err := table.Scan(to...); err != nil {
				x.s.t.Fatal(err)
			}
			fmt.Fprintf(&out, "%s: ", name)
			for _, v := range values {
				if b, ok := v.([]byte); ok {
					v = string(b)
				}
				fmt.Fprintf(&out, "%v | ", v)
			}
			out.WriteByte('\n')
		}
		if err := joined(table.Err(), table.Close()); err != nil {
			x.s.t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		x.s.t.Fatal(err)
	}
	return out.String()
}

// disk looks through all files of the data folder but those that are for keys.
func (x *secrets) disk() {
	x.s.t.Helper()
	err := filepath.WalkDir(x.s.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == "tls" {
			return filepath.SkipDir
		}
		if d.Type().IsRegular() {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			x.found(path, string(bytes.ToValidUTF8(content, nil)))
		}
		return nil
	})
	if err != nil {
		x.s.t.Error(err)
	}
}
