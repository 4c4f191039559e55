package api

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"github.com/landfall-dev/landfall/ui/events"
)

type eventsInput struct {
	LastID string `header:"Last-Event-ID" maxLength:"64" doc:"Goes on after this event"`
	After  string `query:"after" maxLength:"64" doc:"The same, for who cannot set headers"`
	Types  string `query:"types" doc:"Of these types only, separated by commas"`
}

// keepAlive is the time between two signs of life on a stream that is quiet.
// Within checkEvery of its end a subject hears of nothing more. Who reads nothing
// for writeTime is gone.
const (
	keepAlive  = 15 * time.Second
	checkEvery = time.Second
	writeTime  = 30 * time.Second
)

func (a *API) eventRoutes() {
	r := route{method: http.MethodGet, path: "/events", id: "follow-events", right: "jobs.read", summary: "Hear what happens, as server-sent events"}
	op := a.operation(r)
	op.Responses = map[string]*huma.Response{"200": {
		Description: "A stream of events; the data of each is an object with its id, type, time and data",
		Content:     map[string]*huma.MediaType{typeEvents: {Schema: huma.SchemaFromType(a.huma.OpenAPI().Components.Schemas, reflect.TypeFor[events.Event]())}},
	}}
	huma.Register(a.huma, op, a.followEvents)
}

func (a *API) followEvents(_ context.Context, in *eventsInput) (*huma.StreamResponse, error) {
	after := in.LastID
	if after == "" {
		after = in.After
	}
	var types []string
	if in.Types != "" {
		types = strings.Split(in.Types, ",")
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		sub := a.opts.Events.Subscribe(after, types...)
		defer sub.Close()
		a.sendEvents(c, sub)
	}}, nil
}

// sendEvents writes events until the client leaves or the appliance ends.
func (a *API) sendEvents(c huma.Context, sub *events.Subscription) {
	w := humagin.Unwrap(c).Writer
	w.Header().Set("Content-Type", typeEvents)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // of proxies
	control, out := http.NewResponseController(w), bufio.NewWriterSize(w, 4<<10)
	_, _ = out.WriteString(": follows what happens\n\n")
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	go func() {
		select {
		case <-a.opts.Ending:
			cancel()
		case <-ctx.Done():
		}
	}()
	ended := a.watched(ctx)
	for ctx.Err() == nil {
		_ = control.SetWriteDeadline(time.Now().Add(writeTime))
		if out.Flush() != nil || control.Flush() != nil {
			return
		}
		waiting, stop := context.WithTimeout(ctx, keepAlive)
		e, err := sub.Next(waiting)
		quiet := waiting.Err() != nil
		stop()
		if ended() {
			return
		}
		switch {
		case err == nil && !a.concerns(ctx, e): // somebody else
		case err == nil:
			writeEvent(out, e)
		case quiet && ctx.Err() == nil:
			_, _ = out.WriteString(":\n\n")
		default:
			return
		}
	}
}

// concerns reports whether the context's subject may hear of an event: uploads are
// their owner's.
func (a *API) concerns(ctx context.Context, e events.Event) bool {
	if e.Type != uploadEvent || a.opts.Uploader == nil {
		return true
	}
	owner, all := a.opts.Uploader(ctx)
	var of struct {
		Owner string `json:"owner"`
	}
	return all || json.Unmarshal(e.Data, &of) == nil && of.Owner == owner
}

// uploadEvent is the type of events about uploads.
const uploadEvent = "upload"

// watched says whether the context's subject has ended, asked as often as one likes.
func (a *API) watched(ctx context.Context) (ended func() bool) {
	checked := time.Now()
	return func() bool {
		if a.opts.Check == nil || time.Since(checked) < checkEvery {
			return false
		}
		checked = time.Now()
		return a.opts.Check(ctx) != nil
	}
}

// writeEvent writes one event (HTML, section 9.2: server-sent events).
func writeEvent(out *bufio.Writer, e events.Event) {
	data, err := json.Marshal(e)
	if err != nil {
		return
	}
	_, _ = out.WriteString("id: " + e.ID + "\nevent: " + e.Type + "\ndata: ")
	_, _ = out.Write(data)
	_, _ = out.WriteString("\n\n")
}
