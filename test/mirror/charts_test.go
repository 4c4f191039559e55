package mirror

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// chartServer is a classic chart repository: an index and archives.
type chartServer struct {
	host string

	mu    sync.Mutex // protects the fields below
	files map[string][]byte
	asked map[string]int // by method and path
}

func newChartServer(t *testing.T) *chartServer {
	t.Helper()
	c := &chartServer{files: map[string][]byte{}, asked: map[string]int{}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		content, ok := c.files[strings.TrimPrefix(r.URL.Path, "/stable/")]
		c.asked[r.Method+" "+r.URL.Path]++
		c.mu.Unlock()
		if !ok {
			http.NotFound(w, r)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}))
	t.Cleanup(s.Close)
	c.host = strings.TrimPrefix(s.URL, "http://")
	return c
}

// chart is what a version is made of.
type chart struct {
	name, version string
	archive       []byte
}

func newChart(t *testing.T, name, version string) chart {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for file, text := range map[string]string{"Chart.yaml": fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %s\n", name, version), "values.yaml": "seed: " + fresh() + "\n"} {
		if err := w.WriteHeader(&tar.Header{Name: name + "/" + file, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(w, text)
	}
	w.Close()
	z.Close()
	return chart{name, version, b.Bytes()}
}

// publish writes the index anew, as servers do: each entry has a time of then.
func (c *chartServer) publish(day int, charts ...chart) {
	index, byName := "apiVersion: v1\nentries:\n", map[string]string{}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range charts {
		file := v.name + "-" + v.version + ".tgz"
		c.files[file] = v.archive
		byName[v.name] += fmt.Sprintf("  - apiVersion: v2\n    name: %s\n    version: %s\n    created: 2026-01-%02dT00:00:00Z\n    digest: %s\n    urls: [%s]\n",
			v.name, v.version, day, strings.TrimPrefix(digestOf(v.archive), "sha256:"), file)
	}
	for name, text := range byName {
		index += "  " + name + ":\n" + text
	}
	c.files["index.yaml"] = []byte(index)
	c.asked = map[string]int{}
}

func (c *chartServer) file(t *testing.T, lines ...string) string {
	t.Helper()
	return mirrorFile(t, [][]string{settings(c.host, "plainHTTP: true")}, append([]string{"name: charts", "charts: http://" + c.host + "/stable"}, lines...))
}

// landed: a chart is an artifact whose one layer is the archive.
func (c chart) landed(t *testing.T, p place, at string) {
	t.Helper()
	manifest, err := p.manifest(at, c.version)
	var d document
	if err == nil {
		err = json.Unmarshal(manifest, &d)
	}
	if err != nil || d.Config == nil || d.Config.MediaType != "application/vnd.cncf.helm.config.v1+json" || len(d.Layers) != 1 || d.Layers[0].MediaType != "application/vnd.cncf.helm.chart.content.v1.tar+gzip" {
		t.Errorf("%s:%s is %q, %v", at, c.version, manifest, err)
		return
	}
	r, err := p.do("GET", "/v2/"+at+"/blobs/"+d.Layers[0].Digest, nil)
	if err != nil || !bytes.Equal(r.body, c.archive) {
		t.Errorf("%s:%s: the archive is not the one that was published: %d bytes, %v", at, c.version, len(r.body), err)
	}
	config, err := p.do("GET", "/v2/"+at+"/blobs/"+d.Config.Digest, nil)
	if err != nil || !strings.Contains(string(config.body), fmt.Sprintf("%q", c.version)) {
		t.Errorf("%s:%s: the config is %q, %v", at, c.version, config.body, err)
	}
}

// Charts land as OCI artifacts; a second run copies nothing, whenever the index was
// written; what is new comes, what is gone goes.
func TestCharts(t *testing.T) {
	t.Parallel()
	for _, to := range destinationKinds {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			c := newChartServer(t)
			web1, web2, db := newChart(t, "web", "1.0.0"), newChart(t, "web", "2.0.0"), newChart(t, "db", "0.1.0")
			c.publish(1, web1, web2, db)
			d := newDestination(t, to)
			file := c.file(t, "delete: {when: gone, maxShare: 50%}")
			if r := d.mustSync(t, file); r.count("copied") != 3 {
				t.Errorf("%+v", r)
			}
			at := path(c.host, "stable/")
			if to == "bundle" {
				p := d.read(t)
				web1.landed(t, p, at+"web")
				db.landed(t, p, at+"db")
				return
			}
			c.publish(2, web1, web2, db)
			if r := d.mustSync(t, file); r.count("present") != 3 {
				t.Errorf("%+v", r)
			}
			for asked, n := range c.asked {
				if strings.HasPrefix(asked, "GET") && strings.HasSuffix(asked, ".tgz") || n > 1 {
					t.Errorf("%s: %d times", asked, n)
				}
			}
			web3 := newChart(t, "web", "3.0.0")
			c.publish(3, web2, web3, db)
			r := d.mustSync(t, file)
			if gone, _ := r.deleted(); r.count("copied") != 1 || len(gone) != 1 || gone[0] != "1.0.0" {
				t.Errorf("%+v", r)
			}
			p := d.read(t)
			for _, v := range []chart{web2, web3} {
				v.landed(t, p, at+"web")
			}
			db.landed(t, p, at+"db")
			if tags, err := p.tags(at + "web"); err != nil || strings.Join(tags, " ") != "2.0.0 3.0.0" {
				t.Errorf("tags %q, %v", tags, err)
			}
		})
	}
}

// Only some charts, and only their newest; one that is broken does not stop the rest.
func TestSomeCharts(t *testing.T) {
	t.Parallel()
	c := newChartServer(t)
	web1, web2, wrong, db := newChart(t, "web", "1.0.0"), newChart(t, "web", "2.0.0"), newChart(t, "web", "3.0.0"), newChart(t, "db", "0.1.0")
	c.publish(1, web1, web2, wrong, db)
	c.mu.Lock()
	c.files["web-3.0.0.tgz"] = web1.archive
	c.mu.Unlock()
	d := newDestination(t, "landfall")
	r := d.sync(t, c.file(t, "only: [we*]", "tags: {latest: 2}", "destination: charts"))
	p := r.report(t)
	if r.code != exitPartial || strings.Join(p.in("failed"), " ") != "charts/stable/web:3.0.0" || p.count("copied") != 1 {
		t.Error(r)
	}
	web2.landed(t, d.read(t), "charts/stable/web")
}
