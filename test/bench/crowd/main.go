// Command crowd fills a data folder with a great number of small images, much
// faster than they could be pushed: it writes blob files and database rows as
// the store would have left them, without asking the store. Every digest is
// true, and every image can be pulled.
//
//	crowd DIR IMAGES
//
// `landfall serve` has to have made DIR, and must not be running on it. What is
// there already stays, so a folder that lost some of its images is completed by
// calling crowd again. It prints a line for each image: the path of its manifest
// in the registry, and the manifest's size in bytes.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := command(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "crowd:", err)
		stop()
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("want: crowd DIR IMAGES")
	}
	images, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	for n := range images {
		i := newImage(n)
		fmt.Fprintf(out, "/v2/%s/manifests/%s %d\n", i.repository, i.tag, len(i.manifest))
	}
	return errors.Join(fill(ctx, args[0], images), out.Flush())
}

// writers is how many programs' worth of files are written at once.
const writers = 4

// fill makes the images that are missing: files in several goroutines, rows in
// one beside them. Nothing reads the folder meanwhile, so their order is free.
func fill(ctx context.Context, dir string, images int) error {
	db, err := open(ctx, dir)
	if err != nil {
		return err
	}
	defer db.close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	files, rows := make(chan *image, 64), make(chan *image, 64)
	var all sync.WaitGroup
	start := func(from <-chan *image, do func(*image) error) {
		all.Go(func() {
			for i := range from {
				if err := do(i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for range writers {
		start(files, func(i *image) error { return i.write(dir) })
	}
	start(rows, func(i *image) error { return db.insert(ctx, i) })
	for n := 0; n < images && ctx.Err() == nil; n++ {
		i := newImage(n)
		if db.has(i) {
			continue
		}
		files <- i
		rows <- i
	}
	close(files)
	close(rows)
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return db.commit(ctx)
}
