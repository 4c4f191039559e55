package ui

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// files serves a folder over connections that take turns, until the test ends.
func files(t *testing.T, dir string) (address string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.FileServer(http.Dir(dir))}
	var served sync.WaitGroup
	served.Go(func() { _ = server.Serve(newTurns(l)) })
	t.Cleanup(func() {
		server.Close()
		served.Wait()
	})
	return l.Addr().String()
}

// noise writes a file of so many bytes.
func noise(t *testing.T, dir string, size int) []byte {
	t.Helper()
	content := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content)
	if err := os.WriteFile(filepath.Join(dir, "file"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	return content
}

// What is sent in turns are the bytes of the file, whole and in parts, to many at
// once.
func TestTurns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	content := noise(t, dir, 8*piece+12345)
	address := files(t, dir)
	for _, part := range [][2]int{{0, len(content)}, {1, len(content)}, {0, piece}, {0, piece + 1}, {piece - 1, 3*piece + 7}, {len(content) - 1, len(content)}} {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/file", nil)
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", part[0], part[1]-1))
				answer, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				defer answer.Body.Close()
				got, err := io.ReadAll(answer.Body)
				if err != nil || !bytes.Equal(got, content[part[0]:part[1]]) {
					t.Errorf("%v: %d bytes with SHA-256 %x, %v", part, len(got), sha256.Sum256(got), err)
				}
			})
		}
		all.Wait()
	}
}

// Clients that ask and do not read keep nobody from having turns.
func TestTurnsOfOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	content := noise(t, dir, 64*piece) // more than the buffers of a connection
	address := files(t, dir)
	ask := func() net.Conn {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := io.WriteString(c, "GET /file HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		return c
	}
	for range 64 {
		head := make([]byte, 16)
		if _, err := io.ReadFull(ask(), head); err != nil || !strings.HasPrefix(string(head), "HTTP/1.1 200") {
			t.Fatal(err, string(head))
		}
	}
	answer, err := http.ReadResponse(bufio.NewReader(ask()), nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// A file that turns out short ends the connection, and a client that leaves ends
// its own only.
func TestTurnsEnd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, make([]byte, 3*piece), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	turns := newTurns(l)
	defer turns.Close()
	for _, leaves := range []bool{false, true} {
		client, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c, err := turns.Accept()
		if err != nil {
			t.Fatal(err)
		}
		came := make(chan int64, 1)
		if leaves {
			client.Close()
		}
		go func() {
			n, _ := io.Copy(io.Discard, client)
			came <- n
		}()
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		n, err := c.(io.ReaderFrom).ReadFrom(io.LimitReader(f, 100*piece))
		f.Close()
		c.Close()
		got := <-came
		client.Close()
		if leaves && err == nil || !leaves && (err != nil || n != 3*piece || got != n) {
			t.Errorf("client leaves %v: sent %d, %v; %d came", leaves, n, err, got)
		}
		if len(turns.places) != 0 {
			t.Errorf("%d places are taken", len(turns.places))
		}
	}
}
