package observe

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// exporter sends spans as OTLP/HTTP in the protocol's JSON form (OTLP 1.x,
// "JSON Protobuf Encoding"): ids are hexadecimal, 64-bit numbers are strings,
// enumerations are numbers. OpenTelemetry's own exporter does the same with
// gRPC linked in, which is 5 MB, and is steered by the environment too.
type exporter struct {
	client *http.Client
	url    string
}

// ExportSpans sends one batch in one request.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	content, err := json.Marshal(encodeSpans(spans))
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(content))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := e.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, 64<<10) // keeps the connection
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %s", answer.Status)
	}
	return nil
}

// Shutdown gives the connection back.
func (e *exporter) Shutdown(context.Context) error {
	e.client.CloseIdleConnections()
	return nil
}

// The messages of opentelemetry/proto/trace/v1/trace.proto, as far as our
// spans fill them.
type (
	traceData struct {
		ResourceSpans []resourceSpans `json:"resourceSpans"`
	}
	resourceSpans struct {
		Resource   resourceJSON `json:"resource"`
		ScopeSpans []scopeSpans `json:"scopeSpans"`
	}
	resourceJSON struct {
		Attributes []keyValue `json:"attributes"`
	}
	scopeSpans struct {
		Scope scopeJSON  `json:"scope"`
		Spans []spanJSON `json:"spans"`
	}
	scopeJSON struct {
		Name string `json:"name"`
	}
	spanJSON struct {
		TraceID    string     `json:"traceId"`
		SpanID     string     `json:"spanId"`
		Parent     string     `json:"parentSpanId,omitempty"`
		TraceState string     `json:"traceState,omitempty"`
		Flags      uint32     `json:"flags"`
		Name       string     `json:"name"`
		Kind       int        `json:"kind"`
		Start      string     `json:"startTimeUnixNano"`
		End        string     `json:"endTimeUnixNano"`
		Attributes []keyValue `json:"attributes"`
		Status     statusJSON `json:"status"`
	}
	statusJSON struct {
		Code    int    `json:"code,omitempty"`
		Message string `json:"message,omitempty"`
	}
	keyValue struct {
		Key   string         `json:"key"`
		Value map[string]any `json:"value"`
	}
)

// encodeSpans makes one message of a batch. All spans are of one provider and
// one tracer.
func encodeSpans(spans []sdk.ReadOnlySpan) traceData {
	if len(spans) == 0 {
		return traceData{}
	}
	list := make([]spanJSON, len(spans))
	for i, s := range spans {
		list[i] = encodeSpan(s)
	}
	return traceData{[]resourceSpans{{
		resourceJSON{encodeAttributes(spans[0].Resource().Attributes())},
		[]scopeSpans{{scopeJSON{spans[0].InstrumentationScope().Name}, list}},
	}}}
}

func encodeSpan(s sdk.ReadOnlySpan) spanJSON {
	of, parent := s.SpanContext(), s.Parent()
	out := spanJSON{
		TraceID: of.TraceID().String(), SpanID: of.SpanID().String(), TraceState: of.TraceState().String(), Flags: uint32(of.TraceFlags()),
		Name: s.Name(), Kind: int(s.SpanKind()), Start: nanoseconds(s.StartTime()), End: nanoseconds(s.EndTime()),
		Attributes: encodeAttributes(s.Attributes()),
	}
	if parent.HasSpanID() {
		out.Parent = parent.SpanID().String()
	}
	switch status := s.Status(); status.Code { // numbered otherwise than in the protocol
	case codes.Ok:
		out.Status.Code = 1
	case codes.Error:
		out.Status = statusJSON{2, status.Description}
	}
	return out
}

func nanoseconds(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

// encodeAttributes takes what we set: texts, numbers and truths. Lists go as
// text.
func encodeAttributes(attributes []attribute.KeyValue) []keyValue {
	list := make([]keyValue, len(attributes))
	for i, a := range attributes {
		value := map[string]any{"stringValue": a.Value.String()}
		switch a.Value.Type() {
		case attribute.INT64:
			value = map[string]any{"intValue": strconv.FormatInt(a.Value.AsInt64(), 10)}
		case attribute.BOOL:
			value = map[string]any{"boolValue": a.Value.AsBool()}
		case attribute.FLOAT64:
			value = map[string]any{"doubleValue": a.Value.AsFloat64()}
		}
		list[i] = keyValue{string(a.Key), value}
	}
	return list
}
