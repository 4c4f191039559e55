package agent

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/host"
)

// kubelet runs the static pods of a host for a test: processes that are files of /proc.
type kubelet struct {
	*kit
	mu      sync.Mutex     // protects the rest
	running map[string]int // pids by name
	began   []string       // in their order
	away    int            // the most that were away at the same time
}

func (l *kubelet) look() {
	l.mu.Lock()
	defer l.mu.Unlock()
	away := 0
	for i, name := range certPods {
		_, err := os.Stat(filepath.Join(l.root, manifests, name+".yaml"))
		pid, runs := l.running[name]
		switch {
		case err == nil && !runs:
			pid = 1000 + 100*len(l.began) + i
			l.running[name], l.began = pid, append(l.began, name)
			l.write(fmt.Sprintf("/proc/%d/cmdline", pid), "/usr/local/bin/"+name+"\x00--flag\x00", 0o644)
		case err != nil:
			away++
			if runs {
				l.must(os.RemoveAll(filepath.Join(l.root, fmt.Sprintf("/proc/%d", pid))))
				delete(l.running, name)
			}
		}
	}
	l.away = max(l.away, away)
}

func (l *kubelet) run(ctx context.Context) {
	for ctx.Err() == nil {
		l.look()
		time.Sleep(20 * time.Millisecond)
	}
}

const staticPod = `apiVersion: v1
kind: Pod
metadata: {name: %[1]s}
spec:
  containers:
  - name: %[1]s
    command: [%[1]s, --flag]
    ports: [{name: probe-port, containerPort: %[2]s}]
    livenessProbe: {httpGet: {host: 127.0.0.1, path: /livez, port: probe-port, scheme: HTTPS}}
`

// Renewed certificates are picked up: each static pod ends and begins again, one at a
// time, and the next one waits until the one before is well. One that an interrupted
// attempt had taken away is back before.
func TestRenewCerts(t *testing.T) {
	t.Parallel()
	k := newControl(t)
	k.done(initOp("i1"))
	var asked, refused atomic.Int64
	probe := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1)%2 == 1 || r.URL.Path != "/livez" {
			refused.Add(1)
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(probe.Close)
	at, err := url.Parse(probe.URL)
	k.must(err)
	for _, name := range certPods {
		folder := manifests
		if name == "kube-scheduler" {
			folder = manifestsAway
		}
		k.write(folder+"/"+name+".yaml", fmt.Sprintf(staticPod, name, at.Port()), 0o600)
	}
	l := &kubelet{kit: k, running: map[string]int{}}
	l.look()
	l.away = 0
	first := len(l.began)
	if first != len(certPods)-1 {
		t.Fatalf("running at first: %q", l.began)
	}
	ctx, end := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() { l.run(ctx) })
	k.done(host.Op{ID: "c1", Kubeadm: &host.Kubeadm{Step: host.RenewCerts}})
	end()
	wait.Wait()
	if k.read(adminConfig) != "renewed\n" {
		t.Errorf("the administrator's kubeconfig: %q", k.read(adminConfig))
	}
	again := l.began[first:]
	if i := slices.Index(again, "kube-scheduler"); i >= 0 && len(again) > len(certPods) {
		again = slices.Delete(slices.Clone(again), i, i+1) // it was away at first
	}
	if !slices.Equal(again, certPods) || l.away > 1 {
		t.Errorf("begun again: %q, at most %d away at the same time", again, l.away)
	}
	if refused.Load() == 0 || asked.Load() < int64(2*len(certPods)) {
		t.Errorf("asked whether they are well: %d times, %d of them refused", asked.Load(), refused.Load())
	}
	for _, name := range certPods {
		if k.read(manifests+"/"+name+".yaml") == "absent" {
			t.Errorf("%s is away", name)
		}
	}
}

// A probe is asked where the kubelet would ask.
func TestPodProbe(t *testing.T) {
	t.Parallel()
	for manifest, want := range map[string]string{
		fmt.Sprintf(staticPod, "x", "6443"): "https://127.0.0.1:6443/livez",
		`{"spec": {"containers": [{"readinessProbe": {"httpGet": {"port": 10, "path": "/ready"}}, "livenessProbe": {"exec": {}}}]}}`: "http://127.0.0.1:10/ready",
		`{"spec": {"containers": [{"name": "none"}]}}`: "",
		"no: [pod": "",
	} {
		if have := podProbe([]byte(manifest)); have != want {
			t.Errorf("%s: %q, want %q", manifest, have, want)
		}
	}
}
