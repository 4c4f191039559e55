package main

import (
	"io"
	"os"
	"sync/atomic"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/landfall-dev/landfall/registry"
)

// progress counts what a copy does, and shows it where a person watches.
type progress struct {
	bar            *mpb.Bar
	bars           *mpb.Progress
	bytes, present atomic.Int64
}

// newProgress shows a bar when w is a terminal, nothing otherwise.
func newProgress(w io.Writer, verb string) *progress {
	p := &progress{}
	f, ok := w.(*os.File)
	if !ok {
		return p
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return p
	}
	p.bars = mpb.New(mpb.WithOutput(w), mpb.WithWidth(40))
	p.bar = p.bars.AddBar(0,
		mpb.PrependDecorators(decor.Name(verb+" "), decor.Counters(decor.SizeB1024(0), "% .1f / % .1f")),
		mpb.AppendDecorators(decor.AverageSpeed(decor.SizeB1024(0), "% .1f"), decor.Name("  "), decor.AverageETA(decor.ET_STYLE_GO)))
	return p
}

// event is the hook for registry.CopyOptions.
func (p *progress) event(e registry.Event) {
	switch e.Kind {
	case registry.Advanced:
		p.bytes.Add(e.Bytes)
		if p.bar != nil {
			p.bar.IncrInt64(e.Bytes)
		}
	case registry.Skipped:
		p.present.Add(1)
	case registry.Planned:
		if p.bar != nil {
			p.bar.SetTotal(e.Bytes, false)
		}
	}
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
