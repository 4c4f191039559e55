package observe

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
)

// LogFormat is how log lines are written: as text for people, the default, or
// as JSON for programs.
type LogFormat uint8

// The formats.
const (
	LogText LogFormat = iota
	LogJSON
)

var formatNames = [...]string{LogText: "text", LogJSON: "json"}

// MarshalText gives the format's name.
func (f LogFormat) MarshalText() ([]byte, error) { return []byte(formatNames[f]), nil }

// UnmarshalText takes text or json.
func (f *LogFormat) UnmarshalText(text []byte) error {
	for i, name := range formatNames {
		if name == string(text) {
			*f = LogFormat(i)
			return nil
		}
	}
	return fmt.Errorf("want text or json")
}

// LogOptions of a log. The zero value is the default: text, from info on.
type LogOptions struct {
	Format LogFormat
	Level  slog.Leveler // info when nil
}

// NewLog makes a log whose lines tell the request that they belong to.
func NewLog(w io.Writer, opts LogOptions) *slog.Logger {
	var h slog.Handler
	options := &slog.HandlerOptions{Level: opts.Level}
	if opts.Format == LogJSON {
		h = slog.NewJSONHandler(w, options)
	} else {
		h = slog.NewTextHandler(w, options)
	}
	return slog.New(requestHandler{h})
}

// WithRequests makes lines of log tell the request that they belong to.
func WithRequests(log *slog.Logger) *slog.Logger {
	if _, ok := log.Handler().(requestHandler); ok {
		return log
	}
	return slog.New(requestHandler{log.Handler()})
}

// requestHandler adds the ids of request and trace that the context knows.
type requestHandler struct{ slog.Handler }

// Handle writes a line.
func (h requestHandler) Handle(ctx context.Context, line slog.Record) error {
	id, span := RequestID(ctx), trace.SpanContextFromContext(ctx)
	if id == "" && !span.IsValid() {
		return h.Handler.Handle(ctx, line)
	}
	line = line.Clone()
	if id != "" {
		line.AddAttrs(slog.String("request_id", id))
	}
	if span.IsValid() {
		line.AddAttrs(slog.String("trace_id", span.TraceID().String()))
	}
	return h.Handler.Handle(ctx, line)
}

// WithAttrs keeps the ids in the lines of the derived log.
func (h requestHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return requestHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the ids in the lines of the derived log, within the group.
func (h requestHandler) WithGroup(name string) slog.Handler {
	return requestHandler{h.Handler.WithGroup(name)}
}
