package ui_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/ui"
)

// push brings a blob and returns its path.
func push(t *testing.T, address string, content []byte) string {
	t.Helper()
	d := digest.FromBytes(content).String()
	answer := send(t, "POST", "http://"+address+"/v2/x/blobs/uploads/?digest="+d, bytes.NewReader(content))
	if answer.StatusCode != http.StatusCreated {
		t.Fatal(answer.Status)
	}
	return "http://" + address + "/v2/x/blobs/" + d
}

// send makes a request and throws the body of its answer away; headers
// alternate names and values.
func send(t *testing.T, method, url string, body io.Reader, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Fatal(err)
	}
	return answer
}

// scrape reads the metrics: "name{labels}" to value.
func scrape(t *testing.T, address string) map[string]float64 {
	t.Helper()
	answer, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	found := map[string]float64{}
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if at := strings.LastIndexByte(lines.Text(), ' '); at > 0 && lines.Text()[0] != '#' {
			if found[lines.Text()[:at]], err = strconv.ParseFloat(lines.Text()[at+1:], 64); err != nil {
				t.Fatal(lines.Text(), err)
			}
		}
	}
	return found
}

// awaitMetric scrapes until a metric has a value: an exchange is counted when
// its handler returns, which may be after the client has the answer.
func awaitMetric(t *testing.T, address, name string, want float64) map[string]float64 {
	t.Helper()
	return awaitMetrics(t, address, name, func(got float64) bool { return got == want })
}

// awaitMetrics scrapes until a metric is as it is to be. A scrape is no snapshot: what
// else one exchange adds may come in the next only.
func awaitMetrics(t *testing.T, address, name string, is func(float64) bool) map[string]float64 {
	t.Helper()
	var got map[string]float64
	for range 200 {
		if got = scrape(t, address); is(got[name]) {
			return got
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s is %v", name, got[name])
	return nil
}

// Whatever way an answer goes, its request and its bytes are counted as they
// were.
func TestMetrics(t *testing.T) {
	t.Parallel()
	address := serve(t, ui.Options{})
	content := bytes.Repeat([]byte("0123456789"), 1000)
	blob := push(t, address, content)
	etag := send(t, "GET", blob, nil).Header.Get("ETag")
	send(t, "HEAD", blob, nil)
	send(t, "GET", blob, nil, "Range", "bytes=100-199")
	send(t, "GET", blob, nil, "If-None-Match", etag)
	send(t, "GET", "http://"+address+"/v2/x/manifests/nosuch", nil)
	send(t, "GET", "http://"+address+"/v2/", nil)
	const blobs = `landfall_http_requests_total{code="%s",method="%s",route="blob"}`
	awaitMetric(t, address, `landfall_http_requests_total{code="200",method="GET",route="base"}`, 1)
	got := awaitMetric(t, address, fmt.Sprintf(blobs, "304", "GET"), 1)
	for name, want := range map[string]float64{
		fmt.Sprintf(blobs, "200", "GET"):                                         1,
		fmt.Sprintf(blobs, "200", "HEAD"):                                        1,
		fmt.Sprintf(blobs, "206", "GET"):                                         1,
		`landfall_http_sent_bytes_total{route="blob"}`:                           10_100,
		`landfall_http_received_bytes_total{route="upload"}`:                     10_000,
		`landfall_http_requests_total{code="201",method="POST",route="upload"}`:  1,
		`landfall_http_requests_total{code="404",method="GET",route="manifest"}`: 1,
		`landfall_http_request_seconds_count{method="GET",route="blob"}`:         3,
		`landfall_http_first_byte_seconds_count`:                                 3,
		`landfall_http_requests_in_flight`:                                       1, // the scrape
		`landfall_store_blobs`:                                                   1,
		`landfall_store_bytes`:                                                   10_000,
		`landfall_store_quarantined_blobs`:                                       0,
		`landfall_scrub_finished_timestamp_seconds`:                              0,
		`landfall_collect_running`:                                               0,
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s is %v (%v), want %v", name, value, ok, want)
		}
	}
	for _, name := range []string{"go_goroutines", "process_open_fds", "landfall_store_free_bytes"} {
		if got[name] <= 0 {
			t.Errorf("%s is %v", name, got[name])
		}
	}
}

// A client that leaves is counted with what it took.
func TestAbortedDownload(t *testing.T) {
	t.Parallel()
	address := serve(t, ui.Options{})
	const size = 64 << 20
	blob := push(t, address, make([]byte, size))
	answer, err := http.Get(blob)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, answer.Body, 1<<20); err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	awaitMetric(t, address, `landfall_http_requests_total{code="200",method="GET",route="blob"}`, 1)
	const sentBytes = `landfall_http_sent_bytes_total{route="blob"}`
	got := awaitMetrics(t, address, sentBytes, func(sent float64) bool { return sent > 0 })
	if sent := got[sentBytes]; sent < 1<<20 || sent >= size {
		t.Errorf("%v bytes are counted", sent)
	}
}

