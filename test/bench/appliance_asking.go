package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// asking is steady streams of requests to an API, each like a pace: a request is
// due at its time whether or not earlier ones were answered.
type asking struct {
	Host, Token string
	For         time.Duration
	Flows       []flow
}

// flow is one of the streams. Its kinds of requests come in turn.
type flow struct {
	Rate        int // requests a second
	Connections int
	Kinds       [][]question
}

// question is a request, and what may be answered.
type question struct {
	Method, Path, Body string
	Statuses           []int
}

// askingChild runs what its standard input says, and prints the latencies by
// stream and kind. It is a program of its own for the reasons that readers has.
func askingChild(ctx context.Context, _ []string) error {
	var a asking
	if err := json.NewDecoder(os.Stdin).Decode(&a); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, a.For)
	defer cancel()
	took := make([][]latencies, len(a.Flows))
	errs := make(chan error, len(a.Flows))
	for i, f := range a.Flows {
		go func() {
			var err error
			took[i], err = a.run(ctx, f)
			errs <- err
		}()
	}
	for range a.Flows {
		if err := <-errs; err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(took)
}

// run runs one stream until ctx ends.
func (a *asking) run(ctx context.Context, f flow) ([]latencies, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: f.Connections, DisableCompression: true}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport}
	var next atomic.Int64
	var mu sync.Mutex // protects all and failed
	var failed error
	all := make([]latencies, len(f.Kinds))
	start := time.Now()
	var askers sync.WaitGroup
	for range f.Connections {
		askers.Go(func() {
			for {
				n := int(next.Add(1) - 1)
				due := start.Add(time.Duration(n) * time.Second / time.Duration(f.Rate))
				if sleepUntil(due); ctx.Err() != nil {
					return
				}
				kind := n % len(f.Kinds)
				err := a.ask(context.WithoutCancel(ctx), c, f.Kinds[kind][n/len(f.Kinds)%len(f.Kinds[kind])])
				took := time.Since(due)
				mu.Lock()
				all[kind] = append(all[kind], took)
				if err != nil {
					failed = err
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	askers.Wait()
	return all, failed
}

// ask asks one question and reads the answer to its end.
func (a *asking) ask(ctx context.Context, c *http.Client, q question) error {
	r, err := http.NewRequestWithContext(ctx, q.Method, "http://"+a.Host+"/api/v1"+q.Path, strings.NewReader(q.Body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+a.Token)
	r.Header.Set("Content-Type", "application/json")
	answer, err := c.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && !slices.Contains(q.Statuses, answer.StatusCode) {
		err = fmt.Errorf("%s %s: %s: %s", q.Method, q.Path, answer.Status, text)
	}
	return err
}

// ask runs an asking to its end, in a process of its own.
func (b *bench) ask(ctx context.Context, a asking) (took [][]latencies, cpu time.Duration, err error) {
	spec, err := json.Marshal(a)
	if err != nil {
		return nil, 0, err
	}
	var stdout, stderr bytes.Buffer
	c := exec.CommandContext(ctx, "nice", "-n", "-20", b.self, "asking")
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(spec), &stdout, &stderr
	if err := c.Run(); err != nil {
		return nil, 0, fmt.Errorf("asking: %w: %s", err, &stderr)
	}
	err = json.NewDecoder(&stdout).Decode(&took)
	return took, c.ProcessState.UserTime() + c.ProcessState.SystemTime(), err
}
