package fleet

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// kubeClient speaks to the API server.
type kubeClient struct {
	base      string
	http      *http.Client
	anonymous *http.Client // without a certificate
}

func newKubeClient(base, authority, pair string) (*kubeClient, error) {
	content, err := os.ReadFile(authority)
	if err != nil {
		return nil, err
	}
	own, err := tls.LoadX509KeyPair(pair+".crt", pair+".key")
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(content)
	with := func(certificates ...tls.Certificate) *http.Client {
		const width = 32
		return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: width, TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certificates, MinVersion: tls.VersionTLS12}}}
	}
	return &kubeClient{base: base, http: with(own), anonymous: with()}, nil
}

// request is one to the API server. What is empty it has not.
type request struct {
	method, path, kind, token string
	body                      any
	to                        any
}

var errGone = errors.New("404")

func (k *kubeClient) do(ctx context.Context, r request) error {
	body, err := k.open(ctx, r)
	if err != nil {
		return err
	}
	defer body.Close()
	if r.to == nil {
		_, err = io.Copy(io.Discard, body)
		return err
	}
	return json.NewDecoder(body).Decode(r.to)
}

func (k *kubeClient) open(ctx context.Context, r request) (io.ReadCloser, error) {
	var content []byte
	if r.body != nil {
		var err error
		if content, err = json.Marshal(r.body); err != nil {
			return nil, err
		}
	}
	q, err := http.NewRequestWithContext(ctx, r.method, k.base+r.path, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	if q.Header.Set("Content-Type", r.kind); r.kind == "" {
		q.Header.Set("Content-Type", "application/json")
	}
	client := k.http
	if r.token != "" {
		q.Header.Set("Authorization", "Bearer "+r.token)
		client = k.anonymous
	}
	answer, err := client.Do(q)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode/100 == 2 {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(answer.Body, 4096))
	err = fmt.Errorf("%s %s: %s: %s", r.method, r.path, answer.Status, said)
	if answer.StatusCode == http.StatusNotFound {
		err = errors.Join(errGone, err)
	}
	return nil, err
}

const mergePatch = "application/strategic-merge-patch+json"

type object = map[string]any

// register makes a host a node that is ready, or tells of its new version.
func (k *kubeClient) register(ctx context.Context, h *Host, version string) error {
	now := time.Now().UTC().Format(time.RFC3339)
	conditions := []any{object{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "a stand-in is posting ready status", "lastHeartbeatTime": now, "lastTransitionTime": now}}
	for _, kind := range []string{"MemoryPressure", "DiskPressure", "PIDPressure"} {
		conditions = append(conditions, object{"type": kind, "status": "False", "reason": "KubeletHasSufficient", "message": "kubelet has enough of it", "lastHeartbeatTime": now, "lastTransitionTime": now})
	}
	room := object{"cpu": "8", "memory": "32Gi", "pods": "110", "ephemeral-storage": "200Gi"}
	status := object{
		"conditions": conditions, "capacity": room, "allocatable": room, "images": h.runtime.images(),
		"addresses": []any{object{"type": "InternalIP", "address": h.Address}, object{"type": "Hostname", "address": h.Name}},
		"nodeInfo": object{"kubeletVersion": "v" + version, "kubeProxyVersion": "", "containerRuntimeVersion": "containerd://stand-in", "kernelVersion": "stand-in", "osImage": "stand-in",
			"operatingSystem": "linux", "architecture": "amd64", "machineID": h.Name, "systemUUID": h.Name, "bootID": h.Name},
	}
	at := "/api/v1/nodes/" + h.Name
	err := k.do(ctx, request{method: http.MethodPatch, path: at + "/status", kind: mergePatch, body: object{"status": status}})
	if !errors.Is(err, errGone) {
		return err
	}
	labels := object{"kubernetes.io/hostname": h.Name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
	return k.do(ctx, request{method: http.MethodPost, path: "/api/v1/nodes", body: object{"apiVersion": "v1", "kind": "Node", "metadata": object{"name": h.Name, "labels": labels}, "status": status}})
}

// images are those of a node's status, as a kubelet lists them.
func (r *runtime) images() []any {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := []any{}
	const most = 50
	for name, digest := range r.names {
		if len(list) < most {
			list = append(list, object{"names": []string{name + "@" + digest.String(), name}, "sizeBytes": 1 << 20})
		}
	}
	return list
}

// kubelets stand in for those of all hosts.
type kubelets struct {
	fleet *Fleet
	api   *kubeClient
}

// pod is what of a pod matters.
type pod struct {
	Metadata struct {
		Name              string `json:"name"`
		Namespace         string `json:"namespace"`
		ResourceVersion   string `json:"resourceVersion"`
		DeletionTimestamp string `json:"deletionTimestamp"`
	} `json:"metadata"`
	Spec struct {
		NodeName   string `json:"nodeName"`
		Containers []struct {
			Name  string `json:"name"`
			Image string `json:"image"`
		} `json:"containers"`
	} `json:"spec"`
	Status struct {
		Phase string `json:"phase"`
	} `json:"status"`
}

// run looks after pods until ctx ends.
func (k *kubelets) run(ctx context.Context) {
	const width = 8
	pods := make(chan pod, 1024)
	var work sync.WaitGroup
	for range width {
		work.Go(func() {
			for p := range pods {
				if err := k.look(ctx, &p); err != nil && ctx.Err() == nil && !errors.Is(err, errGone) {
					k.fleet.opts.Log.Warn("a pod", "pod", p.Metadata.Name, "error", err)
				}
			}
		})
	}
	for ctx.Err() == nil {
		_ = k.watch(ctx, pods) // the server is away, or the watch has ended: all are looked at again
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
	close(pods)
	work.Wait()
}

func (k *kubelets) watch(ctx context.Context, pods chan<- pod) error {
	var list struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Items []pod `json:"items"`
	}
	if err := k.api.do(ctx, request{method: http.MethodGet, path: "/api/v1/pods", to: &list}); err != nil {
		return err
	}
	for _, p := range list.Items {
		pods <- p
	}
	body, err := k.api.open(ctx, request{method: http.MethodGet, path: "/api/v1/pods?watch=1&resourceVersion=" + list.Metadata.ResourceVersion})
	if err != nil {
		return err
	}
	defer body.Close()
	for d := json.NewDecoder(body); ; {
		var event struct {
			Type   string `json:"type"`
			Object pod    `json:"object"`
		}
		if err := d.Decode(&event); err != nil {
			return err
		}
		switch event.Type {
		case "ADDED", "MODIFIED":
			pods <- event.Object
		case "ERROR":
			return errors.New("the watch is too old")
		}
	}
}

// look does what a kubelet does for a pod: it is begun, or ended.
func (k *kubelets) look(ctx context.Context, p *pod) error {
	h := k.fleet.byName[p.Spec.NodeName]
	at := "/api/v1/namespaces/" + p.Metadata.Namespace + "/pods/" + p.Metadata.Name
	switch {
	case h == nil:
		return nil
	case p.Metadata.DeletionTimestamp != "":
		return k.api.do(ctx, request{method: http.MethodDelete, path: at, body: object{"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}})
	case p.Status.Phase != "Pending":
		return nil
	}
	now := time.Now().UTC().Format(time.RFC3339)
	var conditions, containers []any
	for _, kind := range []string{"Initialized", "PodReadyToStartContainers", "ContainersReady", "Ready"} {
		conditions = append(conditions, object{"type": kind, "status": "True", "lastTransitionTime": now})
	}
	for _, c := range p.Spec.Containers {
		digest, there := h.runtime.image(c.Image)
		if !there {
			k.fleet.problem("pod %s on %s: image %s was not brought there before", p.Metadata.Name, h.Name, c.Image)
			return nil
		}
		containers = append(containers, object{"name": c.Name, "ready": true, "started": true, "restartCount": 0, "image": c.Image, "imageID": c.Image + "@" + digest.String(),
			"state": object{"running": object{"startedAt": now}}})
	}
	return k.api.do(ctx, request{method: http.MethodPatch, path: at + "/status", kind: mergePatch,
		body: object{"status": object{"phase": "Running", "hostIP": h.Address, "podIP": h.Address, "startTime": now, "conditions": conditions, "containerStatuses": containers}}})
}
