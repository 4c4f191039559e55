package main

import (
	"context"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/landfall-dev/landfall/registry"
	"github.com/landfall-dev/landfall/ui/landing"
)

// progress counts what a copy does, and shows it where a person watches.
type progress struct {
	lines          io.Writer // where there is no bar
	bar            *mpb.Bar
	bars           *mpb.Progress
	bytes, present atomic.Int64
}

// newProgress shows a bar when w is a terminal, nothing otherwise.
func newProgress(w io.Writer, verb string) *progress {
	p := &progress{lines: w}
	if !isTerminal(w) {
		return p
	}
	p.bars = mpb.New(mpb.WithOutput(w), mpb.WithWidth(40))
	p.bar = p.bars.AddBar(0,
		mpb.PrependDecorators(decor.Name(verb+" "), decor.Counters(decor.SizeB1024(0), "% .1f / % .1f")),
		mpb.AppendDecorators(decor.AverageSpeed(decor.SizeB1024(0), "% .1f"), decor.Name("  "), decor.AverageETA(decor.ET_STYLE_GO)))
	return p
}

// newCounter shows how much was done of what has no known size.
func newCounter(w io.Writer, verb string) *progress {
	p := &progress{lines: w}
	if isTerminal(w) {
		p.bars = mpb.New(mpb.WithOutput(w), mpb.WithWidth(1))
		p.bar = p.bars.AddSpinner(0,
			mpb.PrependDecorators(decor.Name(verb+" "), decor.Current(decor.SizeB1024(0), "% .1f")),
			mpb.AppendDecorators(decor.AverageSpeed(decor.SizeB1024(0), "% .1f")))
	}
	return p
}

// isTerminal reports whether a person watches w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Write writes whole lines, above the bar if there is one.
func (p *progress) Write(lines []byte) (int, error) {
	if p.bars != nil {
		return p.bars.Write(lines)
	}
	return p.lines.Write(lines)
}

// add counts bytes.
func (p *progress) add(n int64) {
	p.bytes.Add(n)
	if p.bar != nil {
		p.bar.IncrInt64(n)
	}
}

// followEvery is how often follow asks.
const followEvery = time.Second

// follow moves the bar to where ask says, now and then, until stop is called.
func (p *progress) follow(ctx context.Context, ask func(context.Context) (at, total int64, err error)) (stop func()) {
	if p.bar == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var following sync.WaitGroup
	following.Go(func() {
		tick := time.NewTicker(followEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if at, total, err := ask(ctx); err == nil {
				p.at(at, total)
			}
		}
	})
	return func() {
		cancel()
		following.Wait()
	}
}

// event is the hook for registry.CopyOptions.
func (p *progress) event(e registry.Event) {
	switch e.Kind {
	case registry.Advanced:
		p.add(e.Bytes)
	case registry.Skipped:
		p.present.Add(1)
	case registry.Planned:
		if p.bar != nil {
			p.bar.SetTotal(e.Bytes, false)
		}
	}
}

// at moves the bar.
func (p *progress) at(bytes, total int64) {
	if p.bar != nil {
		p.bar.SetTotal(total, false)
		p.bar.SetCurrent(bytes)
	}
}

// importing moves the bar to where an appliance is.
func (p *progress) importing(at landing.Progress) {
	p.at(at.Moved, at.Total)
	p.bytes.Store(at.Moved)
	p.present.Store(int64(at.Present))
}

// close takes the bar away, whether it filled or not.
func (p *progress) close() {
	if p.bar != nil {
		p.bar.Abort(false)
		p.bars.Wait()
	}
}

// moved is how many bytes of blobs had to be moved.
func (p *progress) moved() int64 { return p.bytes.Load() }

// skipped is how many blobs and manifests were there already.
func (p *progress) skipped() int { return int(p.present.Load()) }
