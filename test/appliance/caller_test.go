package appliance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// object is JSON on its way to the API.
type object map[string]any

// page is a part of a list.
type page[T any] struct {
	Items []T
	Next  string
}

// caller speaks to a site's API.
type caller struct {
	t      *testing.T
	base   string
	client *http.Client
	token  string // empty: none is shown
}

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   string
}

// with is the same caller with a token.
func (c *caller) with(token string) *caller {
	other := *c
	other.token = token
	return &other
}

// send sends a request; the error is about the connection. Headers alternate names
// and values.
func (c *caller) send(method, path string, body any, headers ...string) (answer, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return answer{}, err
		}
		content = bytes.NewReader(text)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return answer{}, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	got, err := c.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	return answer{got.StatusCode, got.Header, string(text)}, err
}

// do is send where the connection has to hold.
func (c *caller) do(method, path string, body any, headers ...string) answer {
	c.t.Helper()
	got, err := c.send(method, path, body, headers...)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return got
}

// want is do for an answer that has to have a status.
func (c *caller) want(status int, method, path string, body any, headers ...string) answer {
	c.t.Helper()
	got := c.do(method, path, body, headers...)
	if got.status != status {
		c.t.Fatalf("%s %s: %d, want %d: %s", method, path, got.status, status, got.body)
	}
	return got
}

// get reads something.
func get[T any](c *caller, path string) T {
	c.t.Helper()
	return decode[T](c.t, c.want(200, "GET", "/api/v1/"+path, nil).body)
}

// job is a job as the API tells of it.
type job struct {
	ID, Kind, State, WaitsFor string
	Attempt                   int
	Created                   time.Time
	Result                    json.RawMessage
	Error                     *struct{ Kind, Message string }
	Progress                  struct {
		Phase                    string
		Bytes, TotalBytes, Items int64
	}
}

func (j job) String() string {
	text := fmt.Sprintf("job %s %s: %s, attempt %d, %+v", j.ID, j.Kind, j.State, j.Attempt, j.Progress)
	if j.Error != nil {
		text += ": " + j.Error.Message
	}
	return text
}

func (j job) ended() bool { return j.State == "done" || j.State == "failed" || j.State == "cancelled" }

// startJob starts a job by a POST.
func (c *caller) startJob(path string, args any) job {
	c.t.Helper()
	got := c.want(202, "POST", "/api/v1/"+path, args)
	j := decode[job](c.t, got.body)
	if got.header.Get("Location") != "/api/v1/jobs/"+j.ID && j.Kind != "" {
		c.t.Errorf("POST %s: the job is at %q: %s", path, got.header.Get("Location"), got.body)
	}
	return j
}

// await waits until something holds for a job, or cannot hold any more.
func (c *caller) await(id, what string, holds func(job) bool) job {
	c.t.Helper()
	var after int64
	for deadline := time.Now().Add(patience); ; {
		j := get[job](c, "jobs/"+id)
		if holds(j) {
			return j
		}
		if j.ended() || time.Now().After(deadline) {
			c.t.Fatalf("%s: never %s\n%s", j, what, c.lines(id))
		}
		for _, l := range get[struct{ Lines []struct{ N int64 } }](c, fmt.Sprintf("jobs/%s/lines?wait=5&after=%d", id, after)).Lines {
			after = l.N
		}
	}
}

// done waits until a job has ended well.
func (c *caller) done(id string) job {
	c.t.Helper()
	return c.await(id, "done", func(j job) bool { return j.State == "done" })
}

// lines is what a job told.
func (c *caller) lines(id string) (text string) {
	for _, l := range get[struct {
		Lines []struct{ Level, Message string }
	}](c, "jobs/"+id+"/lines").Lines {
		text += l.Level + ": " + l.Message + "\n"
	}
	return text
}

// names are what the site lists, as "name digest".
func (c *caller) names() (list []string) {
	c.t.Helper()
	for _, n := range get[page[struct{ Name, Digest string }]](c, "content/names?limit=200").Items {
		list = append(list, n.Name+" "+n.Digest)
	}
	return list
}

// event is something that happened.
type event struct {
	ID, Type string
	Data     json.RawMessage
}

// stream is the events that a site sends.
type stream struct {
	t      *testing.T
	events chan event // closed when the stream ends
	seen   []event
}

// follow follows the events of some types until the test ends.
func (c *caller) follow(types string, headers ...string) *stream {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, "GET", c.base+"/api/v1/events?types="+types, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	got, err := c.client.Do(r)
	if err != nil || got.StatusCode != 200 {
		c.t.Fatalf("events: %v %v", got, err)
	}
	s := &stream{t: c.t, events: make(chan event, 10_000)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(s.events)
		lines := bufio.NewScanner(got.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var e event
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok && json.Unmarshal([]byte(data), &e) == nil {
				s.events <- e
			}
		}
	}()
	c.t.Cleanup(func() {
		cancel()
		got.Body.Close()
		<-ended
	})
	return s
}

// next waits for an event for which something holds.
func (s *stream) next(what string, holds func(event) bool) event {
	s.t.Helper()
	late := time.After(patience)
	for {
		select {
		case e, ok := <-s.events:
			if !ok {
				s.t.Fatalf("the stream has ended; no event %s", what)
			}
			if s.seen = append(s.seen, e); holds(e) {
				return e
			}
		case <-late:
			s.t.Fatalf("no event %s among %s", what, s.seen)
		}
	}
}

// job waits for an event of a job for which something holds.
func (s *stream) job(what string, holds func(job) bool) (j job) {
	s.t.Helper()
	s.next(what, func(e event) bool {
		j = job{}
		return e.Type == "job" && json.Unmarshal(e.Data, &j) == nil && holds(j)
	})
	return j
}

func (e event) String() string { return "\n" + e.Type + " " + string(e.Data) }
