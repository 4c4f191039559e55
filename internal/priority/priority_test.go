package priority_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/internal/priority"
)

// All threads of a process give way, those that it makes later too. The
// process is a child, so that the tests' own goes on as it was.
func TestLower(t *testing.T) {
	if os.Getenv("LOWER") == "" {
		c := exec.Command(os.Args[0], "-test.run", "^TestLower$")
		c.Env = append(os.Environ(), "LOWER=1")
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%v:\n%s", err, out)
		}
		return
	}
	priority.Lower()
	var threads []chan bool
	for range 20 { // each needs a thread of its own while it waits in the kernel
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan bool)
		_, _ = r.Fd(), w.Fd() // blocking from here on
		go func() {
			_, _ = r.Read(make([]byte, 1))
			close(done)
		}()
		defer w.Close()
		threads = append(threads, done)
	}
	stats, err := filepath.Glob("/proc/self/task/*/stat")
	if err != nil || len(stats) < 2 || len(threads) != 20 {
		t.Fatal(stats, err)
	}
	for _, path := range stats {
		content, err := os.ReadFile(path)
		if err != nil {
			continue // a thread that has ended
		}
		_, rest, _ := strings.Cut(string(content), ") ")
		if fields := strings.Fields(rest); fields[16] != "15" { // field 19 of proc_pid_stat(5)
			t.Errorf("%s: nice %s, want 15", path, fields[16])
		}
	}
}
