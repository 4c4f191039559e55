package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/landfall-dev/landfall/lifecycle/chart"
	"github.com/landfall-dev/landfall/lifecycle/render"
	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/registry/engine"
	"github.com/landfall-dev/landfall/registry/registrytest"
	"github.com/landfall-dev/landfall/registry/remote"
	"github.com/landfall-dev/landfall/registry/store"
)

func TestMain(m *testing.M) {
	render.Main()
	testscript.Main(m, map[string]func(){
		"landfall": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			os.Exit(run(ctx, os.Args[1:]))
		},
		"request": request,
	})
}

// request SOCKET METHOD PATH [FILE [TYPE]] sends a file to an appliance and
// prints the answer's status and body.
func request() {
	args := append(os.Args[1:], "", "")
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", args[0])
	}}}
	var body io.Reader
	if args[3] != "" {
		content, err := os.ReadFile(args[3])
		if err != nil {
			log.Fatal(err)
		}
		body = bytes.NewReader(content)
	}
	r, err := http.NewRequest(args[1], "http://landfall"+args[2], body)
	if err != nil {
		log.Fatal(err)
	}
	r.Header.Set("Content-Type", args[4])
	answer, err := client.Do(r)
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	fmt.Println(answer.Status)
	if _, err := io.Copy(os.Stdout, answer.Body); err != nil {
		log.Fatal(err)
	}
}

// TestScripts runs the real binary. Each script is headed with its promise.
func TestScripts(t *testing.T) {
	t.Parallel()
	site, fixture := startUpstream(t)
	upstream := listen(t, site)
	faulty := map[string]string{}
	for name, fault := range faults {
		faulty[name] = listen(t, fault(site))
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("UPSTREAM", upstream)
			e.Setenv("UPSTREAM_PATH", registry.RepositoryPath(upstream+"/registry.example"))
			e.Setenv("INDEX", fixture.Index.Digest.String())
			e.Setenv("SIGNATURE", fixture.Signature.Digest.String())
			e.Setenv("LAYER", fixture.Layer.Digest.String())
			e.Setenv("LAYER_FILE", filepath.Join("blobs", "sha256", fixture.Layer.Digest.Encoded()[:2], fixture.Layer.Digest.Encoded()))
			e.Setenv("LANDFALL_DATA", filepath.Join(e.WorkDir, "data"))
			e.Setenv("DOCKER_CONFIG", e.WorkDir)
			for name, address := range faulty {
				e.Setenv(name, address)
			}
			files := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(e.WorkDir, "charts"))))
			e.Defer(files.Close)
			e.Setenv("CHARTS", files.URL)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"flip":        flip,
			"truncate":    truncate,
			"await":       await,
			"newer":       newer,
			"hold":        hold,
			"sql":         execSQL,
			"certificate": certificate,
			"pushchart":   pushChart,
		},
	})
}

// startUpstream is a site with the fixture's content.
func startUpstream(t *testing.T) (http.Handler, *registrytest.Fixture) {
	t.Helper()
	s, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	f := registrytest.NewFixture(t)
	if err := registry.Copy(t.Context(), s, f, f.Graph, registry.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	return engine.New(s, engine.Options{}), f
}

// listen answers on a free port until the test ends.
func listen(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// flip FILE OFFSET changes one bit; a negative offset counts from the end.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	content, err := os.ReadFile(path)
	ts.Check(err)
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	if at < 0 {
		at += len(content)
	}
	content[at] ^= 1
	ts.Check(os.WriteFile(path, content, 0o644))
}

// truncate FILE SIZE cuts a file; a negative size is taken off its end.
func truncate(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	size, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	if size < 0 {
		info, err := os.Stat(path)
		ts.Check(err)
		size += info.Size()
	}
	ts.Check(os.Truncate(path, size))
}

// await FILE returns when a file exists.
func await(ts *testscript.TestScript, _ bool, args []string) {
	for range 1200 {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("%s did not appear within a minute", args[0])
}

// hold DIR has a store open until the script ends.
func hold(ts *testscript.TestScript, _ bool, args []string) {
	s, err := store.Open(context.Background(), ts.MkAbs(args[0]), store.Options{})
	ts.Check(err)
	ts.Defer(func() { s.Close() })
}

// pushChart REF FILE puts a chart's archive into a registry as "helm push" does.
func pushChart(ts *testscript.TestScript, _ bool, args []string) {
	ctx := context.Background()
	ref, err := registry.ParseRef(args[0])
	ts.Check(err)
	archive, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	up, err := remote.New(remote.Options{PlainHTTP: true})
	ts.Check(err)
	defer up.Close()
	config := registry.Describe(chart.TypeConfig, []byte("{}"), digest.SHA256)
	layer := registry.Describe(chart.TypeContent, archive, digest.SHA256)
	ts.Check(up.PutBlob(ctx, ref.Repository, config, strings.NewReader("{}")))
	ts.Check(up.PutBlob(ctx, ref.Repository, layer, bytes.NewReader(archive)))
	manifest, err := json.Marshal(ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: config, Layers: []registry.Descriptor{layer}})
	ts.Check(err)
	ts.Check(up.PutManifest(ctx, ref, registry.Describe(ocispec.MediaTypeImageManifest, manifest, digest.SHA256), manifest))
}

// execSQL DIR STATEMENTS changes the database of a store that nobody has open.
func execSQL(ts *testscript.TestScript, negated bool, args []string) {
	db, err := sql.Open("sqlite", filepath.Join(ts.MkAbs(args[0]), store.Database))
	ts.Check(err)
	defer db.Close()
	if _, err = db.Exec(args[1]); negated && err == nil {
		ts.Fatalf("%s: done", args[1])
	} else if !negated {
		ts.Check(err)
	}
}

// newer FILE makes a bundle one of format version 3, with a right checksum.
func newer(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	content, err := os.ReadFile(path)
	ts.Check(err)
	start := bytes.Index(content, []byte(`{"blobs"`))
	end := start + bytes.IndexByte(content[start:], 0)
	old := sha256.Sum256(content[start:end])
	next := bytes.Replace(content[start:end], []byte(`"format":1`), []byte(`"format":3`), 1)
	sum := sha256.Sum256(next)
	copy(content[start:], next)
	content = bytes.Replace(content, []byte(hex.EncodeToString(old[:])), []byte(hex.EncodeToString(sum[:])), 1)
	ts.Check(os.WriteFile(path, content, 0o644))
}

// certificate NAME writes cert.pem for a host, signed by itself, and key.pem.
func certificate(ts *testscript.TestScript, _ bool, args []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: args[0]}, DNSNames: args,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(100 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ts.Check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		ts.Check(os.WriteFile(ts.MkAbs(name), pem.EncodeToMemory(block), 0o600))
	}
}
