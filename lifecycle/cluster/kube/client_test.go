package kube

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/landfall-dev/landfall/registry"
)

// clientOf speaks to a server that is taken for a cluster's.
func clientOf(t *testing.T, server *httptest.Server, opts Options) *Client {
	t.Helper()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	config, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "a",
		"clusters": []fields{{"name": "a", "cluster": fields{"server": server.URL, "certificate-authority-data": authority}}},
		"contexts": []fields{{"name": "a", "context": fields{"cluster": "a", "user": "a"}}},
		"users":    []fields{{"name": "a", "user": fields{"token": "secret"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(config, opts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A client that is closed has no connections any more, and one that is used again works.
func TestClose(t *testing.T) {
	t.Parallel()
	var open atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		}
	}
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	one, other := clientOf(t, server, Options{}), clientOf(t, server, Options{})
	for range 2 {
		for _, c := range []*Client{one, other} {
			if err := c.AwaitAPI(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := open.Load(); n != 2 {
			t.Fatalf("%d connections are open, want one of each client", n)
		}
		one.Close()
		awaitCount(t, &open, 1) // the other client's stays
		other.Close()
		awaitCount(t, &open, 0)
	}
}

func awaitCount(t *testing.T, n *atomic.Int32, want int32) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for n.Load() != want {
		select {
		case <-ctx.Done():
			t.Fatalf("%d connections are open, want %d", n.Load(), want)
		case <-time.After(time.Millisecond):
		}
	}
}

// Lists are read in pages, to their end; one that became too old is read again.
func TestPages(t *testing.T) {
	t.Parallel()
	var asked []string
	expired := false
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		from := r.URL.Query().Get("continue")
		asked = append(asked, r.URL.Query().Get("limit")+from)
		if from == "second" && !expired {
			expired = true
			w.WriteHeader(http.StatusGone)
			_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: metav1.StatusReasonExpired, Code: http.StatusGone, Message: "too old"})
			return
		}
		next := map[string]string{"": "second", "second": ""}[from]
		fmt.Fprintf(w, `{"apiVersion":"v1","kind":"NodeList","metadata":{"continue":%q},"items":[{"apiVersion":"v1","kind":"Node","metadata":{"name":"node%s"}}]}`, next, from)
	}))
	defer server.Close()
	c := clientOf(t, server, Options{Every: time.Millisecond})
	defer c.Close()
	nodes, err := c.Nodes(t.Context())
	if err != nil || len(nodes) != 2 || nodes[0].Name != "node" || nodes[1].Name != "nodesecond" {
		t.Errorf("%v, %v", nodes, err)
	}
	if want := []string{"100", "100second", "100", "100second"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %v, want %v", asked, want)
	}
}

// What ends a look through a list ends it at once, and is no error of the server.
func TestPagesStop(t *testing.T) {
	t.Parallel()
	asked := 0
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"apiVersion":"v1","kind":"PodList","metadata":{"continue":"more"},"items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}},{"apiVersion":"v1","kind":"Pod","metadata":{"name":"b"}}]}`)
	}))
	defer server.Close()
	c, seen := clientOf(t, server, Options{}), 0
	defer c.Close()
	err := each(t.Context(), c.objects.Resource(podResource), metav1.ListOptions{}, func(*unstructured.Unstructured) error { seen++; return errEnough })
	if !errors.Is(err, errEnough) || asked != 1 || seen != 1 {
		t.Errorf("%v after %d pages and %d objects", err, asked, seen)
	}
}

// What does not pass by itself is not waited for.
func TestUntil(t *testing.T) {
	t.Parallel()
	c := &Client{opts: Options{Every: time.Millisecond}}
	looks := 0
	err := c.until(t.Context(), "it", func(context.Context) (string, error) {
		if looks++; looks < 3 {
			return "", errors.New("connection refused")
		}
		return "", fmt.Errorf("%w: no", registry.ErrConflict)
	})
	if !errors.Is(err, registry.ErrConflict) || looks != 3 {
		t.Errorf("%v after %d looks", err, looks)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Millisecond, registry.ErrUnreachable)
	defer cancel()
	told := false
	err = c.until(ctx, "it", func(context.Context) (string, error) {
		if told {
			return "", fmt.Errorf("asking: %w", context.DeadlineExceeded) // no look, and no news
		}
		told = true
		return "not yet", nil
	})
	if !errors.Is(err, registry.ErrUnreachable) || !strings.HasSuffix(err.Error(), "not yet") {
		t.Errorf("%v", err)
	}
}