// Nobody can grow the metrics from outside.
func TestHostileRequests(t *testing.T) {
	t.Parallel()
	address := serve(t, ui.Options{})
	send(t, "GET", "http://"+address+"/v2/a/manifests/a", nil)
	send(t, "BREW", "http://"+address+"/v2/a/manifests/a", nil)
	send(t, "GET", "http://"+address+"/assets/a.txt", nil)
	awaitMetric(t, address, `landfall_http_requests_total{code="404",method="GET",route="other"}`, 1)
	before := len(scrape(t, address))
	for i := range 100 {
		send(t, "GET", fmt.Sprintf("http://%s/v2/a%d/manifests/b%d", address, i, i), nil)
		send(t, fmt.Sprintf("BREW%d", i), "http://"+address+"/v2/a/manifests/a", nil)
		send(t, "GET", fmt.Sprintf("http://%s/assets/%d%%22%%0a.txt", address, i), nil)
	}
	got := awaitMetric(t, address, `landfall_http_requests_total{code="404",method="GET",route="other"}`, 101)
	if len(got) != before {
		t.Errorf("300 hostile requests made %d metrics of %d", len(got), before)
	}
}

// The id of a request is in its answer and in its log line.
func TestRequestLog(t *testing.T) {
	t.Parallel()
	var log lines
	address := serve(t, ui.Options{Log: slog.New(slog.NewJSONHandler(&log, nil)), LogRequests: true})
	for given, kept := range map[string]bool{
		"job-7.step_2": true, "": false, strings.Repeat("x", 64): true, strings.Repeat("x", 65): false, "a b": false, `"}`: false,
	} {
		id := send(t, "GET", "http://"+address+"/v2/x/manifests/v1?secret", nil, "X-Request-Id", given, "User-Agent", "test").Header.Get("X-Request-Id")
		if id == "" || (id == given) != kept {
			t.Errorf("%q is answered with %q", given, id)
		}
		line := log.await(t, id)
		if line["msg"] != "request" || line["level"] != "INFO" || line["method"] != "GET" || line["path"] != "/v2/x/manifests/v1" ||
			line["status"] != 404.0 || line["agent"] != "test" || line["bytes"].(float64) < 10 || line["duration"].(float64) <= 0 ||
			!strings.HasPrefix(line["remote"].(string), "127.0.0.1:") {
			t.Error(line)
		}
	}
}

// lines is a log in memory.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// await returns the line of a request.
func (l *lines) await(t *testing.T, id string) map[string]any {
	t.Helper()
	for range 200 {
		l.mu.Lock()
		text := l.text.String()
		l.mu.Unlock()
		for text := range strings.Lines(text) {
			line := map[string]any{}
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				t.Fatal(text, err)
			}
			if line["request_id"] == id {
				return line
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("no line has request_id " + id)
	return nil
}

// fileListener counts what its connections are given as readers: net/http does
// that with files, and the kernel sends them.
type fileListener struct {
	net.Listener
	files, bytes atomic.Int64
}

func (l *fileListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &fileConn{c.(*net.TCPConn), l}, nil
}

type fileConn struct {
	*net.TCPConn
	l *fileListener
}

func (c *fileConn) ReadFrom(r io.Reader) (int64, error) {
	n, err := c.TCPConn.ReadFrom(r)
	c.l.bytes.Add(n)
	c.l.files.Add(1)
	return n, err
}

// Blobs go out by sendfile though every request is watched.
func TestBlobsAreSentAsFiles(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	watched := &fileListener{Listener: l}
	serveOn(t, watched, ui.Options{})
	const size = 1 << 20
	blob := push(t, l.Addr().String(), make([]byte, size))
	send(t, "GET", blob, nil)
	awaitMetric(t, l.Addr().String(), `landfall_http_sent_bytes_total{route="blob"}`, size)
	// The first 512 bytes go with the header, the last are held back until the
	// blob was looked at once more.
	if n := watched.bytes.Load(); n != size-512 || watched.files.Load() > 2 {
		t.Errorf("%d of %d bytes went out as a file, in %d calls", n, size, watched.files.Load())
	}
}
