package k8s

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/test/k8s/lab"
)

// out is the folder that a run leaves behind.
func out(t *testing.T) string {
	t.Helper()
	dir := os.Getenv(outEnv)
	if dir == "" {
		dir = t.TempDir()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// openLab opens a laboratory until the test ends. Its commands are written to
// NAME.transcript.txt.
func openLab(t *testing.T, p parts, name string) *lab.Lab {
	t.Helper()
	f, err := os.Create(filepath.Join(out(t), name+".transcript.txt"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := lab.Open(t.Context(), lab.Options{Dir: p.Run, Rootfs: p.Rootfs, Log: lab.NewTranscript(f)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(l.Close(), f.Close()); err != nil {
			t.Error("closing the laboratory:", err)
		}
	})
	return l
}

// edges are the three hosts of a site.
var edges = []struct{ name, address string }{{"edge1", "10.77.0.11"}, {"edge2", "10.77.0.12"}, {"edge3", "10.77.0.13"}}

// newHosts makes hosts like s, and gives them power.
func newHosts(t *testing.T, l *lab.Lab, s lab.Spec) []*lab.Host {
	t.Helper()
	hosts := make([]*lab.Host, len(edges))
	for i, e := range edges {
		s.Name, s.Address = e.name, e.address
		h, err := l.NewHost(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		hosts[i] = h
	}
	atOnce(t, hosts, func(h *lab.Host) error { return h.Up(t.Context()) })
	return hosts
}

// atOnce does something to all hosts at the same time.
func atOnce(t *testing.T, hosts []*lab.Host, do func(h *lab.Host) error) {
	t.Helper()
	errs := make([]error, len(hosts))
	var wait sync.WaitGroup
	for i, h := range hosts {
		wait.Go(func() { errs[i] = do(h) })
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// must ends the test on an error.
func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// eventually asks until it is so; what it was last says the failure.
func eventually(t *testing.T, limit time.Duration, what string, is func() (bool, string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for {
		so, last := is()
		if so {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within %s: %s", what, limit, last)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// figures are numbers that a run has measured, kept in figures.json.
type figures struct {
	mu   sync.Mutex // protects list
	list map[string]float64
	file string
}

func newFigures(t *testing.T) *figures {
	f := &figures{list: map[string]float64{}, file: filepath.Join(out(t), "figures.json")}
	if content, err := os.ReadFile(f.file); err == nil {
		_ = json.Unmarshal(content, &f.list)
	}
	return f
}

// get is a figure that was measured, also by a test before.
func (f *figures) get(name string) (value float64, measured bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	value, measured = f.list[name]
	return value, measured
}

// set keeps a figure.
func (f *figures) set(t *testing.T, name string, value float64) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list[name] = value
	t.Logf("figure: %s = %.3f", name, value)
	content, err := json.MarshalIndent(f.list, "", "  ")
	if err == nil {
		err = os.WriteFile(f.file, append(content, '\n'), 0o644)
	}
	if err != nil {
		t.Error(err)
	}
}

// The laboratory is what the tests take it for: what is sent outside is counted wherever
// it comes from and dropped, a cable can be pulled out, power off is at once and the
// disk stays.
func TestLaboratory(t *testing.T) {
	l := openLab(t, built(t), "laboratory")
	hosts := newHosts(t, l, lab.Spec{})
	ctx := t.Context()
	ping := func(from *lab.Host, to string) error {
		_, err := from.Exec(ctx, "ping", "-c1", "-W1", to)
		return err
	}
	if err := errors.Join(ping(hosts[0], hosts[2].Address), ping(hosts[1], lab.SwitchAddress)); err != nil {
		t.Error(err)
	}
	if n := must(l.Network.Outside())(t); n != 0 {
		t.Errorf("%d packets have gone outside before anybody sent one: %s\n%s", n, must(l.Network.Dialled())(t), strings.Join(l.Network.Asked(), " "))
	}
	for _, h := range hosts {
		if n := must(h.Outside())(t); n != 0 {
			t.Errorf("%s: %d packets outside before anybody sent one", h.Name, n)
		}
	}
	if err := ping(hosts[0], "192.0.2.1"); err == nil {
		t.Error("the outside has answered")
	}
	if _, err := hosts[0].Exec(ctx, "curl", "-sS", "--max-time", "1", "https://registry.k8s.io/v2/"); err == nil {
		t.Error("registry.k8s.io has answered")
	}
	own := must(hosts[0].Outside())(t)
	if own < 2 {
		t.Errorf("a host has counted %d packets, want those of ping and of curl", own)
	}
	if asked := strings.Join(l.Network.Asked(), " "); asked != "registry.k8s.io" {
		t.Errorf("asked for %q, want registry.k8s.io", asked)
	}
	if err := hosts[0].Cut(ctx); err != nil || ping(hosts[1], hosts[0].Address) == nil {
		t.Errorf("a host that is cut off answers (%v)", err)
	}
	if err := hosts[0].Join(ctx); err != nil {
		t.Error(err)
	}
	eventually(t, 10*time.Second, "a host that was joined again", func() (bool, string) {
		err := ping(hosts[1], hosts[0].Address)
		return err == nil, fmt.Sprint(err)
	})
	powerCycle(t, hosts[0])
	if n := must(hosts[0].Outside())(t); n < own {
		t.Errorf("%d packets are counted after a start, %d before", n, own)
	}
}

func powerCycle(t *testing.T, h *lab.Host) {
	t.Helper()
	ctx := t.Context()
	if err := errors.Join(h.Write(ctx, "/etc/kept", "1"), h.Write(ctx, "/run/lost", "1"), h.Down()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Exec(ctx, "true"); err == nil {
		t.Error("a host without power has run a program")
	}
	if err := h.Up(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Exec(ctx, "cat", "/etc/kept"); err != nil {
		t.Error(err)
	}
	if _, err := h.Exec(ctx, "cat", "/run/lost"); err == nil {
		t.Error("/run was not lost with the power")
	}
}

// A host's own disk can be full, and the machine's is not.
func TestOwnDisk(t *testing.T) {
	l := openLab(t, built(t), "disk")
	h := must(l.NewHost(t.Context(), lab.Spec{Name: "edge9", Address: "10.77.0.19", Disk: 256 << 20}))(t)
	if err := h.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Exec(t.Context(), "fallocate", "-l", "1G", "/var/lib/containerd/fill"); err == nil {
		t.Error("more went onto a disk than it is large")
	}
}
