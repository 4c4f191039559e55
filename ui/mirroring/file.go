package mirroring

import (
	"io/fs"
	"os"
	"time"

	"github.com/landfall-dev/landfall/registry/remote"
	"github.com/landfall-dev/landfall/sync/config"
)

// Load reads a mirror.yaml and all files that it names. ErrInvalid, with line and
// column where there are, when one of them cannot be used.
func Load(path string) (*config.File, error) {
	file, err := config.Load(path)
	if err != nil {
		return nil, err
	}
	up, err := remote.New(remote.Options{Hosts: file.Hosts()})
	if err != nil {
		return nil, err
	}
	return file, up.Close()
}

// read also tells how the file looked before it was read.
func read(path string) (*config.File, fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	file, err := Load(path)
	return file, info, err
}

// follow puts the file in force when it has changed. A file that is invalid
// leaves the last one in force, and is tried again.
func (m *Mirroring) follow() {
	m.mu.Lock()
	before, seen := m.problem, m.seen
	m.mu.Unlock()
	info, err := os.Stat(m.path)
	if err == nil && before == "" && info.ModTime().Equal(seen.ModTime()) && info.Size() == seen.Size() {
		return
	}
	file, seen, err := read(m.path)
	if err == nil {
		m.enforce(file, seen, nil)
		m.log.Info("the mirrors' file has changed and is in force", "file", m.path, "mirrors", len(file.Mirrors))
		return
	}
	m.mu.Lock()
	m.problem = err.Error()
	m.mu.Unlock()
	if err.Error() != before {
		m.log.Error("the mirrors' file cannot be used as it is now; the last one stays in force", "file", m.path, "error", err)
	}
}

// enforce puts a file in force. What a schedule has missed since a mirror's last
// run by it is due at once; without one it waits for its next time, and one that
// is as it was goes on waiting.
func (m *Mirroring) enforce(file *config.File, seen fs.FileInfo, scheduled map[string]time.Time) {
	now := m.now()
	m.mu.Lock()
	old := m.times
	m.file, m.seen, m.loaded, m.problem, m.times = file, seen, now, "", map[string]*times{}
	for k := range file.Mirrors {
		mirror := &file.Mirrors[k]
		t := m.timesOf(mirror.Name)
		if before := old[mirror.Name]; before != nil {
			*t = *before
		}
		if mirror.Schedule == nil || file.Offline || mirror.Offline {
			t.schedule, t.next = nil, time.Time{}
			continue
		}
		if t.follows(mirror.Schedule) {
			continue
		}
		from := now
		if last, ok := scheduled[mirror.Name]; ok {
			from = last
		}
		t.schedule, t.next = mirror.Schedule, mirror.Schedule.Next(from)
	}
	hooks := m.hooks
	m.mu.Unlock()
	for _, tell := range hooks {
		tell(file)
	}
}
