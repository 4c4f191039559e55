package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// apis measures whether who manages an appliance has to wait while others keep it
// busy: the latency of API requests at a steady rate, alone, and beside clients
// that hear what happens and others that pull as fast as they can.
func (b *bench) apis(ctx context.Context) error {
	m := &managed{bench: b, data: filepath.Join(b.dir, "data")}
	defer os.RemoveAll(m.data)
	if err := m.prepare(ctx); err != nil {
		return err
	}
	s, err := b.appliance(ctx, m.data)
	if err != nil {
		return err
	}
	defer s.stop()
	if err := m.identities(ctx, s); err != nil {
		return err
	}
	if err := s.rest(ctx); err != nil {
		return err
	}
	if _, err := rounds(b.rounds, m.side(ctx, s, false), m.side(ctx, s, true)); err != nil {
		return err
	}
	m.report(s)
	return nil
}

const (
	streams   = 200
	pulls     = 50
	askRate   = 50 // a second, without those that start jobs
	startRate = 2  // jobs a second
	largeOnes = 4  // blobs that are pulled
)

// managed is an appliance with content, and who uses it.
type managed struct {
	*bench
	data   string
	names  []string // REPOSITORY:TAG
	large  []target
	guests guests
	token  string // of who manages

	alone, beside []visit
}

// visit is one round.
type visit struct {
	took     [][]latencies // by flow and kind
	heard    heard
	machine  processors
	server   float64 // seconds of processor time while asking
	guests   float64
	asking   float64
	resident resident
}

// prepare fills the data folder with a few large images and many small ones.
func (m *managed) prepare(ctx context.Context) error {
	say("  making %d × %s", largeOnes, size(m.sizes.big))
	c := &content{dir: filepath.Join(m.dir, "content")}
	defer os.RemoveAll(c.dir)
	for k := range largeOnes {
		l, err := c.layer(m.sizes.big)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("site.example/bench/large%d", k)
		if err := c.image(name+":v1", l); err != nil {
			return err
		}
		m.large = append(m.large, blobs(name, []layer{l})...)
	}
	s, err := serve(ctx, m.landfall, "serve", "--open", "--data", m.data, "--listen", "127.0.0.1:0")
	if err != nil {
		return err
	}
	err = c.pushImages(ctx, s.host)
	s.stop()
	if err != nil {
		return err
	}
	return m.crowd(ctx)
}

// crowd adds the many small images.
func (m *managed) crowd(ctx context.Context) error {
	crowd := filepath.Join(m.dir, "crowd")
	if _, err := run(ctx, "go", "build", "-o", crowd, "./crowd"); err != nil {
		return err
	}
	if _, err := run(ctx, crowd, m.data, fmt.Sprint(m.sizes.few)); err != nil {
		return err
	}
	for n := range m.sizes.few {
		m.names = append(m.names, fmt.Sprintf("site.example/crowd/r%04d:v%02d", n/100, n%100)) // as the program crowd calls them
	}
	return m.settle(false)
}

// identities makes who uses the appliance: a token for each.
func (m *managed) identities(ctx context.Context, s *appliance) error {
	tokens, err := s.robots(ctx, "listener", "viewer", streams)
	if err != nil {
		return err
	}
	m.guests = guests{Host: s.host, Streams: tokens}
	if tokens, err = s.robots(ctx, "host", "viewer", pulls); err != nil {
		return err
	}
	for k, token := range tokens {
		m.guests.Pulls = append(m.guests.Pulls, puller{token, m.large[k%len(m.large)]})
	}
	m.token, err = s.robot(ctx, "manager", "admin")
	return err
}

var questionNames = []string{"GET session", "GET jobs", "GET content/names?q=", "GET content/artifact", "GET stats", "GET users"}

// asking is a mix of what the pages of a UI ask for, and, beside it, starts of jobs,
// so that something happens.
func (m *managed) asking(s *appliance, d time.Duration) asking {
	get := func(path string) question {
		return question{Method: http.MethodGet, Path: path, Statuses: []int{http.StatusOK}}
	}
	kinds := [][]question{{get("/session")}, {get("/jobs")}, {}, {}, {get("/stats")}, {get("/users")}}
	for k, name := range m.names {
		kinds[3] = append(kinds[3], get("/content/artifact?name="+url.QueryEscape(name)))
		if k%7 == 0 {
			kinds[2] = append(kinds[2], get("/content/names?q="+url.QueryEscape(fmt.Sprintf("crowd v%02d", k%100))))
		}
	}
	start := question{http.MethodPost, "/content/collect", "{}", []int{http.StatusAccepted, http.StatusConflict}} // one is under way
	return asking{Host: s.host, Token: m.token, For: d, Flows: []flow{
		{askRate, 16, kinds}, {startRate, 2, [][]question{{start}}},
	}}
}

