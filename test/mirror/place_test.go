package mirror

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// place is a registry at a host that is spoken to over http.
type place struct{ host string }

// connection is made anew for each request: nothing stays open.
var connection = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}

// reply is what came back, read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (p place) do(method, path string, body []byte, header ...string) (r reply, err error) {
	if !strings.Contains(path, "://") {
		path = "http://" + p.host + path
	}
	request, err := http.NewRequestWithContext(context.Background(), method, path, bytes.NewReader(body))
	if err != nil {
		return r, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := connection.Do(request)
	if err != nil {
		return r, err
	}
	defer response.Body.Close()
	r = reply{status: response.StatusCode, header: response.Header}
	r.body, err = io.ReadAll(response.Body)
	return r, err
}

// want is do for a request that has to be answered with success.
func (p place) want(method, path string, body []byte, header ...string) (reply, error) {
	r, err := p.do(method, path, body, header...)
	if err == nil && r.status/100 != 2 {
		err = fmt.Errorf("%s %s: HTTP %d: %s", method, path, r.status, r.body)
	}
	return r, err
}

// fill pushes content.
func (p place) fill(t *testing.T, c content) {
	t.Helper()
	for _, i := range c {
		if err := p.push(i); err != nil {
			t.Fatal(err)
		}
	}
	for _, i := range c {
		if i.subject == "" {
			continue
		}
		if err := p.tie(i.repository, i.subject, c); err != nil {
			t.Fatal(err)
		}
	}
}

// push puts what is below an image first, and its name last.
func (p place) push(i image) error {
	for _, b := range i.blobs {
		if err := p.pushBlob(i.repository, b); err != nil {
			return err
		}
	}
	for _, below := range i.below {
		if err := p.push(below); err != nil {
			return err
		}
	}
	_, err := p.want("PUT", "/v2/"+i.repository+"/manifests/"+i.reference(), i.manifest, "Content-Type", i.kind)
	return err
}

func (p place) pushBlob(repository string, blob []byte) error {
	r, err := p.want("POST", "/v2/"+repository+"/blobs/uploads/", nil)
	if err != nil {
		return err
	}
	at, err := (&url.URL{Scheme: "http", Host: p.host}).Parse(r.header.Get("Location"))
	if err != nil {
		return err
	}
	query := at.Query()
	query.Set("digest", digestOf(blob))
	at.RawQuery = query.Encode()
	_, err = p.want("PUT", at.String(), blob, "Content-Type", "application/octet-stream")
	return err
}

// tie writes the referrers tag of a subject, as clients have to at a registry that
// lists no referrers (OCI distribution-spec, "Pushing Manifests with Subject").
func (p place) tie(repository, subject string, c content) error {
	r, err := p.do("GET", "/v2/"+repository+"/referrers/"+subject, nil)
	if err != nil || r.status == http.StatusOK {
		return err
	}
	tag := image{repository: repository, tag: strings.Replace(subject, ":", "-", 1), kind: indexType}
	var d document
	for _, i := range c {
		if i.subject == subject && i.repository == repository {
			one := describe(i.kind, i.manifest)
			one.ArtifactType = i.artifact
			d.Manifests = append(d.Manifests, one)
		}
	}
	return p.push(tag.seal(d))
}

// remove deletes a tag; a registry that deletes manifests only loses all tags of it.
func (p place) remove(i image) error {
	r, err := p.do("DELETE", "/v2/"+i.repository+"/manifests/"+i.tag, nil)
	if err == nil && r.status/100 != 2 {
		_, err = p.want("DELETE", "/v2/"+i.repository+"/manifests/"+i.digest(), nil)
	}
	return err
}

var accepted = strings.Join([]string{indexType, manifestType}, ", ")

// manifest reads what a tag or digest stands for; nil when it is not there.
func (p place) manifest(repository, reference string) ([]byte, error) {
	r, err := p.do("GET", "/v2/"+repository+"/manifests/"+reference, nil, "Accept", accepted)
	if err == nil && r.status == http.StatusNotFound {
		return nil, nil
	}
	if err == nil && r.status != http.StatusOK {
		err = fmt.Errorf("%s %s at %s: HTTP %d: %s", repository, reference, p.host, r.status, r.body)
	}
	return r.body, err
}

// tags are the tags of a repository, in order; none when it is not there.
func (p place) tags(repository string) ([]string, error) {
	r, err := p.do("GET", "/v2/"+repository+"/tags/list?n=1000", nil)
	if err != nil || r.status == http.StatusNotFound {
		return nil, err
	}
	var list struct{ Tags []string }
	err = json.Unmarshal(r.body, &list)
	slices.Sort(list.Tags)
	return list.Tags, err
}

// referrers are the digests of what a registry lists as tied to a subject, by the
// API or the referrers tag.
func (p place) referrers(repository, subject string) (digests []string, err error) {
	r, err := p.do("GET", "/v2/"+repository+"/referrers/"+subject, nil)
	if err == nil && r.status != http.StatusOK {
		r, err = p.do("GET", "/v2/"+repository+"/manifests/"+strings.Replace(subject, ":", "-", 1), nil, "Accept", accepted)
	}
	if err != nil || r.status != http.StatusOK {
		return nil, err
	}
	var d document
	err = json.Unmarshal(r.body, &d)
	for _, m := range d.Manifests {
		digests = append(digests, m.Digest)
	}
	return digests, err
}
