// Package service is the appliance's life under a service manager: it tells systemd
// when the appliance is ready, reloads and stops, lets the watchdog know that it is
// well, and takes over sockets that systemd has opened. Outside systemd all that
// does nothing. It knows nothing of what the appliance serves.
//
// A watchdog that only proves that a process exists is of little use, so its signs
// of life depend on a health function: a store that answers nobody ends in a
// restart, which goes on with what was under way.
package service

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Notifier tells the service manager how the appliance is.
type Notifier struct {
	log     *slog.Logger
	hangups chan os.Signal // room for one: a reload that comes after several sees what all of them wanted

	mu     sync.Mutex // protects status, and orders what is sent
	status string     // what is said unless something is wrong
}

// New makes a Notifier. From now on SIGHUP asks for a reload instead of ending the
// process, though nobody may reload yet: what came early is not lost. Close gives
// the signal back.
func New(log *slog.Logger) *Notifier {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	n := &Notifier{log: log, hangups: make(chan os.Signal, 1)}
	signal.Notify(n.hangups, syscall.SIGHUP)
	return n
}

// Close gives SIGHUP back.
func (n *Notifier) Close() { signal.Stop(n.hangups) }

// Ready says that the appliance serves, after a start or a reload.
func (n *Notifier) Ready() { n.send(daemon.SdNotifyReady) }

// Reloading says that the configuration is being read again; Ready ends it.
func (n *Notifier) Reloading() {
	n.send(daemon.SdNotifyReloading + "\n" + strings.TrimSuffix(daemon.SdNotifyMonotonicUsec(), "\n"))
}

// Stopping says that the appliance is about to end.
func (n *Notifier) Stopping() { n.send(daemon.SdNotifyStopping) }

// Status is one line for people who look at the service.
func (n *Notifier) Status(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.status = fmt.Sprintf(format, args...)
	n.sendLocked(statusLine(n.status))
}

// trouble is said in place of the status until it is over, which "" says.
func (n *Notifier) trouble(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if text == "" {
		text = n.status
	}
	n.sendLocked(statusLine(text))
}

// statusLine keeps the status to its line: another one could say anything.
func statusLine(text string) string {
	return "STATUS=" + strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r < ' ' }), " ")
}

func (n *Notifier) send(state string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sendLocked(state)
}

// sendLocked sends to the service manager, if there is one; mu is held. The
// appliance goes on without it.
func (n *Notifier) sendLocked(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		n.log.Warn("the service manager does not listen", "state", state, "error", err)
	}
}

// Watch gives the watchdog a sign of life at half its time, as long as healthy
// returns nil within a quarter of it, until ctx ends. After a failure it looks again
// sooner, so that one answer that does not come is no restart. It returns at once
// where no watchdog watches.
func (n *Notifier) Watch(ctx context.Context, healthy func(ctx context.Context) error) {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		n.log.Warn("the watchdog's time is not known", "error", err)
	}
	if limit > 0 {
		n.watch(ctx, limit/2, healthy)
	}
}

// sooner is by how much sooner Watch looks again after a failure.
const sooner = 5

func (n *Notifier) watch(ctx context.Context, every time.Duration, healthy func(ctx context.Context) error) {
	failed := false
	for ctx.Err() == nil {
		begun := time.Now()
		err := within(ctx, every/2, healthy)
		wait := every - time.Since(begun)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			n.log.Error("not healthy: the watchdog gets no sign of life", "error", err)
			n.trouble("not healthy: " + err.Error())
			wait = every / sooner
		default:
			n.send(daemon.SdNotifyWatchdog)
			if failed {
				n.log.Info("healthy again")
				n.trouble("")
			}
		}
		failed = err != nil
		pause(ctx, wait)
	}
}

// within calls do with a deadline. One that does not heed it is waited for: the
// watchdog is there for that.
func within(ctx context.Context, limit time.Duration, do func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
	defer cancel()
	if err := do(ctx); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return fmt.Errorf("%w (%w)", cause, err)
		}
		return err
	}
	return context.Cause(ctx)
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// Reload calls on for each SIGHUP, one after the other, until ctx ends; the service
// manager is told. What fails is logged, and the appliance goes on as it was: on
// must leave it so. Signals that come during a reload are one more reload.
func (n *Notifier) Reload(ctx context.Context, on func(ctx context.Context) error) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.hangups:
		}
		n.Reloading()
		if err := on(ctx); err != nil {
			n.log.Error("the configuration was not reloaded; the one before stays", "error", err)
			n.trouble("the configuration was not reloaded: " + err.Error())
		} else {
			n.log.Info("the configuration was reloaded")
			n.trouble("")
		}
		n.Ready()
	}
}
