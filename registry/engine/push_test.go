package engine

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

func TestChunks(t *testing.T) {
	s := newSite(t, Options{})
	content := bytes.Repeat([]byte("0123456789"), 30)
	for _, a := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
		for _, query := range []string{"", "?digest-algorithm=" + a.String()} {
			d := a.FromBytes(content)
			r := s.want(202, "POST", "/v2/x/blobs/uploads/"+query, nil)
			id := r.Header.Get("Docker-Upload-UUID")
			if id == "" || !strings.Contains(r.Header.Get("Location"), id) || r.Header.Get("Range") != "0-0" {
				t.Fatal(r)
			}
			r = s.want(202, "PATCH", r.Header.Get("Location"), content[:100], "Content-Range", "0-99")
			if r.Header.Get("Range") != "0-99" {
				t.Fatal(r)
			}
			r = s.want(204, "GET", r.Header.Get("Location"), nil)
			r = s.want(202, "PATCH", r.Header.Get("Location"), content[100:200], "Content-Range", "bytes 100-199/*")
			r = s.want(201, "PUT", r.Header.Get("Location")+"&digest="+d.String(), content[200:], "Content-Range", "200-299")
			if r.Header.Get("Location") != "/v2/x/blobs/"+d.String() || r.Header.Get("Docker-Content-Digest") != d.String() {
				t.Fatal(r)
			}
			if got := s.want(200, "GET", r.Header.Get("Location"), nil); !bytes.Equal(got.body, content) {
				t.Fatal("other bytes")
			}
			s.want(202, "DELETE", "/v2/x/blobs/"+d.String(), nil)
			s.want(404, "GET", "/v2/x/blobs/"+d.String(), nil)
		}
	}
}

func TestChunksOutOfOrder(t *testing.T) {
	s := newSite(t, Options{})
	start := s.want(202, "POST", "/v2/x/blobs/uploads/", nil).Header.Get("Location")
	next := s.want(202, "PATCH", start, []byte("0123456789")).Header.Get("Location")
	path, _, _ := strings.Cut(start, "?")
	d := digest.FromString("0123456789abcde").String()
	for _, c := range []struct {
		method, location, contentRange string
		status                         int
	}{
		{"PATCH", start, "", 416},     // a stale address
		{"PATCH", next, "0-4", 416},   // a chunk again
		{"PATCH", next, "11-15", 416}, // a gap
		{"PATCH", next, "x", 416},     // no range
		{"PATCH", next, "14-10", 416}, // backwards
		{"PATCH", next, "10-99", 400}, // another length
		{"PATCH", path + "?offset=9999999999999999999999", "", 416},
		{"PUT", start + "&digest=" + d, "", 416},
		{"PUT", next + "&digest=" + d, "0-4", 416},
	} {
		a := s.want(c.status, c.method, c.location, []byte("abcde"), "Content-Range", c.contentRange)
		if a.Header.Get("Range") != "0-9" || a.Header.Get("Location") != next {
			t.Errorf("%+v: %s", c, a)
		}
	}
	// The right range in a stale address, and an address without an offset, are fine.
	s.want(202, "PATCH", start, []byte("abc"), "Content-Range", "10-12")
	s.want(202, "PATCH", path, []byte("de"))
	s.want(201, "PUT", path+"?digest="+d, nil)
}

func TestWrongDigest(t *testing.T) {
	s := newSite(t, Options{})
	good, wrong := digest.FromString("content"), digest.FromString("other")
	a := s.want(400, "POST", "/v2/x/blobs/uploads/?digest="+wrong.String(), []byte("content"))
	if a.codes()[0] != "DIGEST_INVALID" {
		t.Error(a)
	}
	location := s.want(202, "POST", "/v2/x/blobs/uploads/", nil).Header.Get("Location")
	s.want(400, "PUT", location+"&digest="+wrong.String(), []byte("content"))
	s.want(404, "GET", "/v2/x/blobs/"+wrong.String(), nil)
	location = s.want(204, "GET", location, nil).Header.Get("Location")
	s.want(201, "PUT", location+"&digest="+good.String(), nil) // the session stayed
	s.want(404, "GET", location, nil)
}

func TestCancel(t *testing.T) {
	s := newSite(t, Options{})
	location := s.want(202, "POST", "/v2/x/blobs/uploads/", nil).Header.Get("Location")
	s.want(404, "GET", strings.Replace(location, "/x/", "/y/", 1), nil) // of another repository
	s.want(204, "DELETE", location, nil)
	s.want(404, "DELETE", location, nil)
	s.want(404, "PATCH", location, []byte("x"))
}

