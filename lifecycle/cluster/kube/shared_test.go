package kube

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// Many who wait for the cluster at the same time read its nodes and pods a few times, one
// after another; each gets what was found after it asked.
func TestLooksAreShared(t *testing.T) {
	t.Parallel()
	const callers = 50
	var looks, now, most atomic.Int64
	held := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/nodes") {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			if looks.Add(1) == 1 {
				<-held
			}
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"apiVersion":"v1","kind":"List","metadata":{},"items":[]}`))
	}))
	defer server.Close()
	objects, err := dynamic.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	c := &Client{objects: objects, shared: newShared()}
	var asking atomic.Int64
	var done sync.WaitGroup
	for range callers {
		done.Go(func() {
			asking.Add(1)
			if _, err := c.lookShared(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	for asking.Load() < callers || looks.Load() == 0 {
		if t.Context().Err() != nil {
			t.Fatal(context.Cause(t.Context()))
		}
	}
	close(held)
	done.Wait()
	if looks.Load() > callers/5 || most.Load() != 1 {
		t.Errorf("%d looks for %d callers, %d at the same time", looks.Load(), callers, most.Load())
	}
}
