package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/bundle"
	"github.com/landfall-dev/landfall/registry/attach"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/store"
	"github.com/landfall-dev/landfall/ui/api"
	"github.com/landfall-dev/landfall/ui/landing"
)

// outlining is an appliance that is asked about outlines.
type outlining struct {
	t       *testing.T
	temp    string
	landing *landing.Landing
	url     string
}

func newOutlining(t *testing.T) *outlining {
	t.Helper()
	s, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o := &outlining{t: t, temp: t.TempDir(), landing: landing.New(s, attach.NewView(s), newPool(t, s), landing.Options{})}
	server := httptest.NewServer(api.New(api.Options{Site: s, Lander: o.landing, Temp: o.temp}))
	o.url = server.URL + "/api/v1/bundles/inspect/outline"
	t.Cleanup(func() {
		server.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

// field is one of a form.
type field struct {
	name    string
	content []byte
}

func text(name, content string) field { return field{name, []byte(content)} }

// ask sends a form, in the way that browsers do it.
func (o *outlining) ask(fields ...field) (status int, body []byte) {
	o.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, f := range fields {
		part, err := w.CreateFormFile(f.name, "blob")
		if err == nil {
			_, err = part.Write(f.content)
		}
		if err != nil {
			o.t.Fatal(err)
		}
	}
	w.Close()
	return o.post(w.FormDataContentType(), &b)
}

func (o *outlining) post(kind string, body io.Reader) (int, []byte) {
	o.t.Helper()
	answer, err := http.Post(o.url, kind, body) //nolint:noctx // ends with the test
	if err != nil {
		o.t.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	if left, err := os.ReadDir(o.temp); err != nil || len(left) > 0 {
		o.t.Errorf("%v is left behind, %v", left, err)
	}
	return answer.StatusCode, content
}

// fieldsOf is a bundle's outline as a form has it.
func fieldsOf(t *testing.T, content []byte) []field {
	t.Helper()
	r, err := bundle.NewReader("b", bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	h := r.Header()
	head, _, _ := r.EntryOf(h.Blobs[0].Digest)
	tail, _, _ := r.EntryOf(h.Manifests[0].Digest)
	return []field{text("size", strconv.Itoa(len(content))), {"head", content[:head]}, text("tailOffset", fmt.Sprint(tail)), {"tail", content[tail:]}}
}

func bundleBytes(t *testing.T) []byte {
	t.Helper()
	content, err := os.ReadFile(newBundle(t, registrytest.NewFixture(t)))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// What an outline does not have is asked for, and then it says what the bundle says.
func TestInspectOutline(t *testing.T) {
	t.Parallel()
	o := newOutlining(t)
	content := bundleBytes(t)
	fields := fieldsOf(t, content)
	status, body := o.ask(fields...)
	var p api.Problem
	if err := json.Unmarshal(body, &p); err != nil || status != 422 || p.Kind != "incomplete" || len(p.Ranges) != 2 {
		t.Fatalf("%d %s, %v", status, body, err)
	}
	ranges, err := json.Marshal(p.Ranges)
	if err != nil {
		t.Fatal(err)
	}
	between := field{name: "between"}
	for _, r := range p.Ranges {
		between.content = append(between.content, content[r.Offset:r.Offset+r.Size]...)
	}
	fields = append([]field{between, {"ranges", ranges}}, fields...)
	status, body = o.ask(fields...)
	var got landing.Inspection
	if err := json.Unmarshal(body, &got); err != nil || status != 200 {
		t.Fatalf("%d %s, %v", status, body, err)
	}
	path := t.TempDir() + "/b"
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	want, err := o.landing.Inspect(t.Context(), landing.Source{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	got.Free, want.Free, got.Verdict.Now, want.Verdict.Now = 0, 0, time.Time{}, time.Time{}
	g, errGot := json.Marshal(got)
	w, errWant := json.Marshal(want)
	if errGot != nil || errWant != nil || !bytes.Equal(g, w) {
		t.Errorf("%s\nwant\n%s", g, w)
	}
}

// A form that is none of an outline is refused, and the field is named.
func TestBadOutlineForms(t *testing.T) {
	t.Parallel()
	o := newOutlining(t)
	content := bundleBytes(t)
	good := fieldsOf(t, content)
	with := func(more ...field) []field { return append(good[:4:4], more...) }
	but := func(i int, f field) []field {
		list := append([]field{}, good...)
		list[i] = f
		return list
	}
	end := strconv.Itoa(len(content) - 1)
	for what, c := range map[string]struct {
		fields []field
		status int
		says   string
	}{
		"nothing":               {nil, 400, `"body.size"`},
		"no tail":               {good[:3], 400, `"body.tail"`},
		"no head":               {append(good[:1:1], good[2:]...), 400, `"body.head"`},
		"an empty head":         {but(1, text("head", "")), 422, "bytes 0 to"},
		"no number":             {but(0, text("size", "1e3")), 400, `"body.size"`},
		"a negative number":     {but(2, text("tailOffset", "-1")), 400, `"body.tailOffset"`},
		"a long number":         {but(0, text("size", strings.Repeat("9", 100))), 400, `"body.size"`},
		"the largest number":    {but(2, text("tailOffset", "9223372036854775807")), 400, `"body.tail"`},
		"a tail elsewhere":      {but(2, text("tailOffset", end)), 400, `"body.tail"`},
		"the whole file, twice": {but(1, field{"head", content}), 400, "what comes before ends at"},
		"a field twice":         {with(good[0]), 400, "there twice"},
		"another field":         {with(text("x", "")), 400, `no field \"x\"`},
		"ranges, no JSON":       {with(text("ranges", "[")), 400, `"body.ranges"`},
		"ranges of text":        {with(text("ranges", `[{"offset":"1"}]`)), 400, `"body.ranges"`},
		"ranges, no bytes":      {with(text("ranges", `[{"offset":8192,"size":1}]`)), 400, `"body.ranges"`},
		"bytes, no ranges":      {with(text("between", "abc")), 400, `"body.between"`},
		"too few bytes":         {with(text("between", "abc"), text("ranges", `[{"offset":8192,"size":4}]`)), 400, `"body.ranges"`},
		"too many bytes":        {with(text("between", "abc"), text("ranges", `[{"offset":8192,"size":2}]`)), 400, `"body.between"`},
		"a range in the head":   {with(text("between", "abc"), text("ranges", `[{"offset":8,"size":3}]`)), 400, "bytes 8 to 10"},
		"a range far behind":    {with(text("between", "abc"), text("ranges", `[{"offset":9223372036854775807,"size":3}]`)), 400, `"body.ranges"`},
		"empty ranges":          {with(text("ranges", `[{"offset":8192,"size":0}]`)), 400, `"body.ranges"`},
		"many ranges":           {with(text("ranges", "["+strings.Repeat("{},", 10_000)+"{}]")), 400, `"body.ranges"`},
		"no signature":          {with(text("signatures", "x")), 400, "signature 1"},
		"a large signature":     {with(text("signatures", strings.Repeat("x", 200<<10))), 400, "none of signatures"},
		"seventeen signatures":  {append(with(), manySignatures()...), 400, `"body.signatures"`},
		"another kind of file":  {but(1, field{"head", bytes.Repeat([]byte("x"), len(good[1].content))}), 422, `"format"`},
	} {
		status, body := o.ask(c.fields...)
		if status != c.status || !bytes.Contains(body, []byte(c.says)) {
			t.Errorf("%s: %d %s, want %d with %s", what, status, body, c.status, c.says)
		}
	}
	for kind, status := range map[string]int{"application/json": 415, "": 415, "multipart/form-data": 415, "multipart/form-data; boundary=a": 400} {
		if got, body := o.post(kind, strings.NewReader(`{"size":1}`)); got != status {
			t.Errorf("%s: %d %s, want %d", kind, got, body, status)
		}
	}
}

func manySignatures() (list []field) {
	for range 17 {
		list = append(list, text("signatures", "x"))
	}
	return list
}

// A large outline is no more than a file without a name; one that is too large is
// refused, and leaves nothing.
func TestLargeOutline(t *testing.T) {
	t.Parallel()
	o := newOutlining(t)
	good := fieldsOf(t, bundleBytes(t))
	large := field{"between", make([]byte, 5<<20)}
	if status, body := o.ask(append(good, large)...); status != 400 || !bytes.Contains(body, []byte(`"body.between"`)) {
		t.Errorf("%d %s", status, body)
	}
	ranges := text("ranges", fmt.Sprintf(`[{"offset":%d,"size":%d}]`, len(good[1].content), 5<<20))
	if status, body := o.ask(append(good, ranges, large)...); status != 400 || !bytes.Contains(body, []byte("not in a file of")) {
		t.Errorf("%d %s", status, body)
	}
	large.content = make([]byte, 130<<20+1)
	if status, body := o.ask(append(good, large)...); status != 413 || !bytes.Contains(body, []byte("at most")) {
		t.Errorf("%d %s", status, body)
	}
}
