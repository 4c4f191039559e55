package faultproxy

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Action is one thing that goes wrong with a request. The functions of this
// file make them; the zero Action is none.
type Action struct {
	wait    time.Duration                              // before anything else
	answer  func(http.ResponseWriter)                  // instead of the upstream
	request func(*http.Request)                        // changes what the upstream is asked
	header  func(http.Header)                          // changes what the client is told
	body    func(context.Context, io.Reader) io.Reader // changes what the client is sent
}

// Answer answers instead of the upstream, in the form of the distribution
// specification's errors. The header's pairs are names and values in turn:
//
//	Answer(429, "Retry-After", "2")
func Answer(status int, header ...string) Action {
	return Action{answer: func(w http.ResponseWriter) { fail(w, status, header...) }}
}

// fail is an answer of the specification's form; the code says that the error
// is on purpose.
func fail(w http.ResponseWriter, status int, header ...string) {
	w.Header().Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		w.Header().Add(header[i], header[i+1])
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"errors":[{"code":"FAULT","message":`+strconv.Quote(http.StatusText(status))+`}]}`)
}

// Delay answers late.
func Delay(d time.Duration) Action { return Action{wait: d} }

// Cut breaks the connection after n bytes of a body that has more.
func Cut(n int64) Action {
	return Action{body: func(_ context.Context, r io.Reader) io.Reader {
		return &stopped{from: r, left: n, stop: func() error { return errCut }}
	}}
}

// Stall sends n bytes of a body that has more, and then nothing until the
// client leaves.
func Stall(n int64) Action {
	return Action{body: func(ctx context.Context, r io.Reader) io.Reader {
		return &stopped{from: r, left: n, stop: func() error {
			<-ctx.Done()
			return ctx.Err()
		}}
	}}
}

// Rate sends the body at so many bytes a second, or as fast as the link allows
// if that is slower.
func Rate(bytesPerSecond int64) Action {
	return Action{body: func(ctx context.Context, r io.Reader) io.Reader {
		s := &slow{ctx: ctx, from: r}
		s.line.set(Link{BytesPerSecond: bytesPerSecond})
		return s
	}}
}

// Flip changes one bit of the byte at an offset of the body that is sent; in
// the answer to a range, that is an offset in the range.
func Flip(offset int64) Action {
	return Action{body: func(_ context.Context, r io.Reader) io.Reader { return &flipped{from: r, left: offset} }}
}

// ContentLength states a length of the body that may not be true. If less is
// stated than there is, only so much is sent; if more, the connection is closed
// at the body's true end.
func ContentLength(n int64) Action {
	return Action{
		header: func(h http.Header) { h.Set("Content-Length", strconv.FormatInt(n, 10)) },
		body:   func(_ context.Context, r io.Reader) io.Reader { return io.LimitReader(r, n) },
	}
}

// ContentRange states a range of the body that may not be true: "bytes 0-9/100".
func ContentRange(value string) Action {
	return Action{header: func(h http.Header) { h.Set("Content-Range", value) }}
}

// IgnoreRange answers a request for a range with the whole.
func IgnoreRange() Action {
	return Action{request: func(r *http.Request) {
		r.Header.Del("Range")
		r.Header.Del("If-Range")
	}}
}

// RefuseHead is a registry that does not know HEAD on some paths.
func RefuseHead(path string) Rule {
	return Rule{Method: http.MethodHead, Path: path, Action: Answer(http.StatusMethodNotAllowed, "Allow", "GET")}
}

// SlowHead is a registry that thinks long about HEAD on some paths.
func SlowHead(path string, d time.Duration) Rule {
	return Rule{Method: http.MethodHead, Path: path, Action: Delay(d)}
}

// NoMount is a registry that does not mount blobs across repositories: it
// begins an ordinary upload instead, as the specification allows.
func NoMount() Rule {
	return Rule{Method: http.MethodPost, Path: "/blobs/uploads/$", Action: Action{request: func(r *http.Request) {
		query := r.URL.Query()
		query.Del("mount")
		query.Del("from")
		r.URL.RawQuery = query.Encode()
	}}}
}

// NoReferrers is a registry of before the referrers API.
func NoReferrers() Rule {
	return Rule{Path: "/referrers/", Action: Answer(http.StatusNotFound)}
}
