package observe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/landfall-dev/landfall/internal/leaktest"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/store"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestRoutes(t *testing.T) {
	for path, want := range map[string]route{
		"": other, "*": other, "/": other, "/metrics": other, "/v2": base, "/v2/": base, "/v2/x": other, "/v2//": other, "/v2x/blobs/a": other,
		"/v2/_catalog": catalog, "/v2/a/tags/list": tags, "/v2/a/b/manifests/v1": manifest, "/v2/blobs/manifests/v1": manifest,
		"/v2/a/blobs/sha256:0": blob, "/v2/a/blobs/uploads": upload, "/v2/a/blobs/uploads/": upload, "/v2/a/blobs/uploads/1": upload,
		"/v2/a/referrers/sha256:0": referrers, "/api/v1/stats": api,
	} {
		if got := routeOf(path); got != want {
			t.Errorf("%q is %s, want %s", path, routeNames[got], routeNames[want])
		}
	}
}

// A handler that panics is counted, and a deadline reaches the connection
// through the recorder.
func TestRecorder(t *testing.T) {
	o := New(Options{})
	server := httptest.NewServer(o.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			panic(http.ErrAbortHandler)
		}
		if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusTeapot)
		w.(http.Flusher).Flush()
		_, _ = io.WriteString(w, RequestID(r.Context()))
	})))
	answer, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	if string(text) == "" || string(text) != answer.Header.Get("X-Request-Id") || answer.StatusCode != http.StatusTeapot {
		t.Errorf("%q, %v", text, answer)
	}
	if _, err := http.Post(server.URL+"/panic", "", nil); err == nil {
		t.Error("a panic is answered")
	}
	http.DefaultClient.CloseIdleConnections()
	server.Close()
	metrics := scrape(t, o)
	for _, want := range []string{
		`landfall_http_requests_total{code="500",method="POST",route="other"} 1`,
		`landfall_http_requests_total{code="other",method="GET",route="other"} 1`,
		`landfall_http_requests_in_flight 0`, `landfall_http_sent_bytes_total{route="other"} 16`,
	} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("no %s in\n%s", want, metrics)
		}
	}
}

func scrape(t *testing.T, o *Observer) string {
	t.Helper()
	w := httptest.NewRecorder()
	o.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatal(w)
	}
	return w.Body.String()
}

// fixed is a Source.
type fixed struct {
	stats store.Stats
	err   error
}

func (f fixed) Stats(context.Context) (store.Stats, error) { return f.stats, f.err }

func TestSource(t *testing.T) {
	f := fixed{stats: store.Stats{Blobs: 3, BlobBytes: 4, DamagedBlobs: 1,
		Scrub:   store.ScrubProgress{Running: true, Started: time.Unix(1000, 0), Bytes: 2, TotalBytes: 4},
		Collect: store.CollectProgress{Running: true, Phase: "unlink"}}}
	metrics := scrape(t, New(Options{Source: f}))
	for _, want := range []string{
		"landfall_store_blobs 3", "landfall_store_bytes 4", "landfall_store_quarantined_blobs 1", "landfall_scrub_running 1",
		"landfall_scrub_started_timestamp_seconds 1000", "landfall_scrub_finished_timestamp_seconds 0", "landfall_scrub_bytes 2",
		"landfall_scrub_expected_bytes 4", `landfall_collect_phase{phase="unlink"} 1`,
	} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("no %s in\n%s", want, metrics)
		}
	}
	var log bytes.Buffer
	o := New(Options{Source: fixed{err: errors.New("disk on fire")}, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if metrics := scrape(t, o); strings.Contains(metrics, "landfall_store") || !strings.Contains(metrics, "go_goroutines") {
		t.Error(metrics)
	}
	if !strings.Contains(log.String(), "disk on fire") {
		t.Error(log.String())
	}
}

// What libraries write through logrus arrives in the log, and nowhere else.
func TestLogrus(t *testing.T) {
	var log bytes.Buffer
	BridgeLogrus(slog.New(slog.DiscardHandler))
	BridgeLogrus(NewLog(&log, LogOptions{Format: LogJSON, Level: slog.LevelWarn}))
	logrus.Info("quiet")
	logrus.WithField("key", 7).Warn("loud")
	var line map[string]any
	if err := json.Unmarshal(log.Bytes(), &line); err != nil || line["msg"] != "loud" || line["level"] != "WARN" || line["key"] != 7.0 {
		t.Error(log.String(), err)
	}
}

func TestLogFormat(t *testing.T) {
	for _, text := range []string{"text", "json"} {
		var f LogFormat
		if err := f.UnmarshalText([]byte(text)); err != nil {
			t.Error(err)
		}
		if name, _ := f.MarshalText(); string(name) != text {
			t.Errorf("%s is %s", text, name)
		}
	}
	if new(LogFormat).UnmarshalText([]byte("xml")) == nil {
		t.Error("xml is taken")
	}
}

// receiver is a trace collector.
func receiver(t *testing.T, status int) (url string, got chan []byte) {
	t.Helper()
	got = make(chan []byte, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, _ := io.ReadAll(r.Body)
		if r.Method != "POST" || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" {
			t.Error(r.Method, r.URL, r.Header)
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		got <- content
	}))
	t.Cleanup(server.Close)
	return server.URL, got
}

// Spans reach the collector as OTLP, below the client's, when the program
// ends; the client's decision not to sample holds.
func TestTraces(t *testing.T) {
	url, got := receiver(t, http.StatusOK)
	var log bytes.Buffer
	traces, err := NewTraces(url, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	handler := New(Options{Traces: traces, LogRequests: true, Log: NewLog(&log, LogOptions{})}).Wrap(http.NotFoundHandler())
	const traceID, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for _, flags := range []string{"01", "00"} {
		r := httptest.NewRequest("GET", "/v2/x/manifests/v1", nil)
		r.Header.Set("Traceparent", "00-"+traceID+"-"+parent+"-"+flags)
		handler.ServeHTTP(httptest.NewRecorder(), r)
	}
	if !strings.Contains(log.String(), "trace_id="+traceID) {
		t.Error(log.String())
	}
	traces.Close(t.Context())
	var data traceData
	if err := json.Unmarshal(<-got, &data); err != nil || len(got) != 0 {
		t.Fatal(err)
	}
	spans := data.ResourceSpans[0].ScopeSpans[0].Spans
	if len(spans) != 1 {
		t.Fatal(spans)
	}
	s := spans[0]
	if s.Name != "GET manifest" || s.Kind != 2 || s.TraceID != traceID || s.Parent != parent || len(s.SpanID) != 16 || len(s.Start) != 19 {
		t.Errorf("%+v", s)
	}
	attributes, _ := json.Marshal(s.Attributes)
	if !strings.Contains(string(attributes), `{"key":"http.response.status_code","value":{"intValue":"404"}}`) {
		t.Errorf("%s", attributes)
	}
}

// A collector that fails is told of in the log; redirects are not followed.
func TestTracesLost(t *testing.T) {
	url, got := receiver(t, http.StatusFound)
	var log bytes.Buffer
	traces, err := NewTraces(url+"/", slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	New(Options{Traces: traces}).Wrap(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	traces.Close(t.Context())
	if len(got) != 1 || !strings.Contains(log.String(), "traces are lost") {
		t.Error(len(got), log.String())
	}
	for _, endpoint := range []string{"", "localhost:4317", "ftp://x", "http://"} {
		if _, err := NewTraces(endpoint, nil); !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
	(*Traces)(nil).Close(t.Context())
}
