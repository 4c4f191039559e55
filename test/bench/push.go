package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// ask makes a request with n bytes of body, reads its answer to the end, and
// wants the given status.
func (c *client) ask(method, path string, body io.Reader, n int64, kind, want string) (answer, error) {
	_, err := fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", method, path, c.host, kind, n)
	if err != nil {
		return answer{}, err
	}
	if n > 0 {
		if _, err := io.CopyN(c.Conn, body, n); err != nil { // the bare connection: the kernel copies from a file
			return answer{}, fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
	a, err := c.answer()
	if err == nil && method != "HEAD" && a.length > 0 {
		_, err = c.r.Discard(int(a.length))
	}
	if err == nil && a.status != want {
		err = fmt.Errorf("%s instead of %s", a.status, want)
	}
	if err != nil {
		err = fmt.Errorf("%s %s: %w", method, path, err)
	}
	return a, err
}

const octets = "application/octet-stream"

// pushing is a way to push a blob.
type pushing func(c *client, repository string, d v1.Descriptor, file io.Reader) error

// pushWhole is POST, and PUT with all bytes.
func pushWhole(c *client, repository string, d v1.Descriptor, file io.Reader) error {
	a, err := c.ask("POST", "/v2/"+repository+"/blobs/uploads/", nil, 0, octets, "202 Accepted")
	if err == nil {
		_, err = c.ask("PUT", a.finish(d), file, d.Size, octets, "201 Created")
	}
	return err
}

// pushPatched is what docker does: POST, PATCH with all bytes, and PUT.
func pushPatched(c *client, repository string, d v1.Descriptor, file io.Reader) error {
	a, err := c.ask("POST", "/v2/"+repository+"/blobs/uploads/", nil, 0, octets, "202 Accepted")
	if err == nil {
		a, err = c.ask("PATCH", a.path(), file, d.Size, octets, "202 Accepted")
	}
	if err == nil {
		_, err = c.ask("PUT", a.finish(d), nil, 0, octets, "201 Created")
	}
	return err
}

// path is where an upload goes on; some servers tell their own address too.
func (a answer) path() string {
	if _, rest, ok := strings.Cut(a.location, "://"); ok {
		_, path, _ := strings.Cut(rest, "/")
		return "/" + path
	}
	return a.location
}

// finish is where an upload ends.
func (a answer) finish(d v1.Descriptor) string {
	separator := "?"
	if strings.Contains(a.location, "?") {
		separator = "&"
	}
	return a.path() + separator + "digest=" + d.Digest.String()
}

// pushFile pushes a blob from where the content has it.
func (c *content) pushFile(to *client, repository string, d v1.Descriptor, how pushing) error {
	f, err := os.Open(c.path(d.Digest))
	if err != nil {
		return err
	}
	defer f.Close()
	return how(to, repository, d, f)
}

// pushImages pushes all images as docker does, one blob after the other.
func (c *content) pushImages(ctx context.Context, host string) error {
	return connections(ctx, host, 1, func(to *client) error {
		for _, i := range c.images {
			if err := c.pushImage(to, i); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *content) pushImage(to *client, i image) error {
	var m v1.Manifest
	if err := json.Unmarshal(i.manifest, &m); err != nil {
		return err
	}
	repository, tag, _ := strings.Cut(i.name, ":")
	for _, d := range append(m.Layers, m.Config) {
		if _, err := to.ask("HEAD", "/v2/"+repository+"/blobs/"+d.Digest.String(), nil, 0, octets, "404 Not Found"); err != nil {
			return err
		}
		if err := c.pushFile(to, repository, d, pushPatched); err != nil {
			return err
		}
	}
	body := bytes.NewReader(i.manifest)
	_, err := to.ask("PUT", "/v2/"+repository+"/manifests/"+tag, body, int64(len(i.manifest)), string(m.MediaType), "201 Created")
	return err
}
