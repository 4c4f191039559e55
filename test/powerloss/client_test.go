package powerloss

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// client speaks the distribution protocol to a site.
type client struct {
	base string
	http http.Client
}

// statusError is an answer that was not expected.
type statusError struct {
	what string
	code int
	body string
}

func (e *statusError) Error() string { return fmt.Sprintf("%s: %d %s", e.what, e.code, e.body) }

// hasStatus reports whether an error is an answer with this status.
func hasStatus(err error, codes ...int) bool {
	e := (*statusError)(nil)
	return errors.As(err, &e) && slices.Contains(codes, e.code)
}

func newClient(base string) *client {
	return &client{base, http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}, Timeout: patience}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// do sends a request, reads the answer and holds its status against want.
func (c *client) do(method, path string, header http.Header, body []byte, want ...int) (*http.Response, []byte, error) {
	if !strings.Contains(path, "://") {
		path = c.base + path
	}
	r, err := http.NewRequest(method, path, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	if header != nil {
		r.Header = header
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err == nil && !slices.Contains(want, answer.StatusCode) {
		err = &statusError{method + " " + path, answer.StatusCode, string(bytes.TrimSpace(content))}
	}
	return answer, content, err
}

// get reads what has a digest, and proves it.
func (c *client) get(path, digest string) (mediaType string, content []byte, err error) {
	accept := http.Header{"Accept": {imageType, indexType}}
	answer, content, err := c.do(http.MethodGet, path, accept, nil, http.StatusOK)
	if err != nil {
		return "", nil, err
	}
	if got := digestOf(content); digest != "" && got != digest {
		return "", nil, fmt.Errorf("GET %s: the bytes are %s (%d bytes)", path, got, len(content))
	}
	return answer.Header.Get("Content-Type"), content, nil
}

func (c *client) list(path string, into any) error {
	_, content, err := c.do(http.MethodGet, path, nil, nil, http.StatusOK)
	if err != nil {
		return err
	}
	return json.Unmarshal(content, into)
}

func (c *client) repositories() ([]string, error) {
	var answer struct{ Repositories []string }
	err := c.list("/v2/_catalog", &answer)
	return answer.Repositories, err
}

func (c *client) tags(repository string) ([]string, error) {
	var answer struct{ Tags []string }
	err := c.list("/v2/"+repository+"/tags/list", &answer)
	if hasStatus(err, http.StatusNotFound) {
		return nil, nil
	}
	return answer.Tags, err
}

func (c *client) referrers(repository, digest string) ([]descriptor, error) {
	var answer manifest
	err := c.list("/v2/"+repository+"/referrers/"+digest, &answer)
	return answer.Manifests, err
}

// push brings an image to a repository; a name of "" leaves it without a tag.
// Content may be collected while it is pushed, since nothing here protects it
// as long as it would outside of tests: then it is pushed again.
func (c *client) push(random *rand.Rand, repository, tag string, i *image) error {
	for _, child := range i.children {
		if err := c.push(random, repository, "", child); err != nil {
			return err
		}
	}
	for attempt := 0; ; attempt++ {
		err := c.pushOnce(random, repository, tag, i)
		if attempt == 8 || !hasStatus(err, http.StatusNotFound, http.StatusBadRequest) {
			return err
		}
	}
}

func (c *client) pushOnce(random *rand.Rand, repository, tag string, i *image) error {
	for _, b := range i.blobs {
		if err := c.pushBlob(random, repository, b); err != nil {
			return err
		}
	}
	return c.putManifest(repository, tag, i)
}

func (c *client) putManifest(repository, tag string, i *image) error {
	if tag == "" {
		tag = i.Digest
	}
	_, _, err := c.do(http.MethodPut, "/v2/"+repository+"/manifests/"+tag, http.Header{"Content-Type": {i.MediaType}}, i.content, http.StatusCreated)
	return err
}

func (c *client) delete(repository, reference string) error {
	_, _, err := c.do(http.MethodDelete, "/v2/"+repository+"/manifests/"+reference, nil, nil, http.StatusAccepted)
	return err
}

// pushBlob does what clients do: ask, mount, or send at once or in pieces.
func (c *client) pushBlob(random *rand.Rand, repository string, content []byte) error {
	digest := digestOf(content)
	path := "/v2/" + repository + "/blobs/"
	if answer, _, err := c.do(http.MethodHead, path+digest, nil, nil, http.StatusOK, http.StatusNotFound); err != nil || answer.StatusCode == http.StatusOK {
		return err
	}
	start := path + "uploads/"
	if random.IntN(2) == 0 {
		start += "?mount=" + url.QueryEscape(digest)
	}
	answer, _, err := c.do(http.MethodPost, start, nil, nil, http.StatusAccepted, http.StatusCreated)
	if err != nil || answer.StatusCode == http.StatusCreated {
		return err
	}
	at, rest := answer.Header.Get("Location"), content
	if half := len(content) / 2; random.IntN(3) == 0 {
		header := http.Header{"Content-Type": {"application/octet-stream"}, "Content-Range": {fmt.Sprintf("0-%d", half-1)}}
		if answer, _, err = c.do(http.MethodPatch, at, header, content[:half], http.StatusAccepted); err != nil {
			return err
		}
		at, rest = answer.Header.Get("Location"), content[half:]
	}
	separator := "?"
	if strings.Contains(at, "?") {
		separator = "&"
	}
	header := http.Header{"Content-Type": {"application/octet-stream"}}
	_, _, err = c.do(http.MethodPut, at+separator+"digest="+url.QueryEscape(digest), header, rest, http.StatusCreated)
	return err
}
