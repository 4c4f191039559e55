package api

import (
	"context"
	"io"
	"net/http"

	"github.com/landfall-dev/landfall/ui/certs"
	"github.com/landfall-dev/landfall/ui/settings"
)

// Types of single answers.
const (
	typePEM  = "application/x-pem-file"
	typeGzip = "application/gzip"
)

// Settings are what can be changed while an appliance runs, as they were at one
// moment.
type Settings = settingsBody

// Settings reads what can be changed while the appliance runs.
func (c *Client) Settings(ctx context.Context) (s Settings, err error) {
	return s, c.call(ctx, http.MethodGet, "settings", nil, &s)
}

// ChangeSettings changes settings of a version: each field to a value as
// settings.Setting has it, or, with nil, to its default. ErrPrecondition when the
// version is another one by now.
func (c *Client) ChangeSettings(ctx context.Context, version int64, patch map[string]any) (s Settings, err error) {
	answer, err := c.send(ctx, http.MethodPatch, "settings", patch, typeJSON, "If-Match", versionTag(version))
	return s, c.read(ctx, answer, err, &s)
}

// Configuration is the whole configuration that is in force.
func (c *Client) Configuration(ctx context.Context) (list []settings.Value, err error) {
	return list, c.call(ctx, http.MethodGet, "settings/effective", nil, &list)
}

// Certificates say how the appliance proves itself.
func (c *Client) Certificates(ctx context.Context) (s certs.Status, err error) {
	return s, c.call(ctx, http.MethodGet, "tls", nil, &s)
}

// SetCertificate has the appliance use a certificate of one's own, with its key
// (PEM). A version is that of a Status that was read; when it is empty, whatever
// is there is replaced.
func (c *Client) SetCertificate(ctx context.Context, certificate, key []byte, version string) (s certs.Status, err error) {
	if c.exposed != nil {
		return s, c.exposed
	}
	answer, err := c.send(ctx, http.MethodPut, "tls/certificate", certificateRequest{string(certificate), string(key)}, typeJSON, matching(version)...)
	return s, c.read(ctx, answer, err, &s)
}

// RemoveCertificate has the appliance go back to its own certificate.
func (c *Client) RemoveCertificate(ctx context.Context, version string) (s certs.Status, err error) {
	answer, err := c.send(ctx, http.MethodDelete, "tls/certificate", nil, typeJSON, matching(version)...)
	return s, c.read(ctx, answer, err, &s)
}

// matching is the header that names a version.
func matching(version string) []string {
	if version == "" {
		return nil
	}
	return []string{"If-Match", `"` + version + `"`}
}

// CA is the certificate of the site's authority (PEM).
func (c *Client) CA(ctx context.Context) ([]byte, error) {
	r, err := c.stream(ctx, "tls/ca.pem", typePEM)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// Diagnostics reads the diagnostics bundle, a tar.gz.
func (c *Client) Diagnostics(ctx context.Context) (io.ReadCloser, error) {
	return c.stream(ctx, "diagnostics", typeGzip)
}
