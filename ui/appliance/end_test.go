package appliance_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/ui/appliance"
	"github.com/landfall-dev/landfall/ui/jobs"
	"github.com/landfall-dev/landfall/ui/settings"
)

// counting is a job of steps that a test has in its hands.
type counting struct {
	begun   chan struct{} // closed when it waits between its steps
	first   atomic.Int64  // how often the first step was done
	second  atomic.Int64
	goOn    chan struct{}
	stopped chan error
}

func newCounting() *counting {
	return &counting{begun: make(chan struct{}), goOn: make(chan struct{}), stopped: make(chan error, 8)}
}

func (c *counting) register(a *appliance.Appliance) {
	a.Register(jobs.Kind{Name: "counting", Lane: "counting", Width: 1, Run: func(ctx context.Context, r *jobs.Run) (any, error) {
		err := r.Step(ctx, "first", func(context.Context) error {
			c.first.Add(1)
			return nil
		})
		if err != nil {
			return nil, err
		}
		if r.Attempt() == 1 {
			close(c.begun)
		}
		select {
		case <-c.goOn:
		case <-ctx.Done():
			c.stopped <- context.Cause(ctx)
			return nil, ctx.Err()
		}
		return map[string]bool{"counted": true}, r.Step(ctx, "second", func(context.Context) error {
			c.second.Add(1)
			return nil
		})
	}})
}

// slowly is a body that stops in the middle until it is told to go on.
type slowly struct {
	content []byte
	at      int
	stop    int
	reached chan struct{}
	goOn    chan struct{}
}

func (b *slowly) Read(p []byte) (int, error) {
	if b.at == b.stop {
		close(b.reached)
		<-b.goOn
		b.stop = -1
	}
	if b.at == len(b.content) {
		return 0, io.EOF
	}
	end := len(b.content)
	if b.stop > b.at {
		end = b.stop
	}
	n := copy(p, b.content[b.at:end])
	b.at += n
	return n, nil
}

