package observe

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/landfall-dev/landfall/registry"
)

const (
	// exportTimeout bounds one attempt; there is no second one.
	exportTimeout = 5 * time.Second
	// flushTimeout bounds what the end of the program waits for spans.
	flushTimeout = 5 * time.Second
)

// Traces sends spans to a collector that the operator named. Spans are not
// worth memory or waiting: those that the collector does not take are lost.
type Traces struct {
	log      *slog.Logger
	provider *sdk.TracerProvider
	tracer   trace.Tracer
}

// NewTraces makes Traces to an OTLP collector (OTLP/HTTP): endpoint is its base
// URL, or that of its traces. Nothing is dialled before there are spans.
// Failures go to log. The result is to be closed.
func NewTraces(endpoint string, log *slog.Logger) (*Traces, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%w: %q is not the URL of a trace collector; want one like http://127.0.0.1:4318", registry.ErrInvalid, endpoint)
	}
	if !strings.HasSuffix(u.Path, "/v1/traces") {
		u = u.JoinPath("v1/traces")
	}
	t := &Traces{log: log}
	t.provider = sdk.NewTracerProvider(
		sdk.WithBatcher(&loggedExporter{SpanExporter: &exporter{newClient(), u.String()}, log: log, to: u.Redacted()}, sdk.WithExportTimeout(exportTimeout)),
		sdk.WithSampler(sdk.ParentBased(sdk.AlwaysSample())),
		sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", "landfall"), attribute.String("service.version", version()))))
	t.tracer = t.provider.Tracer("github.com/landfall-dev/landfall/ui")
	return t, nil
}

// newClient dials nothing but what the operator named: a redirect is an answer
// like any other that is no 200.
func newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, IdleConnTimeout: 90 * time.Second},
		Timeout:   exportTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
}

// Close sends what waits, for a bounded time. Nil Traces need no closing.
func (t *Traces) Close(ctx context.Context) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.log.Warn("the last traces may be lost", "err", err)
	}
}

// begin starts the span of an exchange, below that of the client if it sent
// one (W3C Trace Context), and makes it known to the handler.
func (t *Traces) begin(x *exchange, r *http.Request) {
	ctx := propagation.TraceContext{}.Extract(x.Context, propagation.HeaderCarrier(r.Header))
	x.Context, x.span = t.tracer.Start(ctx, methodNames[x.method]+" "+routeNames[x.route], trace.WithSpanKind(trace.SpanKindServer),
		trace.WithTimestamp(x.answer.start))
	if !x.span.IsRecording() {
		return
	}
	x.span.SetAttributes(attribute.String("http.request.method", r.Method), attribute.String("url.path", r.URL.Path),
		attribute.String("client.address", r.RemoteAddr), attribute.String("user_agent.original", r.UserAgent()),
		attribute.String("landfall.request_id", x.id[0]))
}

// endSpan ends the span of an exchange.
func endSpan(x *exchange, received int64) {
	x.span.SetAttributes(attribute.Int("http.response.status_code", x.answer.status),
		attribute.Int64("http.response.body.size", x.answer.sent), attribute.Int64("http.request.body.size", received))
	if x.answer.status >= http.StatusInternalServerError {
		x.span.SetStatus(codes.Error, http.StatusText(x.answer.status))
	}
	x.span.End()
}

// loggedExporter tells of a collector that fails, once until it works again.
type loggedExporter struct {
	sdk.SpanExporter
	log    *slog.Logger
	to     string
	failed atomic.Bool
}

// ExportSpans sends spans. Its errors end here: OpenTelemetry would write them
// to a logger of its own.
func (e *loggedExporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	switch failed := err != nil; {
	case e.failed.Swap(failed) == failed:
	case failed:
		e.log.Warn("traces are lost: the collector does not take them", "to", e.to, "err", err)
	default:
		e.log.Info("the collector takes traces again", "to", e.to)
	}
	return nil
}
