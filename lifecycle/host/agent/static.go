package agent

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/lifecycle/object"
	"github.com/landfall-dev/landfall/registry"
)

// certPods are the static pods that hold certificates which kubeadm makes, in the order
// in which they begin again. Each is called as its program.
var certPods = []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-vip"}

const (
	podsLookEvery  = 500 * time.Millisecond
	podProbeWithin = 5 * time.Second
)

// renewCerts makes all certificates of kubeadm's new, those in its kubeconfigs too, and
// begins the static pods again, which read theirs only then.
func (t *task) renewCerts(ctx context.Context) error {
	for _, name := range certPods { // of an interrupted attempt
		if err := t.movePod(name, manifestsAway, manifests); err != nil {
			return err
		}
	}
	t.say("kubeadm certs renew all")
	if _, err := t.program(ctx, "kubeadm", "certs", "renew", "all"); err != nil {
		return err
	}
	for _, name := range certPods {
		if !t.tree.exists(manifests + "/" + name + ".yaml") {
			continue
		}
		t.say("beginning %s again", name)
		if err := t.restartPod(ctx, name); err != nil {
			return fmt.Errorf("static pod %s: %w", name, err)
		}
	}
	return nil
}

// restartPod takes a static pod away, waits until it has ended, brings it back, and waits
// until it is well.
func (t *task) restartPod(ctx context.Context, name string) error {
	content, err := t.tree.read(manifests + "/" + name + ".yaml")
	if err != nil {
		return err
	}
	probe := podProbe(content)
	if err := t.movePod(name, manifests, manifestsAway); err != nil {
		return err
	}
	err = t.awaitPod(ctx, "it has not ended", func(context.Context) bool { return len(t.processes(name)) == 0 })
	if err := errors.Join(err, t.movePod(name, manifestsAway, manifests)); err != nil {
		return err
	}
	return t.awaitPod(ctx, "it did not get well", func(ctx context.Context) bool {
		return len(t.processes(name)) > 0 && isWell(ctx, probe)
	})
}

// movePod moves a manifest between two folders; one that is not there is done.
func (t *task) movePod(name, from, to string) error {
	if !t.tree.exists(from + "/" + name + ".yaml") {
		return nil
	}
	if err := t.tree.mkdir(to, 0o700); err != nil {
		return err
	}
	err := t.tree.rename(from+"/"+name+".yaml", to+"/"+name+".yaml")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (t *task) awaitPod(ctx context.Context, otherwise string, is func(context.Context) bool) error {
	limited, cancel := context.WithTimeoutCause(ctx, podsEndWithin, fmt.Errorf("%w: %s within %s", registry.ErrUnreachable, otherwise, podsEndWithin))
	defer cancel()
	for !is(limited) {
		select {
		case <-time.After(podsLookEvery):
		case <-limited.Done():
			return context.Cause(limited)
		}
	}
	return nil
}

// processes are those of a program, by its name.
func (t *task) processes(name string) (list []int) {
	for _, entry := range t.tree.list("/proc") {
		pid, err := strconv.Atoi(entry)
		if err != nil {
			continue
		}
		if program, _ := t.process(pid); filepath.Base(program) == name {
			list = append(list, pid)
		}
	}
	return list
}

// podProbe is the URL by which the kubelet sees that a pod is well: that of its startup,
// liveness or readiness probe; empty without one.
func podProbe(manifest []byte) string {
	objects, err := object.Read(object.File{Path: "pod.yaml", Content: string(manifest)})
	if err != nil || len(objects) == 0 {
		return ""
	}
	list, _ := valueAt(objects[0].Content, "spec", "containers").([]any)
	for _, container := range list {
		for _, kind := range []string{"startupProbe", "livenessProbe", "readinessProbe"} {
			get, is := valueAt(container, kind, "httpGet").(map[string]any)
			if !is {
				continue
			}
			text := func(key string) string { s, _ := get[key].(string); return s }
			at := net.JoinHostPort(cmp.Or(text("host"), "127.0.0.1"), portOf(container, get["port"]))
			return strings.ToLower(cmp.Or(text("scheme"), "http")) + "://" + at + text("path")
		}
	}
	return ""
}

// portOf is a probe's port: a number, or the name of one of the container's ports.
func portOf(container, port any) string {
	text := fmt.Sprint(port)
	ports, _ := valueAt(container, "ports").([]any)
	for _, p := range ports {
		if name := valueAt(p, "name"); name == port {
			text = fmt.Sprint(valueAt(p, "containerPort"))
		}
	}
	return text
}

func valueAt(v any, keys ...string) any {
	for _, key := range keys {
		m, is := v.(map[string]any)
		if !is {
			return nil
		}
		v = m[key]
	}
	return v
}

// isWell asks as the kubelet does, which checks no certificate either.
func isWell(ctx context.Context, url string) bool {
	if url == "" {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, podProbeWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true} //nolint:gosec // nothing is sent, and nothing is believed
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return slices.Contains([]int{http.StatusOK, http.StatusNoContent}, answer.StatusCode)
}
