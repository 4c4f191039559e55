package engine

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestParseRange(t *testing.T) {
	const max = "9223372036854775807"
	for _, c := range []struct {
		header      string
		size        int64
		start, n    int64
		partial, ok bool
	}{
		{"bytes=0-0", 10, 0, 1, true, true},
		{"bytes=0-9", 10, 0, 10, true, true},
		{"bytes=2-", 10, 2, 8, true, true},
		{"bytes=9-", 10, 9, 1, true, true},
		{"bytes=-3", 10, 7, 3, true, true},
		{"bytes=-30", 10, 0, 10, true, true},
		{"bytes=5-99", 10, 5, 5, true, true},
		{"bytes= 5-99 ", 10, 5, 5, true, true},
		{"bytes=5-" + max + "0", 10, 5, 5, true, true},
		{"bytes=0-" + max, 10, 0, 10, true, true},
		// no byte of the blob
		{"bytes=10-", 10, 0, 0, true, false},
		{"bytes=10-20", 10, 0, 0, true, false},
		{"bytes=5-4", 10, 0, 0, true, false},
		{"bytes=-0", 10, 10, 0, true, false},
		{"bytes=" + max + "99-", 10, 0, 0, true, false},
		// no range: ignored
		{"bytes=", 10, 0, 10, false, true},
		{"bytes=-", 10, 0, 10, false, true},
		{"bytes=5", 10, 0, 10, false, true},
		{"bytes=a-b", 10, 0, 10, false, true},
		{"bytes=1-b", 10, 0, 10, false, true},
		{"bytes=+1-2", 10, 0, 10, false, true},
		{"bytes=--1", 10, 0, 10, false, true},
		{"bytes=0-1,4-5", 10, 0, 10, false, true},
		{"lines=0-1", 10, 0, 10, false, true},
		{"0-1", 10, 0, 10, false, true},
		{"bytes=0-1", 0, 0, 0, false, true},
	} {
		start, n, partial, ok := parseRange(c.header, c.size)
		if start != c.start || n != c.n || partial != c.partial || ok != c.ok {
			t.Errorf("%q of %d: %d %d %v %v, want %+v", c.header, c.size, start, n, partial, ok, c)
		}
	}
}

func TestParseContentRange(t *testing.T) {
	for header, want := range map[string]string{
		"0-0":                    "0 0 true",
		"5-9":                    "5 9 true",
		"bytes 5-9/*":            "5 9 true",
		"bytes 5-9/100":          "5 9 true",
		"":                       "0 0 false",
		"5":                      "5 0 false",
		"-5":                     "0 5 false",
		"9-5":                    "9 5 false",
		"5-9/100":                "5 0 false",
		"0-9223372036854775807":  "0 9223372036854775807 false",
		"0-99999999999999999999": "0 9223372036854775807 false",
	} {
		start, end, ok := parseContentRange(header)
		if got := fmt.Sprint(start, end, ok); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}

// FuzzRange holds that every range lies within the blob, and that what both
// understand is understood as by net/http.
func FuzzRange(f *testing.F) {
	for _, s := range []string{"bytes=0-1", "bytes=5-", "bytes=-5", "bytes=9-3", "bytes=99999999999999999999-", "bytes=0-1,2-3", "x"} {
		f.Add(s, uint16(10))
	}
	f.Fuzz(func(t *testing.T, header string, length uint16) {
		size := int64(length)
		start, n, partial, ok := parseRange(header, size)
		if ok && (start < 0 || n < 0 || start+n > size || !partial && n != size || partial && n == 0) {
			t.Fatalf("%q of %d: %d+%d %v", header, size, start, n, partial)
		}
		if !ok || !partial || strings.ContainsAny(header, " \t\r\n\f\v\u0085\u00a0") {
			return
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Range"] = []string{header}
		w := httptest.NewRecorder()
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(make([]byte, size)))
		if want := fmt.Sprintf("bytes %d-%d/%d", start, start+n-1, size); w.Code == 206 && w.Header().Get("Content-Range") != want {
			t.Fatalf("%q of %d: %s, net/http says %s", header, size, want, w.Header().Get("Content-Range"))
		}
	})
}

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"0-1", "bytes 0-1/2", "1-0", "-", "0-9223372036854775807"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		start, end, ok := parseContentRange(header)
		if ok && (start < 0 || end < start || end+1 < end) {
			t.Fatalf("%q: %d-%d", header, start, end)
		}
	})
}
