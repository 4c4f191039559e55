package observe

import (
	"io"
	"net/http"
	"time"
)

// recorder is a response writer that notes what passes it. It allocates
// nothing, and what the server's own writer can do it can too: take files
// (ReadFrom, which ends in sendfile), flush, and through Unwrap everything of
// http.ResponseController.
type recorder struct {
	http.ResponseWriter
	start  time.Time
	first  time.Duration // from start to when the answer began, of those that are timed
	timed  bool
	status int   // 0 before it began
	sent   int64 // bytes of the body that the connection took
	head   bool  // net/http drops the body
	// traffic counts what is sent while it goes; nil for answers that are none of
	// the registry's.
	traffic *traffic
}

var (
	_ io.ReaderFrom   = (*recorder)(nil)
	_ io.StringWriter = (*recorder)(nil)
	_ http.Flusher    = (*recorder)(nil)
)

// Unwrap is for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// begin notes the answer's status and when it came.
func (w *recorder) begin(status int) {
	if w.status != 0 {
		return
	}
	w.status = status
	if w.timed {
		w.first = time.Since(w.start)
	}
}

func (w *recorder) count(n int64) {
	if !w.head {
		w.sent += n
		w.traffic.addSent(n)
	}
}

// WriteHeader notes the status unless it announces another (RFC 9110, 15.2).
func (w *recorder) WriteHeader(status int) {
	if status >= http.StatusOK || status == http.StatusSwitchingProtocols {
		w.begin(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	w.begin(http.StatusOK)
	n, err := w.ResponseWriter.Write(p)
	w.count(int64(n))
	return n, err
}

// WriteString saves the copy that Write would need.
func (w *recorder) WriteString(s string) (int, error) {
	w.begin(http.StatusOK)
	n, err := io.WriteString(w.ResponseWriter, s)
	w.count(int64(n))
	return n, err
}

// slice is how much of a file is sent before it is counted, in bytes: few enough
// that slow clients show in a minute, so many that the counting costs nothing.
const slice = 16 << 20

// ReadFrom hands the reader on in slices of the same kind: net/http looks for a
// file in it.
func (w *recorder) ReadFrom(src io.Reader) (n int64, err error) {
	w.begin(http.StatusOK)
	all, ok := src.(*io.LimitedReader)
	if !ok || all.N <= slice {
		return w.pass(src)
	}
	part := &io.LimitedReader{R: all.R}
	for all.N > 0 {
		asked := min(all.N, slice)
		part.N = asked
		sent, err := w.pass(part)
		n += sent
		all.N -= sent
		if err != nil || sent < asked {
			return n, err
		}
	}
	return n, nil
}

// pass is ReadFrom of one slice.
func (w *recorder) pass(src io.Reader) (n int64, err error) {
	if inner, ok := w.ResponseWriter.(io.ReaderFrom); ok {
		n, err = inner.ReadFrom(src)
	} else {
		n, err = io.Copy(struct{ io.Writer }{w.ResponseWriter}, src)
	}
	w.count(n)
	return n, err
}

// Flush sends what is buffered.
func (w *recorder) Flush() { _ = w.FlushError() }

// FlushError is Flush for http.ResponseController.
func (w *recorder) FlushError() error {
	w.begin(http.StatusOK)
	return http.NewResponseController(w.ResponseWriter).Flush()
}
