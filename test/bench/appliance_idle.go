package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// idles measures what an appliance takes while nobody asks it for anything: the
// memory at the start, after an import, and after people were there; and the size
// of the program.
func (b *bench) idles(ctx context.Context) error {
	i := &idle{bench: b, data: filepath.Join(b.dir, "data")}
	defer os.RemoveAll(i.data)
	bundle, err := i.prepare(ctx)
	if err != nil {
		return err
	}
	defer os.Remove(bundle)
	s, err := b.appliance(ctx, i.data)
	if err != nil {
		return err
	}
	defer s.stop()
	if err := i.remains(ctx, s, "after the start"); err != nil {
		return err
	}
	if _, err := run(ctx, b.landfall, "bundle", "import", bundle, "--data", i.data); err != nil {
		return err
	}
	if err := i.remains(ctx, s, fmt.Sprintf("then an import of %d images", b.sizes.few)); err != nil {
		return err
	}
	if err := i.people(ctx, s); err != nil {
		return err
	}
	if err := i.remains(ctx, s, fmt.Sprintf("then a login, and %d event streams that have ended", comers)); err != nil {
		return err
	}
	return i.program(ctx)
}

const (
	comers     = 100
	idleMemory = 80 * mib
	binarySize = 100 * mib
)

// idle is an appliance that nobody asks for anything.
type idle struct {
	*bench
	data string
}

// prepare makes a bundle of many small images that have layers in common.
func (i *idle) prepare(ctx context.Context) (bundle string, err error) {
	c := &content{dir: filepath.Join(i.dir, "content")}
	defer os.RemoveAll(c.dir)
	bases, err := c.layers(layers{40, 64 * kib})
	if err != nil {
		return "", err
	}
	for n := range i.sizes.few {
		own, err := c.layer(16 * kib)
		if err != nil {
			return "", err
		}
		of := n % (len(bases) - 4)
		if err := c.image(fmt.Sprintf("bench/idle%02d:v%d", n%20, n/20), append(bases[of:of+4:of+4], own)...); err != nil {
			return "", err
		}
	}
	return i.bundle(ctx, c)
}

// remains tells the memory after a minute in which nobody asked for anything.
func (i *idle) remains(ctx context.Context, s *appliance, when string) error {
	d := 6 * i.sizes.paced
	say("  waiting for %s", d)
	if err := pause(ctx, d); err != nil {
		return err
	}
	r, err := s.resident(ctx)
	i.table.figure(figure{name: fmt.Sprintf("memory %s %s, RSS", d, when),
		landfall: fmt.Sprintf("PSS %s, of which %s no files; Go's heap in use %s, kept %s; peak %s; %d goroutines, %d descriptors",
			size(r.pss), size(r.anonymous), size(r.heap), size(r.unreleased), size(r.peak), r.goroutines, r.descriptors),
		measured: float64(r.rss), unit: memory, bound: float64(idleMemory)})
	return err
}

// people makes a user who signs in, and follows what happens many times at once.
func (i *idle) people(ctx context.Context, s *appliance) error {
	const name, password = "bench", "correct horse battery staple"
	if err := s.call(ctx, http.MethodPost, "/users", map[string]string{"name": name, "password": password, "role": "admin"}, nil); err != nil {
		return err
	}
	cookie, err := i.login(ctx, s, name, password)
	if err != nil {
		return err
	}
	coming, leave := context.WithCancel(ctx)
	defer leave()
	there := make(chan error, comers)
	var gone sync.WaitGroup
	for range comers {
		gone.Go(func() {
			answer, err := i.ask(coming, s, http.MethodGet, "events", "", cookie)
			if there <- err; err == nil {
				<-coming.Done()
				answer.Body.Close()
			}
		})
	}
	for range comers {
		err = errors.Join(err, <-there)
	}
	leave()
	gone.Wait()
	return err
}

// login returns the cookie of a session.
func (i *idle) login(ctx context.Context, s *appliance, name, password string) (*http.Cookie, error) {
	answer, err := i.ask(ctx, s, http.MethodPost, "session", fmt.Sprintf(`{"name":%q,"password":%q}`, name, password), nil)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if len(answer.Cookies()) == 0 {
		return nil, errors.New("a login without a cookie")
	}
	return answer.Cookies()[0], nil
}

// ask asks the API from outside, on a connection of its own.
func (i *idle) ask(ctx context.Context, s *appliance, method, path, body string, cookie *http.Cookie) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+s.host+"/api/v1/"+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	if cookie != nil {
		r.AddCookie(cookie)
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := c.Do(r)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s", method, path, answer.Status)
	}
	return answer, err
}

// program tells the size of the program as it is shipped.
func (i *idle) program(ctx context.Context) error {
	file := filepath.Join(i.dir, "stripped")
	defer os.Remove(file)
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, "./cmd/landfall")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	i.table.figure(figure{name: "size of the stripped program", measured: float64(info.Size()), unit: memory, bound: float64(binarySize)})
	return nil
}
