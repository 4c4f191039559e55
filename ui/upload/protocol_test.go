package upload

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

const size = 40_000

// What each request is answered, by section of the protocol.
func TestProtocol(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{MaxSize: 1 << 20})
	content := archiveOf(size, 1)
	n := len(content)
	length := func(text string, more ...string) map[string]string {
		h := map[string]string{headerLength: text}
		for k := 0; k < len(more); k += 2 {
			h[more[k]] = more[k+1]
		}
		return h
	}
	patch := func(offset int, more ...string) map[string]string {
		h := patchHeader(offset)
		for k := 0; k < len(more); k += 2 {
			h[more[k]] = more[k+1]
		}
		return h
	}
	body := func(n int) io.Reader { return bytes.NewReader(make([]byte, n)) }
	sum := func(algorithm string, b []byte) string {
		return algorithm + " " + base64.StdEncoding.EncodeToString(b)
	}
	sha := sha1.Sum(content[:100])
	sha2 := sha256.Sum256(content[:100])
	part := func() string { return s.make(n) } // an upload without bytes
	begun := func() string {                   // with 100
		location := part()
		s.send(location, 0, content[:100]).want(t, 204)
		return location
	}
	ended := func() string { // with all
		location := part()
		s.send(location, 0, content).want(t, 204)
		return location
	}
	failed := func() string {
		location := s.make(5)
		s.send(location, 0, []byte("\x1f\x8b\x08zz")).want(t, 422)
		return location
	}
	for _, c := range []struct {
		name   string
		call   call
		at     func() string // the upload that is meant; nil: none
		status int
		header map[string]string // "" for none, "*" for any
		after  int64             // the offset afterwards, of at; not looked at when 0
	}{
		{"options", call{method: "OPTIONS", header: map[string]string{headerResumable: ""}}, nil, 204, map[string]string{
			headerVersion: version, "Tus-Extension": extensions, "Tus-Max-Size": "1048576", "Tus-Checksum-Algorithm": "sha1,sha256", headerResumable: version}, 0},
		{"options of one", call{method: "OPTIONS", header: map[string]string{headerResumable: "0.2.2"}}, part, 204, map[string]string{headerVersion: version}, 0},

		{"no version", call{method: "POST", header: length("5", headerResumable, "")}, nil, 412, map[string]string{headerVersion: version, "Location": ""}, 0},
		{"another version", call{method: "PATCH", header: patch(100, headerResumable, "0.2.2"), body: body(5)}, begun, 412, map[string]string{headerVersion: version}, 100},
		{"head of another version", call{method: "HEAD", header: map[string]string{headerResumable: "2.0.0"}}, part, 412, map[string]string{headerOffset: ""}, 0},

		{"create", call{method: "POST", header: length("5")}, nil, 201, map[string]string{"Location": "*", headerExpires: "*", headerResumable: version, headerOffset: ""}, 0},
		{"create without a length", call{method: "POST"}, nil, 400, map[string]string{"Location": ""}, 0},
		{"create of deferred length", call{method: "POST", header: map[string]string{"Upload-Defer-Length": "1"}}, nil, 400, nil, 0},
		{"create of length -1", call{method: "POST", header: length("-1")}, nil, 400, nil, 0},
		{"create of length +1", call{method: "POST", header: length("+1")}, nil, 400, nil, 0},
		{"create of length 1e3", call{method: "POST", header: length("1e3")}, nil, 400, nil, 0},
		{"create of length 0x10", call{method: "POST", header: length("0x10")}, nil, 400, nil, 0},
		{"create of length 1_0", call{method: "POST", header: length("1_0")}, nil, 400, nil, 0},
		{"create of length 2^63", call{method: "POST", header: length("9223372036854775808")}, nil, 400, nil, 0},
		{"create of too much", call{method: "POST", header: length("1048577")}, nil, 413, map[string]string{"Location": ""}, 0},
		{"create with a key twice", call{method: "POST", header: length("5", headerMetadata, "a YQ==,a YQ==")}, nil, 400, nil, 0},
		{"create with no key", call{method: "POST", header: length("5", headerMetadata, "a YQ==,")}, nil, 400, nil, 0},
		{"create with a value that is not Base64", call{method: "POST", header: length("5", headerMetadata, "a %%%")}, nil, 400, nil, 0},
		{"create of an unknown kind", call{method: "POST", header: length("5", headerMetadata, meta("kind", "movie"))}, nil, 400, nil, 0},
		{"create with a value that is missing", call{method: "POST", header: length("5", headerMetadata, "a,b ,c YQ==")}, nil, 201, nil, 0},
		{"create with an unknown concat", call{method: "POST", header: length("5", headerConcat, "partially")}, nil, 400, nil, 0},

		{"create with bytes", call{method: "POST", header: length("50000", "Content-Type", typeBytes), body: body(100)}, nil, 201, map[string]string{headerOffset: "100", "Location": "*"}, 0},
		{"create with bytes of another type", call{method: "POST", header: length("50000", "Content-Type", "text/plain"), body: body(100)}, nil, 415, map[string]string{"Location": ""}, 0},
		{"create with too many bytes", call{method: "POST", header: length("50", "Content-Type", typeBytes), body: body(100)}, nil, 413, map[string]string{"Location": ""}, 0},

		{"head", call{method: "HEAD"}, begun, 200, map[string]string{headerOffset: "100", headerLength: textOf(n), "Cache-Control": "no-store", headerResumable: version, headerMetadata: ""}, 100},
		{"head of what is not there", call{method: "HEAD", path: "/none"}, nil, 404, map[string]string{headerOffset: "", headerResumable: version}, 0},
		{"head of what has all", call{method: "HEAD"}, ended, 200, map[string]string{headerOffset: textOf(n), headerLength: textOf(n)}, int64(n)},
		{"head of what failed", call{method: "HEAD"}, failed, 410, map[string]string{headerOffset: ""}, 0},

		{"patch", call{method: "PATCH", header: patch(100), body: bytes.NewReader(content[100:300])}, begun, 204, map[string]string{headerOffset: "300", headerExpires: "*", headerResumable: version}, 300},
		{"patch of unknown size", call{method: "PATCH", header: patch(100), body: bytes.NewReader(content[100:300]), size: -1}, begun, 204, map[string]string{headerOffset: "300"}, 300},
		{"patch of nothing", call{method: "PATCH", header: patch(100)}, begun, 204, map[string]string{headerOffset: "100"}, 100},
		{"patch of another type", call{method: "PATCH", header: patch(100, "Content-Type", "application/octet-stream"), body: body(5)}, begun, 415, nil, 100},
		{"patch without an offset", call{method: "PATCH", header: patch(100, headerOffset, ""), body: body(5)}, begun, 400, nil, 100},
		{"patch at an offset that is no number", call{method: "PATCH", header: patch(100, headerOffset, "100 "+"x"), body: body(5)}, begun, 400, nil, 100},
		{"patch at a lower offset", call{method: "PATCH", header: patch(99), body: body(5)}, begun, 409, map[string]string{headerOffset: "100"}, 100},
		{"patch at a higher offset", call{method: "PATCH", header: patch(101), body: body(5)}, begun, 409, nil, 100},
		{"patch of too much", call{method: "PATCH", header: patch(100), body: body(n)}, begun, 413, nil, 100},
		{"patch of too much of unknown size", call{method: "PATCH", header: patch(100), body: body(n), size: -1}, begun, 413, nil, 100},
		{"patch of what is not there", call{method: "PATCH", path: "/none", header: patch(0), body: body(5)}, nil, 404, nil, 0},
		{"patch of nothing to what has all", call{method: "PATCH", header: patch(n)}, ended, 204, map[string]string{headerOffset: textOf(n)}, int64(n)},
		{"patch of more to what has all", call{method: "PATCH", header: patch(n), body: body(1)}, ended, 413, nil, int64(n)},
		{"patch at 0 of what has all", call{method: "PATCH", header: patch(0), body: body(1)}, ended, 409, nil, int64(n)},
		{"patch of what failed", call{method: "PATCH", header: patch(5)}, failed, 410, nil, 0},

		{"checksum", call{method: "PATCH", header: patch(0, headerChecksum, sum("sha1", sha[:])), body: bytes.NewReader(content[:100])}, part, 204, map[string]string{headerOffset: "100"}, 100},
		{"checksum of sha256", call{method: "PATCH", header: patch(0, headerChecksum, sum("sha256", sha2[:])), body: bytes.NewReader(content[:100])}, part, 204, nil, 100},
		{"checksum that does not match", call{method: "PATCH", header: patch(100, headerChecksum, sum("sha1", sha[:])), body: bytes.NewReader(content[100:200])}, begun, 460, nil, 100},
		{"checksum of an unknown algorithm", call{method: "PATCH", header: patch(100, headerChecksum, sum("crc32", sha[:4])), body: body(5)}, begun, 400, nil, 100},
		{"checksum of a wrong length", call{method: "PATCH", header: patch(100, headerChecksum, sum("sha1", sha[:4])), body: body(5)}, begun, 400, nil, 100},
		{"checksum in hexadecimal", call{method: "PATCH", header: patch(100, headerChecksum, "sha1 "+strings.Repeat("a", 40)), body: body(5)}, begun, 400, nil, 100},

		{"delete", call{method: "DELETE"}, begun, 204, map[string]string{headerResumable: version}, -1},
		{"delete of what has all", call{method: "DELETE"}, ended, 204, nil, -1},
		{"delete of what failed", call{method: "DELETE"}, failed, 204, nil, -1},
		{"delete of what is not there", call{method: "DELETE", path: "/none"}, nil, 404, nil, 0},

		{"override to patch", call{method: "POST", header: patch(100, headerOverride, "PATCH"), body: body(5)}, begun, 204, map[string]string{headerOffset: "105"}, 105},
		{"override to delete", call{method: "POST", header: map[string]string{headerOverride: "DELETE"}}, begun, 204, nil, -1},
		{"no override of get", call{method: "GET", header: map[string]string{headerOverride: "DELETE"}}, begun, 200, nil, 100},

		{"another method", call{method: "PUT"}, begun, 405, map[string]string{"Allow": "DELETE, GET, HEAD, OPTIONS, PATCH"}, 100},
		{"another method of all", call{method: "DELETE"}, nil, 405, map[string]string{"Allow": "GET, OPTIONS, POST"}, 0},
		{"another path", call{method: "HEAD", path: "/a/b"}, nil, 404, nil, 0},
		{"a path that begins likewise", call{method: "HEAD", path: "more"}, nil, 404, nil, 0},
		{"nobody", call{method: "HEAD", header: map[string]string{"X-Owner": ""}}, part, 403, nil, 0},
	} {
		location := ""
		if c.at != nil {
			location = c.at()
			c.call.path = location
		}
		got := s.do(c.call)
		if got.status != c.status {
			t.Errorf("%s: status %d, want %d: %s", c.name, got.status, c.status, got.body)
		}
		for name, want := range c.header {
			if have := got.header.Get(name); have != want && (want != "*" || have == "") {
				t.Errorf("%s: header %s is %q, want %q", c.name, name, have, want)
			}
		}
		checkProblem(t, c.name, c.call.method, got)
		if after := s.head(location).offset(); c.after != 0 && after != c.after {
			t.Errorf("%s: the offset is %d afterwards, want %d", c.name, after, c.after)
		}
	}
}

