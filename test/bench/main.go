// Command bench measures Landfall's figures of speed, memory and disk, each
// against a reference that runs in the same minutes on the same machine, and
// prints them as a Markdown table. It never judges by its exit code: a missed
// target is a line of the table.
//
//	go run . [import|create|get|distribution|large|busy|thin|reflink|attach|sync|upload|api|idle|all] [--quick] [--dir DIR] [--keep DIR] [--pairs N]
//
// It drives the real binary: $LANDFALL_BIN, or one built from ../.. . It wants
// a quiet machine, root (to drop the page cache), skopeo, strace, xfsprogs, btrfs-progs and 64 GiB
// of free disk below DIR; --quick wants 2 GiB and gives figures that only show
// that it works.
//
// A part measures one promise. A side is one of the programs compared in it. A
// round is one run of each side, in turn; who goes first changes from round to
// round.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// command tells the program's own children (upstream, files, reference, readers,
// line, hashing, guests, asking) from the parts that a person asks for.
func command(ctx context.Context, args []string) error {
	children := map[string]func(context.Context, []string) error{
		"upstream": upstream, "files": files, "reference": reference, "readers": readers, "line": line, "hashing": hashing,
		"guests": guestsChild, "asking": askingChild,
	}
	if len(args) > 0 && children[args[0]] != nil {
		return children[args[0]](ctx, args[1:])
	}
	part := "all"
	if len(args) > 0 && args[0][0] != '-' {
		part, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	quick := flags.Bool("quick", false, "small content, short runs: does it work?")
	dir := flags.String("dir", os.TempDir(), "where to put content; on a disk, not in memory")
	keep := flags.String("keep", "", "`folder` where the content of large stays for the next run")
	rounds := flags.Int("pairs", 3, "rounds of each comparison")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if !slices.Contains(partNames(), part) || flags.NArg() > 0 {
		return fmt.Errorf("unknown part %q %q: %s", part, flags.Args(), strings.Join(partNames(), ", "))
	}
	b := &bench{rounds: *rounds, keep: *keep, sizes: full, mirror: fullMirror}
	if *quick {
		b.sizes, b.mirror = small, smallMirror
	}
	return b.measure(ctx, part, *dir, *quick)
}

// parts are the promises, in the order of their tables.
var parts = []struct {
	name string
	run  func(*bench, context.Context) error
}{
	{"import", (*bench).imports}, {"create", (*bench).creates}, {"get", (*bench).gets},
	{"distribution", (*bench).distributions}, {"large", (*bench).larges}, {"busy", (*bench).busies},
	{"thin", (*bench).thins}, {"reflink", (*bench).reflinks}, {"attach", (*bench).attaches},
	{"sync", (*bench).mirrors}, {"upload", (*bench).uploads}, {"api", (*bench).apis}, {"idle", (*bench).idles},
}

func partNames() []string {
	names := []string{"all"}
	for _, p := range parts {
		names = append(names, p.name)
	}
	return names
}

// bench is one run of the program.
type bench struct {
	dir      string // removed at the end
	keep     string // not removed; "" for nothing to keep
	self     string // this program, for its children
	landfall string
	rounds   int
	sizes    sizes
	mirror   mirror
	table    table
}

func (b *bench) measure(ctx context.Context, part, dir string, quick bool) (err error) {
	if b.dir, err = os.MkdirTemp(dir, "landfall-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if err := errors.Join(b.enough(), b.binary(ctx)); err != nil {
		return err
	}
	b.table.head(part, quick)
	defer b.table.print(os.Stdout)
	for _, p := range parts {
		if part != "all" && part != p.name {
			continue
		}
		b.table.part(p.name)
		if err := p.run(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// binary finds or builds the program under test.
func (b *bench) binary(ctx context.Context) error {
	if b.landfall = os.Getenv("LANDFALL_BIN"); b.landfall != "" {
		return nil
	}
	b.landfall = filepath.Join(b.dir, "landfall")
	say("building landfall")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", b.landfall, "./cmd/landfall")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	return build.Run()
}

// enough refuses a disk that would fill up on the way.
func (b *bench) enough() error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(b.dir, &fs); err != nil {
		return err
	}
	if free := int64(fs.Bavail) * fs.Bsize; free < b.sizes.disk {
		return fmt.Errorf("%s: %s free, %s needed: choose another place with --dir", b.dir, size(free), size(b.sizes.disk))
	}
	const tmpfs = 0x01021994
	if fs.Type == tmpfs {
		return fmt.Errorf("%s is in memory: choose a place on a disk with --dir", b.dir)
	}
	return nil
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
