package remote

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/landfall-dev/landfall/registry"
)

// maxErrorBody bounds what is read of an answer that says no, in bytes, and
// maxErrorText what of it gets into a message.
const (
	maxErrorBody = 64 << 10
	maxErrorText = 300
)

// loginError is a failure before the request itself was sent: what it says of
// "not found" is not about content.
type loginError struct{ err error }

func (e *loginError) Error() string { return e.err.Error() }
func (e *loginError) Unwrap() error { return e.err }

// answer is a response that says no.
type answer struct {
	status int
	codes  []string // OCI distribution-spec, "Error Codes"
	text   string   // what the registry says in its own words
	login  bool     // said by the registry or its token server to the log-in
}

// readAnswer reads the codes and messages, or the start of what is there in
// their place.
func readAnswer(resp *http.Response) answer {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	var doc struct {
		Errors []transport.Diagnostic `json:"errors"`
	}
	if json.Unmarshal(body, &doc) != nil || len(doc.Errors) == 0 {
		return answer{status: resp.StatusCode, text: shorten(string(body))}
	}
	return diagnosed(resp.StatusCode, doc.Errors)
}

func diagnosed(status int, ds []transport.Diagnostic) answer {
	a := answer{status: status}
	var texts []string
	for _, d := range ds {
		a.codes = append(a.codes, string(d.Code))
		texts = append(texts, d.String())
	}
	a.text = shorten(strings.Join(texts, "; "))
	return a
}

// shorten makes one printable line of what a stranger sent.
func shorten(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\ufffd' }), " ")
	if len(s) > maxErrorText {
		s = strings.ToValidUTF8(s[:maxErrorText], "") + "…"
	}
	return s
}

func (a answer) has(codes ...string) bool {
	return slices.ContainsFunc(codes, func(c string) bool { return slices.Contains(a.codes, c) })
}

// sentinel is what the answer means for content.
func (a answer) sentinel() error {
	switch {
	case a.full():
		return registry.ErrNoSpace
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden, a.status == http.StatusMethodNotAllowed:
		return registry.ErrDenied
	case a.login, a.status == http.StatusTooManyRequests, a.status == http.StatusRequestTimeout, a.status >= 500, a.status < 400:
		return registry.ErrUnreachable
	case a.status == http.StatusNotFound, a.status == http.StatusGone:
		return registry.ErrNotFound
	case a.has("DIGEST_INVALID"):
		return registry.ErrDigest
	case a.has("SIZE_INVALID"):
		return registry.ErrSize
	case a.status == http.StatusConflict, a.status == http.StatusLocked, a.status == http.StatusPreconditionFailed:
		return registry.ErrConflict
	}
	return registry.ErrInvalid
}

// full: only 507 says it by the book; quotas and disks are otherwise told of
// in words, under whatever status the registry's storage failed with.
func (a answer) full() bool {
	if a.status == http.StatusInsufficientStorage || a.status == http.StatusRequestEntityTooLarge || a.has("TOOLARGE") {
		return true
	}
	text := strings.ToLower(a.text)
	return slices.ContainsFunc([]string{"no space left", "disk full", "not enough space", "quota exceeded", "exceed the configured upper limit"},
		func(s string) bool { return strings.Contains(text, s) })
}

// refused is the error of a call that was answered with no.
func (c *call) refused(a answer) error {
	sentinel := a.sentinel()
	putsManifest := c.method == http.MethodPut && strings.Contains(c.address().Path, "/manifests/")
	if putsManifest && a.has("MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN") {
		sentinel = registry.ErrIncomplete
	}
	said := fmt.Sprintf("%s answers %s to %s", c.who(), statusText(a.status), c.method)
	if a.text != "" {
		said += ": " + a.text
	}
	if sentinel == registry.ErrDenied && a.status != http.StatusMethodNotAllowed {
		said += "; check the credentials: docker login " + c.who()
	}
	return fmt.Errorf("%s: %w: %s", c.what, sentinel, said)
}

func statusText(status int) string {
	return strings.TrimSpace(fmt.Sprint(status, " ", http.StatusText(status)))
}

// failed is the error of a call that got no answer. An interruption by the
// caller is told as such: nobody was unreachable.
func (c *call) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", c.what, context.Cause(ctx))
	}
	var login *loginError
	if refusal := (*transport.Error)(nil); errors.As(err, &refusal) {
		a := diagnosed(refusal.StatusCode, refusal.Errors)
		a.login = true
		return c.refused(a)
	}
	sentinel, doing := registry.ErrUnreachable, ""
	if isNetwork(err) {
		err = explained(innermost(err))
	} else if errors.As(err, &login) {
		sentinel, doing = registry.ErrDenied, "cannot log in to "
	}
	return fmt.Errorf("%s: %w: %s%s: %v", c.what, sentinel, doing, c.who(), err)
}

func isNetwork(err error) bool {
	var u *url.Error
	return errors.As(err, &u)
}

// innermost drops the addresses that http.Client puts before an error: they
// may carry signed parameters, and the call is named already.
func innermost(err error) error {
	for u := (*url.Error)(nil); errors.As(err, &u); {
		err = u.Err
	}
	return err
}

func explained(err error) error {
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return fmt.Errorf("%w (if the registry is yours, name its authority's certificate as CA file)", err)
	}
	return err
}
