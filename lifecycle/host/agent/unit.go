package agent

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/landfall-dev/landfall/lifecycle/host"
	"github.com/landfall-dev/landfall/registry"
)

var unitName = regexp.MustCompile(`\A[A-Za-z0-9:_.@-]{1,200}\.(service|socket|timer|target|mount|path)\z`)

// isK3s reports whether a unit is one of k3s.
func isK3s(name string) bool { return name == "k3s.service" || name == "k3s-agent.service" }

// noUnit is systemctl's exit code for a unit that is not there.
// https://www.freedesktop.org/software/systemd/man/latest/systemctl.html#Exit%20status
const noUnit = 5

// unit does something to a unit of systemd. What it was before is noted first, so that
// cleaning brings that back.
func (t *task) unit(ctx context.Context, u *host.Unit) error {
	if u.Act == host.Reload {
		_, err := t.program(ctx, "systemctl", "daemon-reload")
		return err
	}
	if !unitName.MatchString(u.Name) {
		return fmt.Errorf("unit %q: %w: it is no unit's name", u.Name, registry.ErrInvalid)
	}
	if err := t.noteUnit(ctx, u); err != nil {
		return err
	}
	args := []string{string(u.Act), u.Name}
	switch u.Act {
	case host.Start, host.Stop, host.Restart:
	case host.Enable, host.Disable:
		args = []string{string(u.Act), "--now", u.Name}
	default:
		return fmt.Errorf("unit %s: %w: act %q", u.Name, registry.ErrInvalid, u.Act)
	}
	_, err := t.program(ctx, "systemctl", args...)
	if err == nil || (u.Act == host.Stop || u.Act == host.Disable) && t.unitIsGone(ctx, u.Name, err) {
		return nil
	}
	return fmt.Errorf("%w: %s", err, t.unitSays(ctx, u.Name))
}

func (t *task) unitIsGone(ctx context.Context, name string, err error) bool {
	if exitCode(err) == noUnit {
		return true
	}
	said, _ := t.program(ctx, "systemctl", "show", "-p", "LoadState", name) // that it fails is told by err
	return strings.Contains(said, "not-found")
}

// unitSays is what a unit said last.
func (t *task) unitSays(ctx context.Context, name string) string {
	said, _ := t.program(ctx, "journalctl", "-u", name, "-n", "20", "--no-pager", "-o", "cat") // it may not be there
	return lastLines(said, saidLines)
}

// noteUnit notes what a unit was before it is started or enabled here first.
func (t *task) noteUnit(ctx context.Context, u *host.Unit) error {
	if u.Act == host.Stop || u.Act == host.Disable {
		return nil
	}
	if isK3s(u.Name) {
		if err := t.enter(func(o *owned) *bool { return &o.K3s }); err != nil {
			return err
		}
	}
	active, _ := t.program(ctx, "systemctl", "is-active", u.Name) // its exit code says the same
	enabled, _ := t.program(ctx, "systemctl", "is-enabled", u.Name)
	return t.own(func(o *owned) {
		was, known := o.Units[u.Name]
		if !known {
			was.Started = strings.TrimSpace(active) != "active"
		}
		was.Enabled = was.Enabled || u.Act == host.Enable && strings.TrimSpace(enabled) != "enabled"
		was.Restarted = was.Restarted || u.Act == host.Restart && !was.Started
		if was != (ownedUnit{}) {
			o.Units[u.Name] = was
		}
	})
}
