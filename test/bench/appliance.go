package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// appliance is a server that asks who its clients are, and its administrator.
type appliance struct {
	*server
	admin *http.Client // over the socket
}

// appliance serves a data folder.
func (b *bench) appliance(ctx context.Context, data string) (*appliance, error) {
	s, err := serve(ctx, b.landfall, "serve", "--data", data, "--listen", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &appliance{s, over(data)}, nil
}

func (a *appliance) stop() {
	a.admin.CloseIdleConnections()
	a.server.stop()
}

// call asks the API for something, as the administrator; what it answers goes into
// out, unless that is nil.
func (a *appliance) call(ctx context.Context, method, path string, body, out any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://landfall/api/v1"+path, bytes.NewReader(content))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := a.admin.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return err
	case answer.StatusCode/100 != 2:
		return fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, text)
	case out == nil:
		return nil
	}
	return json.Unmarshal(text, out)
}

// robot makes a robot and returns its token.
func (a *appliance) robot(ctx context.Context, name, role string) (token string, err error) {
	var told struct{ Text string }
	err = a.call(ctx, http.MethodPost, "/tokens", map[string]string{"name": name, "role": role}, &told)
	return told.Text, err
}

// robots makes so many.
func (a *appliance) robots(ctx context.Context, name, role string, n int) (tokens []string, err error) {
	for k := range n {
		token, err := a.robot(ctx, fmt.Sprintf("%s-%d", name, k), role)
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, token)
	}
	return tokens, nil
}

// atRest waits until no job runs or is to run.
func (a *appliance) atRest(ctx context.Context) error {
	for _, state := range []string{"queued", "running"} {
		for some := true; some; {
			var page struct{ Items []struct{ ID string } }
			if err := a.call(ctx, http.MethodGet, "/jobs?state="+state, nil, &page); err != nil {
				return err
			}
			if some = len(page.Items) > 0; some {
				if err := pause(ctx, 100*time.Millisecond); err != nil {
					return err
				}
			}
		}
	}
	return ctx.Err()
}

// resident is what of a process is in memory, in bytes: proc_pid_smaps(5), summed
// up, and what the program tells of its own.
type resident struct {
	rss, pss    int64
	anonymous   int64 // of pss: nothing of it is a file
	heap        int64 // that Go has in use
	unreleased  int64 // that Go has, not in use and not given back
	goroutines  int64
	peak        int64 // of rss, since the start
	descriptors int64
}

// resident reads it. Asking for the metrics costs a little memory: the kernel is
// asked before.
func (a *appliance) resident(ctx context.Context) (r resident, err error) {
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", a.cmd.Process.Pid))
	if err != nil {
		return r, err
	}
	r.rss, r.pss, r.anonymous = field(rollup, "Rss:")*kib, field(rollup, "Pss:")*kib, field(rollup, "Pss_Anon:")*kib
	r.peak = a.peak()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://landfall/metrics", nil)
	if err != nil {
		return r, err
	}
	answer, err := a.admin.Do(q)
	if err != nil {
		return r, err
	}
	defer answer.Body.Close()
	metrics, err := io.ReadAll(answer.Body)
	r.heap = metric(metrics, "go_memstats_heap_inuse_bytes")
	r.unreleased = metric(metrics, "go_memstats_heap_idle_bytes") - metric(metrics, "go_memstats_heap_released_bytes")
	r.goroutines, r.descriptors = metric(metrics, "go_goroutines"), metric(metrics, "process_open_fds")
	return r, err
}

// metric finds a sample without labels in Prometheus's text format.
func metric(text []byte, name string) int64 {
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			v, _ := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			return int64(v)
		}
	}
	return -1
}

// pause lets time pass.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
	return ctx.Err()
}
