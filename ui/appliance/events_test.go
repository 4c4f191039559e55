package appliance_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/ui/events"
)

// stream is one connection that follows events.
type stream struct {
	t      testing.TB
	body   io.ReadCloser
	lines  *bufio.Scanner
	cancel context.CancelFunc
}

// follow opens a stream of events.
func (s *site) follow(who subject, query string, headers ...string) *stream {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	r, err := http.NewRequestWithContext(ctx, "GET", s.plain+"/api/v1/events"+query, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i, all := 0, append(headers, who.headers...); i < len(all); i += 2 {
		r.Header.Set(all[i], all[i+1])
	}
	got, err := s.client.Do(r)
	if err != nil || got.StatusCode != 200 || got.Header.Get("Content-Type") != "text/event-stream" {
		s.t.Fatalf("%v %v", got, err)
	}
	st := &stream{s.t, got.Body, bufio.NewScanner(got.Body), cancel}
	st.lines.Buffer(nil, 1<<20)
	s.t.Cleanup(st.close)
	st.lines.Scan() // a comment: it is there now
	return st
}

func (st *stream) close() {
	st.cancel()
	st.body.Close()
}

// next is the next event; ok is false when the stream has ended.
func (st *stream) next() (e events.Event, ok bool) {
	st.t.Helper()
	var id, kind string
	for st.lines.Scan() {
		name, value, _ := strings.Cut(st.lines.Text(), ": ")
		switch name {
		case "id":
			id = value
		case "event":
			kind = value
		case "data":
			if err := json.Unmarshal([]byte(value), &e); err != nil || e.ID != id || e.Type != kind {
				st.t.Fatalf("%v: %s %s %s", err, id, kind, value)
			}
			return e, true
		}
	}
	return e, false
}

// Who comes back with the id of the last event gets all that came after it, once
// and in order, however often the connection breaks.
func TestEventsReplay(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	viewer, _ := s.addToken("viewer", `"role":"viewer"`)
	const all = 600
	bus := s.appliance.Events()
	var publishing sync.WaitGroup
	st := s.follow(viewer, "?types=test")
	publishing.Go(func() {
		for n := range all {
			bus.Publish("test", n)
			bus.Publish("other", n)
			if n%50 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
	})
	last := ""
	for n := range all {
		if n%97 == 96 { // in the middle
			st.close()
			if n%2 == 0 {
				st = s.follow(viewer, "?types=test", "Last-Event-ID", last)
			} else {
				st = s.follow(viewer, "?types=test&after="+last)
			}
		}
		e, ok := st.next()
		if !ok || string(e.Data) != fmt.Sprint(n) || e.Type != "test" {
			t.Fatalf("%+v, want number %d", e, n)
		}
		last = e.ID
	}
	publishing.Wait()
	for _, id := range []string{"0000000000000000-5", "nonsense", last + "0000", "-1"} {
		st := s.follow(viewer, "", "Last-Event-ID", id)
		if e, ok := st.next(); !ok || e.Type != events.Reset {
			t.Errorf("%q: %+v, want a reset", id, e)
		}
		bus.Publish("test", "after")
		if e, ok := st.next(); !ok || string(e.Data) != `"after"` {
			t.Errorf("%q: %+v after the reset", id, e)
		}
		st.close()
	}
}

// A job's life is heard, by those who may.
func TestEventsOfJobs(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	viewer, _ := s.addToken("viewer", `"role":"viewer"`)
	st := s.follow(viewer, "?types=job")
	id := field(t, s.onSocket("POST", "/api/v1/content/scrub", `{}`, 202), "id")
	for {
		e, ok := st.next()
		if !ok {
			t.Fatal("the stream has ended")
		}
		if strings.Contains(string(e.Data), id) && strings.Contains(string(e.Data), `"state":"done"`) {
			break
		}
	}
}

// A stream ends when what let it in ends, and with the appliance.
func TestEventsEnd(t *testing.T) {
	t.Parallel()
	s := start(t, siteOptions{})
	s.first("admin")
	s.addUser("viewer", "viewer", "")
	session, disabled := s.signIn("viewer"), s.signIn("admin")
	token, _ := s.addToken("viewer", `"role":"viewer"`)
	stays, _ := s.addToken("stays", `"role":"viewer"`)
	for _, c := range []struct {
		what string
		who  subject
		end  func()
	}{
		{"a token", token, func() { s.onSocket("DELETE", "/api/v1/tokens/"+token.id, "", 204) }},
		{"a session", session, func() { s.wantAs(session, "DELETE", "/api/v1/session", "", 200) }},
		{"other rights", disabled, func() {
			s.addUser("another", "admin", "")
			s.onSocket("PATCH", "/api/v1/users/"+disabled.id, `{"role":"viewer"}`, 200, "If-Match", `"1"`)
		}},
	} {
		st := s.follow(c.who, "")
		c.end()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for _, ok := st.next(); ok; _, ok = st.next() {
			}
		}()
		for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
			s.appliance.Events().Publish("test", nil)
			select {
			case <-ended:
			default:
				if time.Since(began) > 20*time.Second {
					t.Fatalf("%s has ended, and the stream goes on", c.what)
				}
				continue
			}
			break
		}
	}
	st := s.follow(stays, "")
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	for _, ok := st.next(); ok; _, ok = st.next() {
	}
	if err := st.lines.Err(); err != nil {
		t.Errorf("the stream breaks off: %v", err)
	}
}
