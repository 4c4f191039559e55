package observe

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/sirupsen/logrus"
)

// bridge is the process's way from logrus to slog.
var bridge struct {
	once sync.Once
	to   atomic.Pointer[slog.Logger]
}

// BridgeLogrus sends to log what libraries write to logrus's global logger,
// which speaks to standard error otherwise. It is for whoever owns the
// process; the last call decides.
func BridgeLogrus(log *slog.Logger) {
	bridge.to.Store(log)
	bridge.once.Do(func() {
		logrus.SetOutput(io.Discard)
		logrus.SetFormatter(noFormat{})
		logrus.SetLevel(logrus.DebugLevel) // log's own level decides
		logrus.AddHook(logrusHook{})
	})
}

// noFormat saves the work of formatting what is discarded.
type noFormat struct{}

func (noFormat) Format(*logrus.Entry) ([]byte, error) { return nil, nil }

type logrusHook struct{}

func (logrusHook) Levels() []logrus.Level { return logrus.AllLevels }

// Fire passes one line on, with its time and fields.
func (logrusHook) Fire(e *logrus.Entry) error {
	ctx := e.Context
	if ctx == nil {
		ctx = context.Background()
	}
	h, level := bridge.to.Load().Handler(), slogLevel(e.Level)
	if !h.Enabled(ctx, level) {
		return nil
	}
	line := slog.NewRecord(e.Time, level, e.Message, 0)
	for name, value := range e.Data {
		line.AddAttrs(slog.Any(name, value))
	}
	return h.Handle(ctx, line)
}

func slogLevel(l logrus.Level) slog.Level {
	switch {
	case l <= logrus.ErrorLevel:
		return slog.LevelError
	case l == logrus.WarnLevel:
		return slog.LevelWarn
	case l == logrus.InfoLevel:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}