// checkProblem checks that an error is one of RFC 9457.
func checkProblem(t *testing.T, name, method string, g got) {
	t.Helper()
	if g.status < 400 || method == "HEAD" {
		if method == "HEAD" && len(g.body) > 0 {
			t.Errorf("%s: a HEAD with a body", name)
		}
		return
	}
	p := g.problem
	if p.Type != "about:blank" || p.Status != g.status || p.Title == "" || p.Detail == "" || p.Kind == "" {
		t.Errorf("%s: a problem without all members: %s", name, g.body)
	}
}

// A chunk whose checksum is wrong leaves no trace: the upload goes on with the right
// bytes, and its digest is theirs.
func TestChecksumDiscards(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	content := archiveOf(3<<20, 2)
	location := s.make(len(content))
	const cut = 1<<20 + 77
	s.send(location, 0, content[:cut]).want(t, 204)
	bad := bytes.Clone(content[cut:])
	bad[1<<20] ^= 1
	sum := sha256.Sum256(content[cut:])
	header := patchHeader(cut)
	header[headerChecksum] = "sha256 " + base64.StdEncoding.EncodeToString(sum[:])
	s.do(call{method: "PATCH", path: location, header: header, body: bytes.NewReader(bad)}).want(t, 460)
	s.restart()
	if at := s.head(location).offset(); at != cut {
		t.Fatalf("offset %d after a wrong checksum, want %d", at, cut)
	}
	// One that breaks off cannot be checked.
	s.cutOff(location, cut, content[cut:], 2<<20, header)
	if at := s.head(location).offset(); at != cut {
		t.Fatalf("offset %d after half a chunk with a checksum, want %d", at, cut)
	}
	s.do(call{method: "PATCH", path: location, header: header, body: bytes.NewReader(content[cut:])}).want(t, 204)
	if up := s.info(location); up.State != Whole || up.Digest != digest.FromBytes(content) {
		t.Errorf("%+v, want it whole with digest %s", up, digest.FromBytes(content))
	}
}