// An appliance that is told to end while there is an upload, a pull, a stream of
// events and a job does so within its grace; at the next start the upload goes on at
// the offset that is told, and the job at its last step.
func TestGracefulShutdown(t *testing.T) {
	t.Parallel()
	work := newCounting()
	s := start(t, siteOptions{before: work.register})
	operator, _ := s.addToken("operator", `"role":"operator"`)
	content := []byte(newBundle(t, registrytest.NewFixture(t)))
	layer := make([]byte, 64<<20)
	rand.Read(layer)
	d := digest.FromBytes(layer).String()
	s.onSocket("POST", "/v2/"+teamRepository+"/blobs/uploads/?digest="+d, string(layer), 201, "Content-Type", "application/octet-stream")
	job, err := s.appliance.Jobs().Start(t.Context(), "counting", nil, jobs.StartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	<-work.begun
	events := s.follow(operator, "")
	path := s.as(operator, "POST", "/api/v1/uploads", "", "Tus-Resumable", "1.0.0", "Upload-Length", fmt.Sprint(len(content))).header.Get("Location")
	body := &slowly{content: content, stop: len(content) / 2, reached: make(chan struct{}), goOn: make(chan struct{})}
	uploaded := make(chan error, 1)
	go func() { uploaded <- s.patch(operator, path, body) }()
	<-body.reached
	pulled := make(chan error, 1)
	pulling := make(chan struct{})
	go func() { pulled <- s.pull(d, layer, pulling) }()
	<-pulling
	began := time.Now()
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 9*time.Second {
		t.Errorf("the end took %v", took)
	}
	close(body.goOn)
	if err := <-uploaded; err != nil {
		t.Logf("the upload: %v", err) // it was cut off, or told so
	}
	if err := <-pulled; err != nil {
		t.Errorf("the pull: %v", err)
	}
	for _, ok := events.next(); ok; _, ok = events.next() {
	}
	if err := events.lines.Err(); err != nil {
		t.Errorf("the events: %v", err)
	}
	if cause := <-work.stopped; !errors.Is(cause, jobs.ErrShutdown) {
		t.Errorf("the job was ended by %v", cause)
	}

	close(work.goOn)
	s = s.restart()
	got := s.as(operator, "HEAD", path, "", "Tus-Resumable", "1.0.0")
	var offset int
	if _, err := fmt.Sscan(got.header.Get("Upload-Offset"), &offset); err != nil || offset == 0 || offset > len(content) {
		t.Fatalf("offset %q: %v", got.header.Get("Upload-Offset"), err)
	}
	if got := s.as(operator, "PATCH", path, string(content[offset:]), "Tus-Resumable", "1.0.0", "Upload-Offset", fmt.Sprint(offset), "Content-Type", "application/offset+octet-stream"); got.status != 204 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if whole := s.wantAs(operator, "GET", path, "", 200); !strings.Contains(whole, digest.FromBytes(content).String()) || !strings.Contains(whole, `"whole"`) {
		t.Error(whole)
	}
	if ended := s.ended(job.ID); !strings.Contains(ended, `"state":"done"`) || !strings.Contains(ended, `"attempt":2`) || work.first.Load() != 1 || work.second.Load() != 1 {
		t.Errorf("%d, %d: %s", work.first.Load(), work.second.Load(), ended)
	}
}

// patch sends bytes of an upload.
func (s *site) patch(who subject, path string, body *slowly) error {
	r, err := http.NewRequest("PATCH", s.plain+path, io.NopCloser(body))
	if err != nil {
		return err
	}
	r.ContentLength = int64(len(body.content))
	for name, value := range map[string]string{"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream", who.headers[0]: who.headers[1]} {
		r.Header.Set(name, value)
	}
	got, err := s.client.Do(r)
	if err != nil {
		return err
	}
	defer got.Body.Close()
	return fmt.Errorf("%s", got.Status)
}

// pull reads a blob, at first a bit of it only.
func (s *site) pull(d string, want []byte, pulling chan struct{}) error {
	got, err := s.client.Get(s.plain + "/v2/" + teamRepository + "/blobs/" + d)
	if err != nil {
		close(pulling)
		return err
	}
	defer got.Body.Close()
	begin := make([]byte, 1<<20)
	_, err = io.ReadFull(got.Body, begin)
	close(pulling)
	if err != nil {
		return err
	}
	time.Sleep(300 * time.Millisecond) // the appliance ends meanwhile
	rest, err := io.ReadAll(got.Body)
	if err == nil && !bytes.Equal(append(begin, rest...), want) {
		err = errors.New("the bytes are others")
	}
	return err
}

// A configuration that is read again comes into force where it can; one that is
// wrong changes nothing, and what needs a restart waits for it.
func TestReload(t *testing.T) {
	t.Parallel()
	file, dir := filepath.Join(t.TempDir(), "config.yaml"), t.TempDir()
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("site:\n  name: first\n")
	load := func() (*settings.Effective, error) {
		return settings.Load(settings.Sources{File: file, Env: []string{"LANDFALL_MEDIA_WATCH=false"},
			Flags: map[string][]string{"data": {dir}, "listen": {"http://127.0.0.1:0", "https://127.0.0.1:0"}}})
	}
	s := start(t, siteOptions{dir: dir, load: load})
	admin := s.first("admin")
	has := func(name, value, origin string) {
		t.Helper()
		body := s.wantAs(admin, "GET", "/api/v1/settings/effective", "", 200)
		if want := fmt.Sprintf(`{"name":%q,"value":%s,"origin":{"kind":%q`, name, value, origin); !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	has("site.name", `"first"`, "file")
	s.want("GET", "/v2/_catalog", "", 200)
	write("site:\n  name: second\nregistry:\n  anonymousPull: false\nlog:\n  level: error\n  format: json\n")
	if err := s.appliance.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	has("site.name", `"second"`, "file")
	has("log.format", `"text"`, "default") // with a restart
	s.want("GET", "/v2/_catalog", "", 401)
	if !strings.Contains(s.log.String(), "log.format") || s.level.Level() != slog.LevelError {
		t.Errorf("%v, %s", s.level.Level(), s.log)
	}
	for _, wrong := range []string{"site:\n  nam: x\n", "site: [", "registry:\n  anonymousPull: perhaps\n", "\x00", "store:\n  lease: never\n"} {
		write(wrong)
		if err := s.appliance.Reload(t.Context()); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := s.appliance.Reload(t.Context()); err == nil {
		t.Error("a file that is gone is no error")
	}
	has("site.name", `"second"`, "file")
	s.want("GET", "/v2/_catalog", "", 401)
	tag := s.as(admin, "GET", "/api/v1/settings", "").header.Get("ETag")
	if got := s.as(admin, "PATCH", "/api/v1/settings", `{"site.name":"third"}`, "If-Match", tag); got.status < 400 {
		t.Errorf("a setting overrides the file: %d %s", got.status, got.body)
	}
	write("log:\n  level: debug\n")
	if err := s.appliance.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	has("site.name", `""`, "default")
	s.want("GET", "/v2/_catalog", "", 200)
	tag = s.as(admin, "GET", "/api/v1/settings", "").header.Get("ETag")
	s.wantAs(admin, "PATCH", "/api/v1/settings", `{"site.name":"fourth"}`, 200, "If-Match", tag)
	has("site.name", `"fourth"`, "setting")
}
