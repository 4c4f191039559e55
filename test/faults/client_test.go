package faults

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// image is what a client pushes: a config, layers, and the manifest over them.
type image struct {
	repository, tag string
	blobs           [][]byte
	manifest        []byte
}

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar"
)

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// noise is incompressible and the same for the same seed.
func noise(seed uint64, size int) []byte {
	content := make([]byte, size)
	var key [32]byte
	copy(key[:], fmt.Sprint(seed))
	_, _ = rand.NewChaCha8(key).Read(content)
	return content
}

// newImage makes an image of layers of the given sizes.
func newImage(repository, tag string, seed uint64, sizes ...int) image {
	i := image{repository: repository, tag: tag}
	config := fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"config":{"Labels":{"seed":"%d"}}}`, seed)
	i.blobs = append(i.blobs, config)
	for n, size := range sizes {
		i.blobs = append(i.blobs, noise(seed*1000+uint64(n), size))
	}
	type descriptor struct {
		MediaType string `json:"mediaType"`
		Digest    string `json:"digest"`
		Size      int    `json:"size"`
	}
	document := struct {
		SchemaVersion int          `json:"schemaVersion"`
		MediaType     string       `json:"mediaType"`
		Config        descriptor   `json:"config"`
		Layers        []descriptor `json:"layers"`
	}{2, manifestType, descriptor{configType, digestOf(config), len(config)}, nil}
	for _, b := range i.blobs[1:] {
		document.Layers = append(document.Layers, descriptor{layerType, digestOf(b), len(b)})
	}
	i.manifest, _ = json.Marshal(document)
	return i
}

func (i image) name() string { return i.repository + ":" + i.tag }

// refusal is an answer that is not the wanted one.
type refusal struct {
	request string
	status  int // 0: no answer
	body    string
}

func (r *refusal) Error() string {
	return fmt.Sprintf("%s: HTTP %d: %s", r.request, r.status, strings.TrimSpace(r.body))
}

// client speaks to a site as registries' clients do, one request after the other.
type client struct {
	address string
}

var transport = &http.Client{Timeout: 30 * time.Second}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error // of reading the body: it ended early
}

func (c client) do(method, path string, body []byte, header ...string) (answer, error) {
	url := path
	if !strings.HasPrefix(path, "http") {
		url = "http://" + c.address + path
	}
	request, err := http.NewRequestWithContext(context.Background(), method, url, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := transport.Do(request)
	if err != nil {
		return answer{}, &refusal{request: method + " " + path, body: err.Error()}
	}
	defer response.Body.Close()
	a := answer{status: response.StatusCode, header: response.Header}
	a.body, a.err = io.ReadAll(response.Body)
	return a, nil
}

// want is do for a request that shall have a status.
func (c client) want(status int, method, path string, body []byte, header ...string) (answer, error) {
	a, err := c.do(method, path, body, header...)
	if err == nil && a.status != status {
		err = &refusal{method + " " + path, a.status, string(a.body)}
	}
	return a, err
}

// push brings an image as docker does: what the site has is not sent again.
func (c client) push(i image) error {
	for n, b := range i.blobs {
		if err := c.pushBlob(i.repository, b, n%2 == 0); err != nil {
			return err
		}
	}
	return c.putManifest(i)
}

func (c client) putManifest(i image) error {
	_, err := c.want(http.StatusCreated, "PUT", "/v2/"+i.repository+"/manifests/"+i.tag, i.manifest, "Content-Type", manifestType)
	return err
}

// pushBlob sends a blob in one request or in a session of two.
func (c client) pushBlob(repository string, content []byte, atOnce bool) error {
	d := digestOf(content)
	if a, err := c.do("HEAD", "/v2/"+repository+"/blobs/"+d, nil); err == nil && a.status == http.StatusOK {
		return nil
	}
	start := "/v2/" + repository + "/blobs/uploads/"
	if atOnce {
		_, err := c.want(http.StatusCreated, "POST", start+"?digest="+d, content)
		return err
	}
	session, err := c.want(http.StatusAccepted, "POST", start, nil)
	if err != nil {
		return err
	}
	_, err = c.want(http.StatusCreated, "PUT", session.header.Get("Location")+"&digest="+d, content)
	return err
}

// pull gets an image by its tag; an error tells what is wrong with it.
func (c client) pull(i image) error {
	a, err := c.want(http.StatusOK, "GET", "/v2/"+i.repository+"/manifests/"+i.tag, nil)
	if err != nil {
		return err
	}
	if !bytes.Equal(a.body, i.manifest) {
		return fmt.Errorf("%s is %s, not %s", i.name(), digestOf(a.body), digestOf(i.manifest))
	}
	for _, b := range i.blobs {
		if err := c.pullBlob(i.repository, b); err != nil {
			return fmt.Errorf("%s: %w", i.name(), err)
		}
	}
	return nil
}

func (c client) pullBlob(repository string, content []byte) error {
	a, err := c.want(http.StatusOK, "GET", "/v2/"+repository+"/blobs/"+digestOf(content), nil)
	if err == nil && a.err != nil {
		err = fmt.Errorf("blob %s ends early: %w", digestOf(content), a.err)
	}
	if err == nil && !bytes.Equal(a.body, content) {
		err = fmt.Errorf("WRONG BYTES: blob %s comes as %s (%d bytes, want %d)", digestOf(content), digestOf(a.body), len(a.body), len(content))
	}
	return err
}

// resolve is the digest behind a tag, or a status that is not 200.
func (c client) resolve(repository, tag string) (string, int) {
	a, err := c.do("HEAD", "/v2/"+repository+"/manifests/"+tag, nil)
	if err != nil {
		return "", 0
	}
	return a.header.Get("Docker-Content-Digest"), a.status
}
