package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// uploads measures an appliance that takes uploads against a bare handler that takes
// the same bytes, hashes them, and syncs once at the end; and what is sent twice when
// the appliance is killed. Both servers listen on a socket of the machine.
func (b *bench) uploads(ctx context.Context) error {
	u := &uploading{bench: b, data: filepath.Join(b.dir, "data"), file: filepath.Join(b.dir, "images.tar"), kills: 5}
	defer os.RemoveAll(u.data)
	defer os.Remove(u.file)
	say("  making %s", size(uploadSize))
	if err := u.make(); err != nil {
		return err
	}
	if err := u.rates(ctx); err != nil {
		return err
	}
	for _, parts := range []int{1, 4} {
		if err := u.killed(ctx, parts); err != nil {
			return err
		}
	}
	return nil
}

const uploadSize = 192 * mib

// uploading is a file that is uploaded.
type uploading struct {
	*bench
	data, file string
	size       int64
	digest     string
	kills      int
}

// make writes a docker save archive of random bytes.
func (u *uploading) make() error {
	f, err := os.Create(u.file)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	w := tar.NewWriter(io.MultiWriter(f, sum))
	manifest := []byte(`[{"Config":"c.json","Layers":["layer.tar"]}]`)
	err = errors.Join(
		w.WriteHeader(&tar.Header{Name: "manifest.json", Mode: 0o644, Size: int64(len(manifest))}), write(w, manifest),
		w.WriteHeader(&tar.Header{Name: "layer.tar", Mode: 0o644, Size: uploadSize}))
	if err != nil {
		return err
	}
	if _, err := io.CopyN(w, rand.NewChaCha8([32]byte{1}), uploadSize); err != nil {
		return err
	}
	if err := errors.Join(w.Close(), f.Sync()); err != nil {
		return err
	}
	info, err := f.Stat()
	u.size, u.digest = info.Size(), "sha256:"+hex.EncodeToString(sum.Sum(nil))
	return err
}

func write(w io.Writer, content []byte) error {
	_, err := w.Write(content)
	return err
}

// hashing DIR is the reference: the least that takes an upload.
func hashing(ctx context.Context, args []string) error {
	l, err := new(net.ListenConfig).Listen(ctx, "unix", filepath.Join(args[0], socket))
	if err != nil {
		return err
	}
	say("serving http://landfall")
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, err := os.Create(filepath.Join(args[0], "file"))
		if err == nil {
			defer f.Close()
			_, err = io.Copy(io.MultiWriter(f, sha256.New()), r.Body)
		}
		if err = errors.Join(err, f.Sync()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

const (
	socket      = "landfall.sock"
	uploadsBase = "http://landfall/api/v1/uploads"
)

// over makes a client of the server whose socket is in a folder.
func over(dir string) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, socket))
	}}}
}

func (u *uploading) serve(ctx context.Context) (*server, error) {
	return serve(ctx, u.landfall, "serve", "--data", u.data, "--listen", "127.0.0.1:0")
}

// rates compares the time from the first request to the last answer.
func (u *uploading) rates(ctx context.Context) error {
	dir := filepath.Join(u.dir, "bare")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	reference, err := serve(ctx, u.self, "hashing", dir)
	if err != nil {
		return err
	}
	defer reference.stop()
	landfall, err := u.serve(ctx)
	if err != nil {
		return err
	}
	defer landfall.stop()
	s, err := rounds(u.rounds,
		func() (sample, error) { return u.timed(ctx, landfall, u.data, u.tus) },
		func() (sample, error) { return u.timed(ctx, reference, dir, u.bare) },
		func() (sample, error) { return u.timed(ctx, landfall, u.data, u.verb) },
		func() (sample, error) { return u.timed(ctx, landfall, u.data, u.verb, "--parts", "4") })
	if err != nil {
		return err
	}
	rateOf := func(s []sample) string { return size(int64(float64(u.size)*median(s, speed))) + "/s" }
	for _, side := range []struct {
		name  string
		took  []sample
		bound float64
	}{{"one request", s[0], 0.8}, {"landfall upload, which hashes too", s[2], 0}, {"landfall upload --parts 4", s[3], 0}} {
		f := figure{name: "upload of " + size(u.size) + ", " + side.name, landfall: rateOf(side.took), reference: rateOf(s[1]), bound: side.bound, atLeast: true}
		u.table.figure(compared(f, side.took, s[1], speed))
	}
	return nil
}

// timed takes the time of one upload, and forgets it.
func (u *uploading) timed(ctx context.Context, s *server, dir string, do func(ctx context.Context, c *http.Client, args ...string) error, args ...string) (sample, error) {
	if err := u.settle(false); err != nil {
		return sample{}, err
	}
	c := over(dir)
	defer c.CloseIdleConnections()
	before, start := s.cpu(), time.Now()
	if err := do(ctx, c, args...); err != nil {
		return sample{}, err
	}
	took := sample{wall: time.Since(start), cpu: s.cpu() - before}
	if dir == u.data {
		return took, u.forget(ctx, c)
	}
	return took, nil
}

