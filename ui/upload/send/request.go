package send

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/upload"
)

const (
	firstWait = 100 * time.Millisecond
	lastWait  = 10 * time.Second
	maxAnswer = 4 << 20
)

// stall is after which time without a byte a request is given up.
const stall = 2 * time.Minute

// statusError is an answer that is not of success.
type statusError struct {
	status int
	after  time.Duration // when it may be tried again; 0: that was not told
	error
}

func (e *statusError) Unwrap() error { return e.error }

// passing reports whether a request may succeed when it is sent again.
func passing(err error) bool {
	answer := (*statusError)(nil)
	if !errors.As(err, &answer) {
		return errors.Is(err, registry.ErrUnreachable) || errors.Is(err, errElsewhere)
	}
	switch answer.status {
	case http.StatusRequestTimeout, http.StatusLocked, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// persist does something until it succeeds, fails for good, or nothing has moved for
// as long as the patience lasts.
func (s *sender) persist(ctx context.Context, do func() error) error {
	moved, sent := time.Now(), s.sent.Load()
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		err := do()
		if err == nil || !passing(err) {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if now := s.sent.Load(); now != sent {
			moved, sent, wait = time.Now(), now, firstWait
		}
		if time.Since(moved) > s.opts.Patience {
			return err
		}
		answer := (*statusError)(nil)
		if errors.As(err, &answer) {
			wait = max(wait, min(answer.after, lastWait))
		}
		if err := sleep(ctx, wait/2+rand.N(wait/2)); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// request makes a request; target is what follows the URL of all uploads.
func (s *sender) request(ctx context.Context, method, target string, body io.Reader) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, s.opts.URL+target, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Tus-Resumable", "1.0.0")
	if s.opts.Token != "" {
		r.Header.Set("Authorization", "Bearer "+s.opts.Token)
	}
	return r, nil
}

// do sends a request and returns the answer with its body, if it is of success.
func (s *sender) do(r *http.Request) (http.Header, []byte, error) {
	answer, err := s.opts.Client.Do(r)
	if err != nil {
		if cause := context.Cause(r.Context()); cause != nil {
			err = cause
		}
		if errors.Is(err, context.Canceled) {
			return nil, nil, err
		}
		return nil, nil, fmt.Errorf("%w: %w", registry.ErrUnreachable, err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: the answer broke off: %w", registry.ErrUnreachable, err)
	}
	if answer.StatusCode/100 == 2 {
		return answer.Header, content, nil
	}
	var p upload.Problem
	if json.Unmarshal(content, &p) != nil || p.Kind == "" {
		p = upload.Problem{Detail: fmt.Sprintf("%s answers %s to %s %s", s.opts.URL, answer.Status, r.Method, r.URL.Path)}
		if answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden {
			p.Kind = "denied"
		}
	}
	after, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
	return nil, nil, &statusError{answer.StatusCode, time.Duration(after) * time.Second, p.Err()}
}

// get asks for JSON.
func (s *sender) get(ctx context.Context, target string, v any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, stall, errStalled)
	defer cancel()
	r, err := s.request(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	_, content, err := s.do(r)
	if status(err) == http.StatusNotFound && strings.HasPrefix(target, "/") {
		return errGone
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, v); err != nil {
		return fmt.Errorf("%s does not answer as an appliance: %w", s.opts.URL, err)
	}
	return nil
}

func status(err error) int {
	answer := (*statusError)(nil)
	if errors.As(err, &answer) {
		return answer.status
	}
	return 0
}

// errElsewhere says that an upload is not as far as it was thought to be.
var errElsewhere = fmt.Errorf("%w: others send to the upload, too", registry.ErrConflict)

var errStalled = errors.New("nothing moved for " + stall.String())

// create makes an upload of a part.
func (s *sender) create(ctx context.Context, p *part, more []string, concat string) error {
	pairs := append([]string{"filename", s.opts.Name, "fingerprint", s.fingerprint}, more...)
	if s.opts.Kind != "" {
		pairs = append(pairs, "kind", string(s.opts.Kind))
	}
	return s.persist(ctx, func() error {
		ctx, cancel := context.WithTimeoutCause(ctx, stall, errStalled)
		defer cancel()
		r, err := s.request(ctx, http.MethodPost, "", nil)
		if err != nil {
			return err
		}
		r.Header.Set("Upload-Metadata", encode(pairs))
		if concat != "" {
			r.Header.Set("Upload-Concat", concat)
		}
		if !strings.HasPrefix(concat, "final") {
			r.Header.Set("Upload-Length", strconv.FormatInt(p.size, 10))
		}
		h, _, err := s.do(r)
		if err != nil {
			return err
		}
		where, err := url.Parse(h.Get("Location"))
		if err != nil || path.Base(where.Path) == "." {
			return fmt.Errorf("%s made an upload and does not say where", s.opts.URL)
		}
		p.id = path.Base(where.Path)
		return nil
	})
}

// encode makes Upload-Metadata of keys and values.
func encode(pairs []string) string {
	var list []string
	for k := 0; k+1 < len(pairs); k += 2 {
		list = append(list, pairs[k]+" "+base64.StdEncoding.EncodeToString([]byte(pairs[k+1])))
	}
	return strings.Join(list, ",")
}

// path is an upload's, as the appliance knows it.
func (s *sender) path(id string) string {
	base, err := url.Parse(s.opts.URL)
	if err != nil {
		return id
	}
	return base.JoinPath(id).EscapedPath()
}

// sendPart sends what is missing of an upload, in as few requests as the connection
// allows. With settle, one request is sent even if nothing is missing: the appliance
// may have been stopped before it looked at what it had.
func (s *sender) sendPart(ctx context.Context, p *part, settle bool) error {
	return s.persist(ctx, func() error {
		if p.unknown {
			if err := s.ask(ctx, p); err != nil {
				return err
			}
		}
		s.move(p.id, p.offset)
		if p.offset == p.size && !settle {
			return nil
		}
		if err := s.unchanged(); err != nil {
			return errors.Join(err, s.delete(ctx, p.id))
		}
		p.unknown = true
		return s.patch(ctx, p)
	})
}

// ask asks how far an upload is.
func (s *sender) ask(ctx context.Context, p *part) error {
	ctx, cancel := context.WithTimeoutCause(ctx, stall, errStalled)
	defer cancel()
	r, err := s.request(ctx, http.MethodHead, "/"+p.id, nil)
	if err != nil {
		return err
	}
	h, _, err := s.do(r)
	if code := status(err); code == http.StatusNotFound || code == http.StatusGone {
		return errGone
	}
	if err != nil {
		return err
	}
	p.offset, err = strconv.ParseInt(h.Get("Upload-Offset"), 10, 64)
	if err != nil || p.offset < 0 || p.offset > p.size {
		return fmt.Errorf("%s says offset %.40q of %d bytes", s.opts.URL, h.Get("Upload-Offset"), p.size)
	}
	p.unknown = false
	if p.before {
		p.before = false
		s.found.Add(p.offset)
	}
	return nil
}

// patch sends the rest of an upload.
func (s *sender) patch(ctx context.Context, p *part) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(stall, func() { cancel(errStalled) })
	defer watch.Stop()
	left := p.size - p.offset
	body, content := io.Reader(http.NoBody), s.newReader(ctx, p, watch)
	if left > 0 {
		body = content
	}
	r, err := s.request(content.traced(ctx), http.MethodPatch, "/"+p.id, body)
	if err != nil {
		return err
	}
	r.ContentLength = left
	r.Header.Set(upload.HeaderProgress, "1")
	r.Header.Set("Content-Type", "application/offset+octet-stream")
	r.Header.Set("Upload-Offset", strconv.FormatInt(p.offset, 10))
	h, _, err := s.do(r)
	switch code := status(err); {
	case code == http.StatusConflict:
		return errElsewhere
	case code == http.StatusNotFound || code == http.StatusGone:
		return errGone
	case err != nil:
		return errors.Join(err, s.shorter(err))
	}
	p.offset, err = strconv.ParseInt(h.Get("Upload-Offset"), 10, 64)
	if err != nil || p.offset != p.size {
		return fmt.Errorf("%w: the appliance stopped reading at %s", registry.ErrUnreachable, h.Get("Upload-Offset"))
	}
	p.unknown = false
	s.move(p.id, p.offset)
	return nil
}

// shorter finds out whether a request failed because the file has become shorter.
func (s *sender) shorter(err error) error {
	if errors.Is(err, registry.ErrUnreachable) {
		return s.unchanged()
	}
	return nil
}

// delete removes an upload, of which nothing more is expected.
func (s *sender) delete(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	r, err := s.request(ctx, http.MethodDelete, "/"+id, nil)
	if err != nil {
		return err
	}
	if _, _, err = s.do(r); status(err) == http.StatusNotFound {
		return nil
	}
	return err
}
