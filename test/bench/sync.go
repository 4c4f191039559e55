package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/landfall-dev/landfall/test/faultproxy"
)

// mirrors measures `landfall sync run` against regsync, skopeo sync and crane:
// a first run, over a line far and near; one that finds nothing new; and one
// that is killed again and again.
func (b *bench) mirrors(ctx context.Context) error {
	m, err := b.tools(ctx)
	if err != nil {
		return err
	}
	b.table.note("Upstream and destination: distribution's registry, a new one for each run but the unchanged. " +
		"regsync: an entry for each repository, parallel: 4, reqConcurrent: 8. skopeo: sync --src yaml. " +
		"crane: cp for one image after the other, or cp --all-tags --jobs 4 for one repository after the other.")
	return errors.Join(
		m.with(ctx, func(c *content) error { return c.mirrored(b.mirror) }, func(s *source) error {
			b.table.note("%d images in %d repositories: %s of blobs, %s with each counted in each image",
				len(s.content.images), len(s.content.repositories()), size(s.content.blobBytes()), size(s.content.references()))
			return errors.Join(s.first(ctx, far), s.near(func() error { return s.first(ctx, near) }), s.killed(ctx))
		}),
		m.with(ctx, func(c *content) error { return c.unchanging(b.mirror) }, func(s *source) error {
			return errors.Join(s.again(ctx, far), s.near(func() error { return s.again(ctx, near) }))
		}))
}

// mirroring is the programs of the part.
type mirroring struct {
	*bench
	bin    string // a folder
	skopeo string
}

// source is an upstream full of content, and the line to it.
type source struct {
	*mirroring
	content *content
	direct  string // its address without the line
	line    *lined
}

func (s *source) file(name string) string { return filepath.Join(s.dir, name) }

// with fills an upstream with what fill makes, and does something with it.
func (m *mirroring) with(ctx context.Context, fill func(*content) error, do func(*source) error) error {
	s := &source{mirroring: m, content: &content{dir: filepath.Join(m.dir, "content")}}
	defer s.content.forget()
	say("  making images")
	if err := fill(s.content); err != nil {
		return err
	}
	upstream := s.file("upstream")
	defer os.RemoveAll(upstream)
	registry, err := serve(ctx, filepath.Join(m.bin, "rival"), upstream)
	if err != nil {
		return err
	}
	defer registry.stop()
	if err := errors.Join(s.content.pushShared(ctx, registry.host), s.content.forget()); err != nil {
		return err
	}
	s.direct = registry.host
	if s.line, err = m.lined(ctx, registry.host); err != nil {
		return err
	}
	defer s.line.stop()
	if err := s.configure(); err != nil {
		return err
	}
	return do(s)
}

// near measures without the line: on loopback, the program that counts would take
// more time than the programs that are measured.
func (s *source) near(measure func() error) error {
	line := s.line.host
	s.line.host = s.direct
	err := errors.Join(s.configure(), measure())
	s.line.host = line
	return errors.Join(err, s.configure())
}

// result is what a tool's runs took; with an error, it is out of the race.
type result struct {
	tool
	samples []sample
	counts  []faultproxy.Counts
	err     error
}

// race runs the tools in turn, n times; the first becomes the last from round to
// round. A tool that fails is a line of the table, and the others go on.
func (s *source) race(n int, once func(*result) error, tools []tool) []*result {
	var all []*result
	for _, t := range tools {
		all = append(all, &result{tool: t})
	}
	for round := range n {
		for i := range all {
			if r := all[(i+round)%len(all)]; r.err == nil {
				r.err = once(r)
			}
		}
	}
	return all
}

// measured runs the tool over the line, and then looks at what it copied.
func (r *result) measured(ctx context.Context, s *source, l faultproxy.Link, to destination) error {
	if err := errors.Join(s.settle(false), s.line.set(ctx, l)); err != nil {
		return err
	}
	did, err := r.run(ctx, to)
	if err != nil {
		return err
	}
	counts, err := s.line.counts(ctx)
	r.samples, r.counts = append(r.samples, did), append(r.counts, counts)
	say("    %s, %s: %.2f s, %.2f s CPU, %s, %s of blobs; %s", linkName(l), r.name, did.wall.Seconds(), did.cpu.Seconds(), size(did.peak), size(counts.BlobBytes), counts)
	return errors.Join(err, r.check(ctx, to))
}

// open makes an empty destination; shut removes it.
func (s *source) open(ctx context.Context, name string) (d destination, shut func(), err error) {
	name = "destination " + name
	registry := s.file(name)
	up, err := serve(ctx, filepath.Join(s.bin, "rival"), registry)
	if err != nil {
		return d, nil, err
	}
	d = destination{host: up.host, data: s.file(name + " data")}
	return d, func() {
		up.stop()
		_ = errors.Join(os.RemoveAll(registry), os.RemoveAll(d.data))
	}, nil
}

// every are the sides, Landfall's first and last.
func (s *source) every() []tool {
	return []tool{s.landfallTool(), s.regsyncTool(), s.skopeoTool(), s.craneTool(), s.craneAllTool(), s.storeTool()}
}

// first races into nothing.
func (s *source) first(ctx context.Context, l faultproxy.Link) error {
	all := s.race(s.roundsOver(l), func(r *result) error {
		d, shut, err := s.open(ctx, r.name)
		if err != nil {
			return err
		}
		defer shut()
		return r.measured(ctx, s, l, d)
	}, s.every())
	bound := 1.2
	if l == far {
		bound = 2
	}
	t := standing{s, "first run, " + linkName(l), all}
	t.times(figure{bound: bound, atLeast: true}, speed)
	if l == far {
		t.fetched()
	}
	t.memory()
	return ctx.Err()
}

// roundsOver is one over a far link: a run is minutes of waiting for it, which
// vary little.
func (s *source) roundsOver(l faultproxy.Link) int {
	if l == far {
		return 1
	}
	return s.rounds
}

// again races over what each tool copied before.
func (s *source) again(ctx context.Context, l faultproxy.Link) error {
	if err := s.line.set(ctx, near); err != nil {
		return err
	}
	copied := map[*result]destination{}
	var shuts []func()
	defer func() {
		for _, shut := range shuts {
			shut()
		}
	}()
	once := func(r *result) error {
		if d, ok := copied[r]; ok {
			return r.measured(ctx, s, l, d)
		}
		d, shut, err := s.open(ctx, r.name)
		if err != nil {
			return err
		}
		shuts = append(shuts, shut)
		copied[r] = d
		_, err = r.run(ctx, d)
		return err
	}
	all := s.race(1+s.roundsOver(l), once, s.every())
	t := standing{s, fmt.Sprintf("nothing new in %d tags, %s", len(s.content.images), linkName(l)), all}
	t.times(figure{bound: 0.5}, wall)
	if l == far {
		t.requests()
	}
	return ctx.Err()
}