func TestMount(t *testing.T) {
	s := newSite(t, Options{})
	d := s.pushBlob("a", []byte("blob")).Digest.String()
	for query, status := range map[string]int{
		"mount=" + d + "&from=a":                      201,
		"mount=" + d:                                  201,
		"mount=" + d + "&from=none":                   202,
		"mount=" + d + "&from=..%2f..":                202,
		"mount=" + digest.FromString("none").String(): 202,
	} {
		s.want(status, "POST", "/v2/b/blobs/uploads/?"+query, nil)
	}
	s.want(200, "GET", "/v2/b/blobs/"+d, nil)
}

// raw sends part of a request by hand and returns its connection.
func (s *site) raw(method, path string, length int, part string) net.Conn {
	s.t.Helper()
	c, err := net.Dial("tcp", s.server.Listener.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", method, path, length, part)
	return c
}

func TestCutAndResume(t *testing.T) {
	s := newSite(t, Options{})
	location := s.want(202, "POST", "/v2/x/blobs/uploads/", nil).Header.Get("Location")
	s.raw("PATCH", location, 20, "0123456789").Close()
	eventually(t, "the bytes are kept", func() bool {
		return s.want(204, "GET", location, nil).Header.Get("Range") == "0-9"
	})
	location = s.want(204, "GET", location, nil).Header.Get("Location")
	eventually(t, "the cut request ends", func() bool {
		return s.do("PATCH", location, []byte("abc"), "Content-Range", "10-12").StatusCode == 202
	})
	d := digest.FromString("0123456789abc")
	s.want(201, "PUT", "/v2/x/blobs/uploads/"+s.id(location)+"?digest="+d.String(), nil)
	s.want(200, "GET", "/v2/x/blobs/"+d.String(), nil)
}

func (s *site) id(location string) string {
	path, _, _ := strings.Cut(location, "?")
	_, id, _ := cutLast(path)
	return id
}

func TestStalledPush(t *testing.T) {
	s := newSite(t, Options{ReadTimeout: time.Second})
	location := s.want(202, "POST", "/v2/x/blobs/uploads/", nil).Header.Get("Location")
	c := s.raw("PATCH", location, 20, "0123456789")
	time.Sleep(20 * time.Millisecond)
	// While it hangs: the status is told at once, other writers are refused.
	s.want(204, "GET", location, nil)
	a := s.want(429, "PATCH", location, []byte("x"))
	if a.Header.Get("Retry-After") == "" {
		t.Error(a)
	}
	s.want(429, "DELETE", location, nil)
	s.want(429, "PUT", location+"&digest="+digest.FromString("").String(), nil)
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 408 || resp.Header.Get("Range") != "0-9" || !resp.Close {
		t.Errorf("%v", resp)
	}
	s.want(202, "PATCH", resp.Header.Get("Location"), []byte("x"))

	// A push that is refused before it is read does not hang either.
	c = s.raw("PATCH", "/v2/x/blobs/uploads/none", 20, "")
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if resp, err = http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 404 {
		t.Fatal(resp, err)
	}
	resp.Body.Close()

	// A push that is slow but goes on is left in peace.
	c = s.raw("POST", "/v2/x/blobs/uploads/?digest="+digest.FromString("01234").String(), 5, "")
	for _, b := range "01234" {
		time.Sleep(100 * time.Millisecond)
		fmt.Fprintf(c, "%c", b)
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if resp, err = http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 201 {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
}

// Bodies without a Content-Length.
func TestChunkedEncoding(t *testing.T) {
	s := newSite(t, Options{})
	location := s.want(202, "POST", "/v2/x/blobs/uploads/", nil).Header.Get("Location")
	send := func(method, location, text string, headers ...string) int {
		r, err := http.NewRequest(method, s.server.URL+location, io.MultiReader(strings.NewReader(text)))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if got := send("PATCH", location, "abc", "Content-Range", "0-9"); got != 400 {
		t.Errorf("a body shorter than its range: %d", got)
	}
	location = s.want(204, "GET", location, nil).Header.Get("Location")
	if got := send("PUT", location+"&digest="+digest.FromString("abcdef").String(), "def"); got != 201 {
		t.Errorf("a body of unknown length: %d", got)
	}
}
