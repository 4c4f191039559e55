package upload

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// Partial uploads of a client that knows nothing of this server become one file, in
// the order of the list, and their files are gone.
func TestConcatenation(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	content := archiveOf(2<<20, 1)
	a, b, c := content[:700_001], content[700_001:1_500_000], content[1_500_000:]
	third, first, second := s.partial(c), s.partial(a), s.partial(b)
	if h := s.head(first); h.header.Get(headerConcat) != concatPartial || h.offset() != int64(len(a)) {
		t.Errorf("a partial upload: %v", h.header)
	}
	list := concat("https://other.example:1"+first, second, third)
	g := s.do(call{method: "POST", header: map[string]string{headerConcat: list, headerMetadata: meta("filename", "x.tar", "kind", "docker-archive")}}).want(t, 201)
	location := g.header.Get("Location")
	if g.header.Get(headerExpires) == "" {
		t.Error("no Upload-Expires")
	}
	up := s.settled(location)
	if up.State != Whole || up.Digest != digest.FromBytes(content) || up.Name != "x.tar" || up.Size != int64(len(content)) {
		t.Fatalf("%+v", up)
	}
	h := s.head(location).want(t, 200)
	if h.offset() != int64(len(content)) || h.header.Get(headerLength) != strconv.Itoa(len(content)) || h.header.Get(headerConcat) != list {
		t.Errorf("the final upload: %v", h.header)
	}
	s.send(location, len(content), nil).want(t, 403)
	s.head(first).want(t, 404)
	f := <-s.came
	if have, err := os.ReadFile(f.Path); err != nil || !bytes.Equal(have, content) {
		t.Errorf("the file is another: %v", err)
	}
	if names := s.inFolder(); len(names) != 1 {
		t.Errorf("left in the folder: %q", names)
	}
}

// Parts of a group are written to where they belong: no byte of them is copied.
func TestGroup(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	content := archiveOf(3<<20, 2)
	cuts := []int{0, 1_000_000, 1_000_001, 2 << 20, len(content)}
	locations := make([]string, len(cuts)-1)
	for _, k := range []int{2, 0, 3, 1} { // they come in any order
		locations[k] = s.partial(content[cuts[k]:cuts[k+1]], "group", "g", "offset", textOf(cuts[k]), "total", textOf(len(content)))
	}
	var data []string
	for _, name := range s.inFolder() {
		if strings.HasSuffix(name, dataSuffix) {
			data = append(data, name)
		}
	}
	if len(data) != 1 {
		t.Fatalf("parts of one group are in %q", data)
	}
	if up := s.info(locations[2]); up.Part == nil || *up.Part != (Part{"g", int64(cuts[2]), int64(len(content))}) {
		t.Errorf("a part: %+v", up.Part)
	}
	location := s.join([]string{"filename", "x.tar", "sha256", digest.FromBytes(content).Encoded()}, locations...).want(t, 201).header.Get("Location")
	if up := s.settled(location); up.State != Whole || up.Digest != digest.FromBytes(content) {
		t.Errorf("%+v", up)
	}
	if names := s.inFolder(); len(names) != 1 || names[0] != data[0] {
		t.Errorf("left in the folder: %q, want %q", names, data)
	}
}

// What cannot be joined is refused, and its parts stay.
func TestConcatenationRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{MaxSize: 1 << 20})
	content := archiveOf(10_000, 1)
	one, two := s.partial(content), s.partial(content)
	g0 := s.partial(content[:100], "group", "g", "offset", "0", "total", "300")
	g1 := s.partial(content[100:200], "group", "g", "offset", "100", "total", "300")
	h0 := s.partial(content[:100], "group", "h", "offset", "0", "total", "200")
	whole := s.make(5)
	unfinished := s.do(call{method: "POST", header: map[string]string{headerLength: "5", headerConcat: concatPartial}}).header.Get("Location")
	big := []string{s.partial(make([]byte, 900_000)), s.partial(make([]byte, 900_000))}
	for name, c := range map[string]struct {
		list   string
		header map[string]string
		status int
	}{
		"nothing":            {"final;", nil, 400},
		"not there":          {concat(one, "/api/v1/uploads/none"), nil, 400},
		"no URL":             {concat(one, "http://[::1"), nil, 400},
		"elsewhere":          {concat(one, "/files/"+idIn(two)), nil, 400},
		"twice":              {concat(one, one), nil, 400},
		"not partial":        {concat(one, whole), nil, 400},
		"not finished":       {concat(one, unfinished), nil, 409},
		"with a length":      {concat(one, two), map[string]string{headerLength: "5"}, 400},
		"somebody else's":    {concat(one, two), map[string]string{"X-Owner": "bob"}, 400},
		"group and none":     {concat(g0, one), nil, 400},
		"two groups":         {concat(h0, g1), nil, 400},
		"group out of order": {concat(g1, g0), nil, 400},
		"group with an end":  {concat(g0, g1), nil, 400},
		"too large":          {concat(big...), nil, 413},
	} {
		header := map[string]string{headerConcat: c.list}
		for k, v := range c.header {
			header[k] = v
		}
		g := s.do(call{method: "POST", header: header})
		if g.status != c.status || g.header.Get("Location") != "" {
			t.Errorf("%s: status %d, want %d: %s", name, g.status, c.status, g.body)
		}
	}
	for _, location := range append(big, one, two, g0, g1, h0) {
		s.head(location).want(t, 200)
	}
	for name, pairs := range map[string][]string{
		"over the end":     {"group", "g", "offset", "250", "total", "300"},
		"another total":    {"group", "g", "offset", "200", "total", "400"},
		"over another":     {"group", "g", "offset", "150", "total", "300"},
		"no offset":        {"group", "g", "total", "300"},
		"no total":         {"group", "g", "offset", "200"},
		"negative":         {"group", "g", "offset", "-1", "total", "300"},
		"overflow":         {"group", "i", "offset", "9223372036854775807", "total", "9223372036854775807"},
		"unprintable":      {"group", "g\n", "offset", "200", "total", "300"},
		"a total too much": {"group", "j", "offset", "0", "total", "1048577"},
	} {
		g := s.do(call{method: "POST", header: map[string]string{headerLength: "100", headerConcat: concatPartial, headerMetadata: meta(pairs...)}})
		if g.status != 400 && g.status != 409 && g.status != 413 {
			t.Errorf("%s: status %d: %s", name, g.status, g.body)
		}
	}
}

// A part of a group can be deleted without harm to the others.
func TestDeletePart(t *testing.T) {
	t.Parallel()
	s := newSite(t, Options{})
	content := archiveOf(100_000, 1)
	n := textOf(len(content))
	a := s.partial(content[:50_000], "group", "g", "offset", "0", "total", n)
	b := s.partial(content[50_000:], "group", "g", "offset", "50000", "total", n)
	s.do(call{method: "DELETE", path: a}).want(t, 204)
	a = s.partial(content[:50_000], "group", "g", "offset", "0", "total", n)
	if up := s.settled(s.join(nil, a, b).want(t, 201).header.Get("Location")); up.Digest != digest.FromBytes(content) {
		t.Errorf("%+v", up)
	}
}