// What came before a request broke off counts, and the upload goes on there.
func TestCutOff(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	content := archiveOf(5<<20, 3)
	location := s.make(len(content))
	at := 0
	for _, more := range []int{1, 4095, 4096, 100_000, 1 << 20, 3 << 20} {
		s.cutOff(location, at, content[at:], more, nil)
		if at += more; s.head(location).offset() != int64(at) {
			t.Fatalf("offset %d, want %d", s.head(location).offset(), at)
		}
		s.restart()
	}
	s.send(location, at, content[at:]).want(t, 204)
	if up := s.info(location); up.Digest != digest.FromBytes(content) {
		t.Errorf("digest %s, want %s", up.Digest, digest.FromBytes(content))
	}
}

// cutOff sends the first n bytes of a request's body, and then closes the connection.
func (s *site) cutOff(location string, offset int, content []byte, n int, header map[string]string) {
	s.t.Helper()
	h := patchHeader(offset)
	maps.Copy(h, header)
	c := s.connect(location, h, len(content))
	if _, err := c.Write(content[:n]); err != nil {
		s.t.Fatal(err)
	}
	c.Close()
	<-s.ended
}

// Metadata comes back as it was given, and the name is one for people.
func TestMetadata(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	given := meta("filename", "../../etc/\x1b[31mpass\u202Ewd\n.tar", "kind", "docker-archive", "mine", "\x00\xff")
	g := s.do(call{method: "POST", header: map[string]string{headerLength: "5", headerMetadata: given}}).want(t, 201)
	location := g.header.Get("Location")
	if back := s.head(location).header.Get(headerMetadata); back != given {
		t.Errorf("Upload-Metadata %q, want %q", back, given)
	}
	if up := s.info(location); up.Name != "_[31mpass_wd_.tar" || up.Kind != DockerArchive {
		t.Errorf("%+v", up)
	}
}

// The header of an error says when to come back, and the list of methods is exact.
func TestTitle(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{MaxOpenByOwner: 1})
	s.make(5)
	g := s.do(call{method: "POST", header: map[string]string{headerLength: "5"}}).want(t, 429)
	if g.problem.Title != http.StatusText(http.StatusTooManyRequests) || g.problem.Kind != "busy" || g.header.Get("Retry-After") != "60" {
		t.Errorf("%s %v", g.body, g.header)
	}
	s.makeAs("bob", 5) // has a number of his own
}
