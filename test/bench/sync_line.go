package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/landfall-dev/landfall/test/faultproxy"
)

// line is the child that stands between a tool and the upstream args[0]. It
// serves two addresses: one for tools, and the one that it says, where GET tells
// the other and the counts, and PUT sets the link and counts anew. It is a
// program of its own so that its size is not the bench's, which each tool's
// peak is at least.
func line(ctx context.Context, args []string) error {
	p, err := faultproxy.Start(faultproxy.Options{Upstream: "http://" + args[0]})
	if err != nil {
		return err
	}
	defer p.Close()
	return listen(ctx, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			var l faultproxy.Link
			if err := json.NewDecoder(r.Body).Decode(&l); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			p.SetLink(l)
			p.ResetCounts()
		}
		_ = json.NewEncoder(w).Encode(lineState{p.Host(), p.Counts()})
	}))
}

type lineState struct {
	Host   string
	Counts faultproxy.Counts
}

// lined is a line under way.
type lined struct {
	*server
	host string // where tools find the upstream
}

func (b *bench) lined(ctx context.Context, upstream string) (*lined, error) {
	s, err := serve(ctx, b.self, "line", upstream)
	if err != nil {
		return nil, err
	}
	l := &lined{server: s}
	state, err := l.ask(ctx, http.MethodGet, nil)
	if err != nil {
		s.stop()
		return nil, err
	}
	l.host = state.Host
	return l, nil
}

func (l *lined) ask(ctx context.Context, method string, body any) (state lineState, err error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return state, err
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+l.server.host, bytes.NewReader(raw))
	if err != nil {
		return state, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return state, err
	}
	defer answer.Body.Close()
	return state, json.NewDecoder(answer.Body).Decode(&state)
}

// set makes the line a link, and starts counting anew.
func (l *lined) set(ctx context.Context, to faultproxy.Link) error {
	_, err := l.ask(ctx, http.MethodPut, to)
	return err
}

// counts are those since the last set.
func (l *lined) counts(ctx context.Context) (faultproxy.Counts, error) {
	state, err := l.ask(ctx, http.MethodGet, nil)
	return state.Counts, err
}

// far is a registry on another continent; near is one in the same room.
var (
	far  = faultproxy.Link{RoundTrip: 50 * time.Millisecond, BytesPerSecond: 20_000_000}
	near = faultproxy.Link{}
)

func linkName(l faultproxy.Link) string {
	if l == near {
		return "loopback"
	}
	return fmt.Sprintf("%d ms, %d MB/s", l.RoundTrip.Milliseconds(), l.BytesPerSecond/1_000_000)
}
