package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

// The API server is that of this host. Its certificate is for this name, too.
const (
	server     = "https://127.0.0.1:"
	serverName = "kubernetes"
	kubeconfig = "/etc/kubernetes/admin.conf"
)

// election is for a lease.
type election struct {
	holder, path, lease string
	seconds             int

	seen   string // the lease's last version, and when it was first seen: clocks may differ
	seenAt time.Time
}

type lease struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name            string `json:"name"`
		ResourceVersion string `json:"resourceVersion,omitempty"`
	} `json:"metadata"`
	Spec struct {
		HolderIdentity       string `json:"holderIdentity"`
		LeaseDurationSeconds int    `json:"leaseDurationSeconds"`
		RenewTime            string `json:"renewTime"`
	} `json:"spec"`
}

// try takes or renews the lease, and says whether it is held.
func (e *election) try(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	client, err := newClient()
	if err != nil {
		return false, err
	}
	defer client.CloseIdleConnections()
	var l lease
	status, err := ask(ctx, client, http.MethodGet, e.path+"/"+e.lease, nil, &l)
	if err != nil {
		return false, err
	}
	method, path := http.MethodPut, e.path+"/"+e.lease
	if status == http.StatusNotFound {
		method, path = http.MethodPost, e.path
	} else if version := l.Metadata.ResourceVersion; version != e.seen {
		e.seen, e.seenAt = version, time.Now()
	}
	if method == http.MethodPut && l.Spec.HolderIdentity != e.holder && time.Since(e.seenAt) < time.Duration(e.seconds)*time.Second {
		return false, nil
	}
	l.APIVersion, l.Kind, l.Metadata.Name = "coordination.k8s.io/v1", "Lease", e.lease
	l.Spec.HolderIdentity, l.Spec.LeaseDurationSeconds, l.Spec.RenewTime = e.holder, e.seconds, time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")
	status, err = ask(ctx, client, method, path, &l, &l)
	if status == http.StatusConflict { // somebody was faster
		return false, nil
	}
	return err == nil, err
}

// ask is a call of the API server. Not found and conflict are no errors.
func ask(ctx context.Context, client *http.Client, method, path string, body, answer any) (int, error) {
	content, err := json.Marshal(body)
	if err != nil {
		return 0, err
	}
	r, err := http.NewRequestWithContext(ctx, method, server+os.Getenv("port")+path, bytes.NewReader(content))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK, http.StatusCreated:
		return response.StatusCode, json.NewDecoder(response.Body).Decode(answer)
	case http.StatusNotFound, http.StatusConflict:
		return response.StatusCode, nil
	}
	return response.StatusCode, fmt.Errorf("%s %s: %s", method, path, response.Status)
}

// newClient is an administrator's. The file may come, and be renewed, at any time.
func newClient() (*http.Client, error) {
	content, err := os.ReadFile(kubeconfig)
	if err != nil {
		return nil, err
	}
	data := map[string][]byte{}
	for line := range strings.Lines(string(content)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if strings.HasSuffix(key, "-data") {
			if data[key], err = base64.StdEncoding.DecodeString(value); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", kubeconfig, key, err)
			}
		}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data["certificate-authority-data"]) {
		return nil, errors.New(kubeconfig + " has no authority yet")
	}
	pair, err := tls.X509KeyPair(data["client-certificate-data"], data["client-key-data"])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kubeconfig, err)
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: serverName, Certificates: []tls.Certificate{pair}}}}, nil
}
