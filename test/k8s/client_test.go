package k8s

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// appPort is the application's on every node.
const appPort = 30080

// client calls the application many times a second, over a new connection each time, on
// all hosts in turn.
type client struct {
	hosts []string
	http  *http.Client
	stop  context.CancelFunc
	ended sync.WaitGroup

	mu    sync.Mutex // protects calls
	calls []call
}

// call is one of its calls.
type call struct {
	began time.Time
	host  string
	took  time.Duration
	said  string // the version that answered
	err   error
}

const (
	callEvery = time.Second / 50
	callLimit = 5 * time.Second
)

// startClient begins to call; end ends it.
func startClient(ctx context.Context, hosts ...string) *client {
	ctx, stop := context.WithCancel(ctx)
	c := &client{hosts: hosts, stop: stop, http: &http.Client{Timeout: callLimit, Transport: &http.Transport{DisableKeepAlives: true}}}
	c.ended.Go(func() { c.run(ctx) })
	return c
}

func (c *client) run(ctx context.Context) {
	tick := time.NewTicker(callEvery)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			host := c.hosts[i%len(c.hosts)]
			c.ended.Go(func() { c.call(host) })
		}
	}
}

func (c *client) call(host string) {
	one := call{began: time.Now(), host: host}
	one.said, one.err = c.ask(host)
	one.took = time.Since(one.began)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, one)
}

func (c *client) ask(host string) (string, error) {
	answer, err := c.http.Get(fmt.Sprintf("http://%s:%d/", host, appPort))
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(io.LimitReader(answer.Body, 1024))
	if err != nil {
		return "", err
	}
	words := strings.Fields(string(content))
	if answer.StatusCode != http.StatusOK || len(words) < 2 {
		return "", fmt.Errorf("%s: %q", answer.Status, content)
	}
	return words[1], nil
}

// end ends it and waits for calls that were begun.
func (c *client) end() []call {
	c.stop()
	c.ended.Wait()
	return c.calls
}

// verdict is what calls say, for people, and those that failed.
func verdict(calls []call) (text string, failed []call) {
	if len(calls) == 0 {
		return "no calls", nil
	}
	versions, took := map[string]int{}, make([]time.Duration, 0, len(calls))
	for _, c := range calls {
		if took = append(took, c.took); c.err != nil {
			failed = append(failed, c)
		} else {
			versions[c.said]++
		}
	}
	slices.Sort(took)
	text = fmt.Sprintf("%d calls in %.0f s, %d failed, answered by versions %v; median %s, 99th of a hundred %s, slowest %s",
		len(calls), calls[len(calls)-1].began.Sub(calls[0].began).Seconds(), len(failed), versions,
		took[len(took)/2].Round(100*time.Microsecond), took[len(took)*99/100].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	for _, c := range failed[:min(len(failed), 20)] {
		text += fmt.Sprintf("\n  %s %s after %s: %v", c.began.Format("15:04:05.000"), c.host, c.took.Round(time.Millisecond), c.err)
	}
	return text, failed
}
