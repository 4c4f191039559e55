package upload

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// What is taken as metadata can be sent back, and its name can be shown.
func FuzzMetadata(f *testing.F) {
	for _, seed := range []string{"", "filename d29ybGRfZG9taW5hdGlvbl9wbGFuLnBkZg==,is_confidential", "a ,b", ", ", "kind YnVuZGxl",
		meta("filename", "../\x1b[2J\u202e\x00/..", "sha256", strings.Repeat("0", 64)), meta("group", "g", "offset", "1", "total", "9223372036854775807")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		m, err := parseMetadata(header)
		if err != nil {
			return
		}
		if m.raw != header || m.name == "" || len(m.name) > maxName || !utf8.ValidString(m.name) || m.name == "." || m.name == ".." ||
			strings.ContainsFunc(m.name, func(c rune) bool { return c == '/' || c == '\\' || !unicode.IsPrint(c) }) {
			t.Errorf("%q is shown as %q", header, m.name)
		}
		if m.part != nil && (m.part.Offset < 0 || m.part.Total < 0 || m.part.Group == "") {
			t.Errorf("%q: %+v", header, m.part)
		}
	})
}

// No header makes the server fail, or tell what is not the client's business.
func FuzzHeaders(f *testing.F) {
	f.Add("POST", "", "5", "0", "a YQ==", "", "", typeBytes, "", []byte("hello"))
	f.Add("PATCH", "/x", "5", "0", "", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", "", typeBytes, "PATCH", []byte("hello"))
	f.Add("POST", "", "", "", "", "", "final;/api/v1/uploads/a /api/v1/uploads/b", "", "", []byte{})
	f.Add("POST", "", "5", "", meta("group", "g", "offset", "0", "total", "10"), "", "partial", "", "", []byte{})
	f.Add("GET", "?limit=5&all=true", "", "", "", "", "", "", "HEAD", []byte{})
	s := newSite(f, Options{MaxSize: 1 << 20, MaxOpenByOwner: 1 << 20, MaxOpen: 1 << 20, Idle: time.Second})
	f.Fuzz(func(t *testing.T, method, path, length, offset, metadata, sum, concat, kind, over string, body []byte) {
		if rest, ok := strings.CutPrefix(path, "/x"); ok { // one that is there
			made := httptest.NewRequest("POST", "/api/v1/uploads", nil)
			made.Header = http.Header{headerResumable: {version}, "X-Owner": {"amy"}, headerLength: {"100"}}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, made)
			path = "/" + idIn(w.Header().Get("Location")) + rest
		}
		r := httptest.NewRequest("POST", "/api/v1/uploads", bytes.NewReader(body))
		r.Method = method
		r.URL.Path += path
		r.Header = http.Header{headerResumable: {version}, "X-Owner": {"amy"}, headerLength: {length}, headerOffset: {offset}, headerMetadata: {metadata},
			headerChecksum: {sum}, headerConcat: {concat}, "Content-Type": {kind}, http.CanonicalHeaderKey(headerOverride): {over}}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code >= 500 && w.Code != http.StatusInsufficientStorage || strings.Contains(w.Body.String(), s.dir) {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
		if at := w.Header().Get("Location"); at != "" && w.Code == http.StatusCreated {
			d := httptest.NewRequest("DELETE", at, nil)
			d.Header = http.Header{headerResumable: {version}, "X-Owner": {"amy"}}
			s.ServeHTTP(httptest.NewRecorder(), d)
		}
	})
}

// No content makes the examination fail otherwise than by saying what is wrong.
func FuzzExamine(f *testing.F) {
	for _, seed := range [][]byte{nil, archiveOf(1000, 1), tarOf("oci-layout", []byte("{}"), "index.json", []byte("{}")), []byte("kind: Definition"), []byte("\x1f\x8b"), {0x30, 1, 1}} {
		f.Add("x.tar", seed)
		f.Add("x.001", seed)
	}
	f.Fuzz(func(t *testing.T, name string, content []byte) {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, k := range append(kinds, "") {
			if _, err := Examine(path, name, k); err != nil && ours(err) {
				t.Errorf("%s: %v", k, err)
			}
		}
	})
}