// side is one round, with guests or without.
func (m *managed) side(ctx context.Context, s *appliance, guests bool) side {
	return func() (sample, error) {
		if !guests {
			v, err := m.visit(ctx, s, nil)
			m.alone = append(m.alone, v)
			return sample{}, err
		}
		g, err := m.invite(ctx, m.guests)
		if err != nil {
			return sample{}, err
		}
		v, err := m.visit(ctx, s, g)
		err = errors.Join(err, s.atRest(ctx), pause(ctx, time.Second)) // what happened last is heard
		var left error
		v.heard, left = g.leave()
		m.beside = append(m.beside, v)
		return sample{}, errors.Join(err, left)
	}
}

// visit asks for a while, after it has warmed up.
func (m *managed) visit(ctx context.Context, s *appliance, g *invited) (v visit, err error) {
	if _, _, err := m.ask(ctx, m.asking(s, m.sizes.paced/3)); err != nil {
		return v, err
	}
	seconds := func(s *server) float64 { return s.cpu().Seconds() }
	guests := func() float64 {
		if g == nil {
			return 0
		}
		return seconds(g.server)
	}
	before, used, guestsUsed := machine(), seconds(s.server), guests()
	took, cpu, err := m.ask(ctx, m.asking(s, 6*m.sizes.paced))
	if err != nil {
		return v, err
	}
	v = visit{took: took, machine: machine().since(before), server: seconds(s.server) - used, guests: guests() - guestsUsed, asking: cpu.Seconds()}
	v.resident, err = s.resident(ctx)
	return v, err
}

// of picks latencies out of rounds: those of one kind of a flow; all kinds when it
// is negative.
func of(visits []visit, flow, kind int) (runs []latencies) {
	for _, v := range visits {
		if kind >= 0 {
			runs = append(runs, v.took[flow][kind])
		} else {
			runs = append(runs, slices.Concat(v.took[flow]...))
		}
	}
	return runs
}

// shares prints p50, p95, p99 and maximum, medians of runs.
func shares(runs []latencies) string {
	var parts []string
	for _, s := range []struct {
		name  string
		share float64
	}{{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}, {"max", 1}} {
		parts = append(parts, s.name+" "+milli(medianAt(runs, s.share)))
	}
	return strings.Join(parts, ", ")
}

func (m *managed) report(s *appliance) {
	m.table.note("%d names, and %d blobs of %s; %d requests a second for %s, and %d starts of jobs; reference: alone, else beside %d event streams and %d pulls as fast as they go",
		len(m.names)+len(m.large), len(m.large), size(m.sizes.big), askRate, 6*m.sizes.paced, startRate, streams, pulls)
	m.answers("API requests, p99", 0, -1, 0.050)
	for kind, name := range questionNames {
		m.answers("  "+name, 0, kind, 0)
	}
	m.answers("  start of a job: POST content/collect", 1, 0, 0)
	m.table.figure(m.events())
	middleOf := func(visits []visit, value func(visit) float64) float64 {
		var values []float64
		for _, v := range visits {
			values = append(values, value(v))
		}
		return middle(values)
	}
	perSecond := func(v float64) string { return size(int64(v)) + "/s" }
	m.table.figure(figure{name: "pulls, all together", unit: perSecond,
		measured: middleOf(m.beside, func(v visit) float64 { return float64(v.heard.PulledBytes) / v.heard.Seconds })})
	rss := func(v visit) float64 { return float64(v.resident.rss) }
	m.table.figure(figure{name: "memory of the appliance, RSS", reference: memory(middleOf(m.alone, rss)), landfall: memory(float64(s.peak())) + " peak",
		measured: middleOf(m.beside, rss), unit: memory})
	for _, side := range []struct {
		name   string
		visits []visit
	}{{"beside them", m.beside}, {"alone", m.alone}} {
		m.table.note("processors, %s: %s; server %.1f s, streams and pulls %.1f s, API client %.1f s", side.name, side.visits[0].machine,
			middleOf(side.visits, func(v visit) float64 { return v.server }), middleOf(side.visits, func(v visit) float64 { return v.guests }),
			middleOf(side.visits, func(v visit) float64 { return v.asking }))
	}
}

// answers is a line of latencies; its figure is the p99.
func (m *managed) answers(name string, flow, kind int, bound float64) {
	beside, alone := of(m.beside, flow, kind), of(m.alone, flow, kind)
	m.table.figure(figure{name: name, landfall: shares(beside), reference: shares(alone), measured: medianAt(beside, 0.99), unit: milli, bound: bound})
}

// events is a line about what was heard: the share of all streams' events that came.
func (m *managed) events() figure {
	var came, missed int64
	var delays []latencies
	for _, v := range m.beside {
		last := int64(0)
		for _, s := range v.heard.Streams {
			last = max(last, s.Last)
		}
		for _, s := range v.heard.Streams { // each since it came
			came += s.Count
			missed += last - s.First + 1 - s.Count + s.Resets
		}
		delays = append(delays, v.heard.Delays)
	}
	return figure{name: "events that came to the streams that had to", landfall: fmt.Sprintf("%d came, %d missed", came, missed),
		reference: "after " + shares(delays), measured: float64(came) / float64(came+missed), unit: percent, bound: 1, atLeast: true}
}
