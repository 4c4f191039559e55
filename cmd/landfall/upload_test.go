package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/upload"
)

// startUploads is an appliance that takes uploads from who has the token.
func startUploads(t *testing.T, token string) *httptest.Server {
	t.Helper()
	s, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	u, err := upload.New(t.Context(), s, t.TempDir(), upload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		u.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		u.Close()
		server.Close()
		s.Close()
	})
	return server
}

// Files are sent and their ids printed; what is not taken is refused with the exit
// code of its kind.
func TestUpload(t *testing.T) {
	t.Parallel()
	server := startUploads(t, "secret")
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	token, wrong := file("token", "secret\n"), file("wrong", "wr0ng\n")
	one, two, bad := file("one.yaml", "kind: Definition\n"), file("two.yaml", strings.Repeat("# a comment\n", 100)), file("bad.tar.gz", "\x1f\x8b\x08\x00")
	upload := func(args ...string) (stdout string, code int) {
		root := newRoot()
		var out, messages bytes.Buffer
		root.SetOut(&out)
		root.SetErr(&messages)
		root.SetArgs(append([]string{"upload", "--server", server.URL, "--token-file", token}, args...))
		err := root.ExecuteContext(t.Context())
		if text := messages.String(); strings.Contains(text, "secret") || err != nil && strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("a token is shown: %s %v", text, err)
		}
		return out.String(), exitCode(t.Context(), err)
	}
	ids, code := upload(one, two, "--kind", "definition", "--parts", "2")
	if code != exitDone || len(strings.Fields(ids)) != 2 {
		t.Fatalf("exit %d: %q", code, ids)
	}
	printed, code := upload(one, "--json", "--kind", "definition")
	var results []uploaded
	if err := json.Unmarshal([]byte(printed), &results); err != nil || code != exitDone || len(results) != 1 ||
		results[0].ID != strings.Fields(ids)[0] || results[0].Sent != 0 || results[0].Found != results[0].Size {
		t.Errorf("exit %d, %v: %s", code, err, printed)
	}
	for _, c := range []struct {
		args []string
		code int
	}{
		{[]string{bad}, exitRefused},
		{[]string{one, "--kind", "bundle"}, exitRefused},
		{[]string{one, "--kind", "movie"}, exitFailed},
		{[]string{dir + "/none"}, exitFailed},
		{[]string{}, exitUsage},
		{[]string{one, "--parts", "-1"}, exitUsage},
		{[]string{one, "--server", "site:5443"}, exitUsage},
		{[]string{one, "--token-file", wrong}, exitFailed},
		{[]string{one, "--token-file", bad}, exitUsage},
	} {
		if out, code := upload(c.args...); code != c.code || out != "" {
			t.Errorf("%q: exit %d, want %d; %s", c.args, code, c.code, out)
		}
	}
}
