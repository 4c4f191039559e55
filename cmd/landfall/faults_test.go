package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
)

// faults are upstreams that misbehave, by the variable under which scripts
// find them. Each wraps a registry that works.
var faults = map[string]func(http.Handler) http.Handler{
	"LOCKED":  locked,
	"STALLS":  onBlobs(stall),
	"CUTS":    onBlobs(cut),
	"SHORT":   onBlobs(lieAboutLength(-1)),
	"LONG":    onBlobs(lieAboutLength(+1)),
	"FLIPS":   onBlobs(flipByte),
	"ONESTOP": onBlobs(cutFirst()),
}

// locked lets in user "carrier" with password "right".
func locked(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "carrier" || password != "right" {
			w.Header().Set("WWW-Authenticate", `Basic realm="upstream"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`, http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// onBlobs misbehaves for blobs of some size only: manifests come through.
func onBlobs(fault func(w http.ResponseWriter, r *http.Request, header http.Header, content []byte)) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := httptest.NewRecorder()
			h.ServeHTTP(answer, r)
			content := answer.Body.Bytes()
			if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/") || len(content) < 1000 {
				for key, values := range answer.Header() {
					w.Header()[key] = values
				}
				w.WriteHeader(answer.Code)
				_, _ = w.Write(content)
				return
			}
			fault(w, r, answer.Header(), content)
		})
	}
}

// stall sends half, and then nothing until the client leaves.
func stall(w http.ResponseWriter, r *http.Request, _ http.Header, content []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// cut announces all and sends nothing.
func cut(w http.ResponseWriter, _ *http.Request, _ http.Header, content []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// cutFirst cuts each blob in its middle, and honours ranges afterwards.
func cutFirst() func(http.ResponseWriter, *http.Request, http.Header, []byte) {
	return func(w http.ResponseWriter, r *http.Request, header http.Header, content []byte) {
		for key, values := range header {
			w.Header()[key] = values
		}
		if r.Header.Get("Range") != "" {
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(content)
			return
		}
		_, _ = w.Write(content[:len(content)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

func lieAboutLength(by int) func(http.ResponseWriter, *http.Request, http.Header, []byte) {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Header, content []byte) {
		w.Header().Set("Content-Length", strconv.Itoa(len(content)+by))
		_, _ = w.Write(append(bytes.Clone(content), 0)[:len(content)+by])
	}
}

func flipByte(w http.ResponseWriter, _ *http.Request, _ http.Header, content []byte) {
	content = bytes.Clone(content)
	content[len(content)/2] ^= 1
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	_, _ = w.Write(content)
}
