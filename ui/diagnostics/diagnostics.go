// Package diagnostics puts into one file what somebody needs who looks for a
// fault from afar: how the appliance, its machine and its store are, what it did
// last, and how it is set up. It collects what others tell and knows nothing of
// them; nothing secret is among that, and a last filter hides what looks as if it
// were.
//
// Nouns. The bundle is a tar.gz of parts; a part is one file of it. A part that
// cannot be made is missing, and errors.txt says why.
package diagnostics

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"time"
)

// Source is asked for a part, whose value goes into the bundle as JSON. It should
// give up when its context ends.
type Source func(ctx context.Context) (any, error)

// JSON makes a Source of a function with a result of its own.
func JSON[T any](ask func(context.Context) (T, error)) Source {
	return func(ctx context.Context) (any, error) { return ask(ctx) }
}

// Sources are who is asked. What is nil is left out.
type Sources struct {
	Version string // of the program, as it names itself
	Doctor  Source // what an examination of the store finds
	Stats   Source // figures of the store
	Config  Source // values in force and where each comes from
	Host    Source
	Jobs    Source // recent ones
	Audit   Source // how many entries there are; what they say is not for strangers
	Metrics func(ctx context.Context, w io.Writer) error
	Log     *Ring
	Now     func() time.Time // time.Now when nil
}

// Bounds of a part: what comes after them is not waited for, and not kept.
const (
	maxPart  = 16 << 20 // bytes
	patience = time.Minute
)

// folder is what all parts are in.
const folder = "landfall-diagnostics/"

const readme = `What is here tells how a Landfall appliance is, for somebody who looks for a fault.

program.json    the program and its process
config.json     how it is set up, and who says so
host.json       the machine
doctor.json     what 'landfall doctor' finds
stats.json      figures of the store
jobs.json       recent jobs
audit.json      how many entries the audit log has
metrics.txt     what Prometheus would read
log.txt         the last lines of the log
goroutines.txt  what the program is doing right now
errors.txt      what could not be told, and why

Passwords, tokens and keys are not in here; what looks like one says [hidden].
Names of hosts, users and repositories are: read it before you hand it on.
`

// part is one file of the bundle.
type part struct {
	name  string
	write func(ctx context.Context, w io.Writer) error
}

// Write writes the bundle. A part that fails does not stop it; an error is the
// writer's, or that of a context that ended.
func Write(ctx context.Context, w io.Writer, s Sources) error {
	if s.Now == nil {
		s.Now = time.Now
	}
	zip := gzip.NewWriter(w)
	b := bundle{tar: tar.NewWriter(zip), now: s.Now()}
	var failed strings.Builder
	for _, p := range s.parts() {
		content, err := p.make(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			fmt.Fprintf(&failed, "%s: %v\n", p.name, err)
		}
		if len(content) == 0 {
			continue
		}
		if err := b.add(p.name, content); err != nil {
			return err
		}
	}
	if failed.Len() > 0 {
		if err := b.add("errors.txt", []byte(Redact(failed.String()))); err != nil {
			return err
		}
	}
	return errors.Join(b.tar.Close(), zip.Close())
}

// bundle is one while it is written.
type bundle struct {
	tar *tar.Writer
	now time.Time
}

func (b *bundle) add(name string, content []byte) error {
	err := b.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: folder + name, Mode: 0o600, Size: int64(len(content)), ModTime: b.now})
	if err == nil {
		_, err = b.tar.Write(content)
	}
	return err
}

func (s *Sources) parts() []part {
	list := []part{
		{"README.txt", func(_ context.Context, w io.Writer) error {
			_, err := io.WriteString(w, readme)
			return err
		}},
		{"program.json", document(s.program)},
	}
	for _, p := range []struct {
		name   string
		source Source
	}{
		{"config.json", s.Config}, {"host.json", s.Host}, {"doctor.json", s.Doctor}, {"stats.json", s.Stats},
		{"jobs.json", s.Jobs}, {"audit.json", s.Audit},
	} {
		if p.source != nil {
			list = append(list, part{p.name, document(p.source)})
		}
	}
	if s.Metrics != nil {
		list = append(list, part{"metrics.txt", text(s.Metrics)})
	}
	if s.Log != nil {
		list = append(list, part{"log.txt", text(func(_ context.Context, w io.Writer) error {
			_, err := w.Write(s.Log.Bytes())
			return err
		})})
	}
	return append(list, part{"goroutines.txt", text(func(_ context.Context, w io.Writer) error {
		return pprof.Lookup("goroutine").WriteTo(w, 2) // 2: with how long each waits
	})})
}

// document writes a source's value as JSON without what is secret in it.
func document(source Source) func(context.Context, io.Writer) error {
	return func(ctx context.Context, w io.Writer) error {
		value, err := source(ctx)
		if err != nil {
			return err
		}
		plain, err := plainJSON(value)
		if err != nil {
			return err
		}
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(redactValue(plain))
	}
}

// text writes a part without what looks secret in it, also when it fails halfway.
func text(write func(context.Context, io.Writer) error) func(context.Context, io.Writer) error {
	return func(ctx context.Context, w io.Writer) error {
		var b limited
		err := write(ctx, &b)
		_, writeErr := io.WriteString(w, Redact(b.String()))
		return errors.Join(err, b.err(), writeErr)
	}
}

// make makes a part, as far as it can.
func (p part) make(ctx context.Context) (content []byte, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it took more than %v", patience))
	defer cancel()
	var b limited
	defer func() {
		if caught := recover(); caught != nil {
			err = fmt.Errorf("panic: %v", caught)
		}
		content, err = b.Bytes(), errors.Join(err, b.err())
	}()
	if err = p.write(ctx, &b); err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", err, context.Cause(ctx))
	}
	return nil, err
}

// limited keeps the first bytes of what is written.
type limited struct {
	bytes.Buffer
	lost int
}

func (l *limited) Write(p []byte) (int, error) {
	room := min(len(p), maxPart-l.Len())
	l.lost += len(p) - room
	if _, err := l.Buffer.Write(p[:room]); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (l *limited) err() error {
	if l.lost == 0 {
		return nil
	}
	return fmt.Errorf("its last %d bytes are missing: it is larger than %d bytes", l.lost, maxPart)
}

// program is what is known without asking anybody.
func (s *Sources) program(context.Context) (any, error) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	p := map[string]any{
		"version": s.Version, "now": s.Now(), "go": runtime.Version(), "os": runtime.GOOS, "architecture": runtime.GOARCH,
		"processors": runtime.GOMAXPROCS(0), "goroutines": runtime.NumGoroutine(),
		"heapBytes": m.HeapAlloc, "systemBytes": m.Sys, "collections": m.NumGC,
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		build, modules := map[string]string{}, map[string]string{}
		for _, setting := range info.Settings {
			build[setting.Key] = setting.Value
		}
		for _, module := range info.Deps {
			modules[module.Path] = module.Version
		}
		p["module"], p["build"], p["modules"] = info.Main.Version, build, modules
	}
	return p, nil
}