// bare sends the file to the reference.
func (u *uploading) bare(ctx context.Context, c *http.Client, _ ...string) error {
	f, err := os.Open(u.file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = u.ask(ctx, c, http.MethodPut, "http://landfall/", f, nil)
	return err
}

// tus sends the file as any client of the protocol does: POST, and one PATCH.
func (u *uploading) tus(ctx context.Context, c *http.Client, _ ...string) error {
	h, err := u.ask(ctx, c, http.MethodPost, uploadsBase, nil, map[string]string{"Upload-Length": strconv.FormatInt(u.size, 10)})
	if err != nil {
		return err
	}
	f, err := os.Open(u.file)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = u.ask(ctx, c, http.MethodPatch, "http://landfall"+h.Get("Location"), f,
		map[string]string{"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"})
	return err
}

// verb sends it with landfall upload.
func (u *uploading) verb(ctx context.Context, _ *http.Client, args ...string) error {
	_, err := run(ctx, u.landfall, append([]string{"upload", u.file, "--data", u.data}, args...)...)
	return err
}

// ask makes a request, and wants success.
func (u *uploading) ask(ctx context.Context, c *http.Client, method, url string, body *os.File, header map[string]string) (http.Header, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Body, r.ContentLength = body, u.size
	}
	r.Header.Set("Tus-Resumable", "1.0.0")
	for k, v := range header {
		r.Header.Set(k, v)
	}
	answer, err := c.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %s", method, url, answer.Status, text)
	}
	return answer.Header, err
}

// uploaded is what the appliance tells of an upload.
type uploaded struct {
	ID     string `json:"id"`
	Digest string `json:"digest"`
	Offset int64  `json:"offset"`
	Sent   int64  `json:"sent"`
}

// list lists the uploads of the appliance.
func (u *uploading) list(ctx context.Context, c *http.Client) ([]uploaded, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, uploadsBase, nil)
	if err != nil {
		return nil, err
	}
	answer, err := c.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var page struct{ Uploads []uploaded }
	return page.Uploads, json.NewDecoder(answer.Body).Decode(&page)
}

// forget deletes all uploads.
func (u *uploading) forget(ctx context.Context, c *http.Client) error {
	all, err := u.list(ctx, c)
	for _, up := range all {
		_, e := u.ask(ctx, c, http.MethodDelete, uploadsBase+"/"+up.ID, nil, nil)
		err = errors.Join(err, e)
	}
	return err
}

// killed kills the appliance while a file is uploaded, at offsets spread over it.
func (u *uploading) killed(ctx context.Context, parts int) error {
	s, err := u.serve(ctx)
	if err != nil {
		return err
	}
	defer func() { s.stop() }()
	var stdout, stderr bytes.Buffer
	verb := exec.CommandContext(ctx, u.landfall, "upload", u.file, "--data", u.data, "--json", "--parts", strconv.Itoa(parts))
	verb.Stdout, verb.Stderr = &stdout, &stderr
	if err := verb.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- verb.Wait() }()
	for n := range u.kills {
		if err = u.reached(ctx, int64(n+1)*u.size/int64(u.kills+1), ended); err != nil {
			break
		}
		_ = s.cmd.Process.Kill()
		s.stop()
		if s, err = u.serve(ctx); err != nil {
			break
		}
	}
	if err != nil {
		_ = verb.Process.Kill()
		return fmt.Errorf("%w: %s", err, &stderr)
	}
	if err := <-ended; err != nil {
		return fmt.Errorf("%w: %s", err, &stderr)
	}
	var list []uploaded
	if err := json.Unmarshal(stdout.Bytes(), &list); err != nil {
		return err
	}
	if len(list) != 1 || list[0].Digest != u.digest {
		return fmt.Errorf("uploaded %+v, want %s", list, u.digest)
	}
	u.table.figure(figure{name: fmt.Sprintf("upload killed %d times, %d part(s): bytes sent / size; the digest is right", u.kills, parts),
		landfall: size(list[0].Sent), reference: size(u.size), measured: float64(list[0].Sent) / float64(u.size), unit: precise, bound: 1.15})
	return u.forget(ctx, over(u.data))
}

// reached waits until so many bytes are durable; the end of who sends them is an
// error.
func (u *uploading) reached(ctx context.Context, at int64, ended <-chan error) error {
	c := over(u.data)
	defer c.CloseIdleConnections()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		all, err := u.list(ctx, c)
		if err != nil {
			return err
		}
		sum := int64(0)
		for _, up := range all {
			sum += up.Offset
		}
		if sum >= at {
			return nil
		}
		select {
		case err := <-ended:
			return errors.Join(errEnded, err)
		case <-tick.C:
		}
	}
}
