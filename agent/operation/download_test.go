package operation_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mooring/agent/helper"
	"mooring/agent/operation"
)

func digest(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// image is three segments and a bit.
var image = strings.Repeat("0123456789abcdef", 200_000)

func (w *world) firmware(members string) *order {
	return w.create("c8y_Firmware", `{"name":"os","version":"1",`+members+`}`, "")
}

// The token goes to the own server and to nobody else, whoever asks for it.
func TestTokenStaysHome(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, s *site) {
		files(s)
		s.handle = func(rw http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/away" {
				http.Redirect(rw, r, "http://files.example.net/conf", http.StatusFound)
			}
			if r.URL.Path == "/home" {
				http.Redirect(rw, r, "https://T42.example.com/conf", http.StatusFound)
			}
			return r.URL.Path == "/away" || r.URL.Path == "/home"
		}
		vouched := `","sha256":"` + digest("new\n")
		for _, tt := range []struct{ url, status, reason, asked string }{
			{"https://t1.example.com/conf", "SUCCESSFUL", "", "t1.example.com:443/conf token"},
			{"https://T1.example.com:443/conf", "SUCCESSFUL", "", "t1.example.com:443/conf token"},
			{"https://t42.example.com/conf", "SUCCESSFUL", "", "t1.example.com:443/conf token"},
			{"http://t1.example.com/conf", "FAILED", "needs a digest", ""},
			{"https://t1.example.com.example.net/conf", "FAILED", "needs a digest", ""},
			{"https://t1.example.com@files.example.net/conf", "FAILED", "needs a digest", ""},
			{"https://t43.example.com/conf", "FAILED", "needs a digest", ""},
			{"https://t1.example.com:8443/conf", "FAILED", "needs a digest", ""},
			{"http://files.example.net/conf", "FAILED", "needs a digest", ""},
			{"http://files.example.net/conf" + vouched, "SUCCESSFUL", "", "files.example.net/conf anonymous"},
			{"https://t1.example.com/away", "FAILED", "without TLS", "t1.example.com:443/away token"},
			{"https://t1.example.com/away" + vouched, "SUCCESSFUL", "", "t1.example.com:443/away token, files.example.net/conf anonymous"},
			{"https://t1.example.com/home", "SUCCESSFUL", "", "t1.example.com:443/home token, t1.example.com:443/conf token"},
			{"ftp://t1.example.com/conf" + vouched, "FAILED", "no URL of a file", ""},
			{"/etc/shadow" + vouched, "FAILED", "no URL of a file", ""},
		} {
			s.asked()
			o := w.create("c8y_DownloadConfigFile", `{"type":"app","url":"`+tt.url+`"}`, "")
			w.settle(o)
			w.want(o, tt.status, tt.reason)
			if got := strings.Join(s.asked(), ", "); got != tt.asked {
				t.Errorf("%s: asked %q, want %q", tt.url, got, tt.asked)
			}
		}
	})
}

// A download goes on where it broke off, in this life or the next, and begins
// anew if the file is another one.
func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := w.serve(t)
		content, etag, broken := image, `"1"`, 2
		s.handle = func(rw http.ResponseWriter, r *http.Request) bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			rw.Header().Set("ETag", etag)
			if broken--; broken >= 0 {
				rw.Header().Set("Content-Length", fmt.Sprint(len(content)))
				_, _ = rw.Write([]byte(content[:1_500_000])) // and no more: the connection breaks
				return true
			}
			http.ServeContent(rw, r, "", time.Time{}, strings.NewReader(content))
			return true
		}
		w.start()
		o := w.firmware(`"url":"https://t1.example.com/image","sha256":"` + digest(image) + `"`)
		w.settle(o)
		w.want(o, "SUCCESSFUL", "")
		if got := s.asked(); len(got) != 3 || !strings.HasSuffix(got[1], "bytes=1500000-") || !strings.HasSuffix(got[2], "-") || w.files["install-firmware"] != image {
			t.Errorf("asked %q, %d bytes came", got, len(w.files["install-firmware"]))
		}
		// The agent is killed, and the file changes meanwhile.
		s.mu.Lock()
		broken = 1000
		s.mu.Unlock()
		o = w.firmware(`"url":"https://t1.example.com/image"`)
		time.Sleep(10 * time.Second)
		w.stop()
		s.mu.Lock()
		broken, content, etag = 0, image+"!", `"2"`
		s.mu.Unlock()
		s.asked()
		w.start()
		w.settle(o)
		w.want(o, "SUCCESSFUL", "")
		if got := s.asked(); len(got) != 1 || !strings.Contains(got[0], "bytes=") || w.files["install-firmware"] != image+"!" {
			t.Errorf("asked %q, %d bytes came", got, len(w.files["install-firmware"]))
		}
		w.stop()
	})
}

// What is wrong with a file ends the operation, leaves nothing behind, and never
// reaches the helper.
func TestBadFiles(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, s *site) {
		s.files["/image"] = image
		busy := 0
		s.handle = func(rw http.ResponseWriter, r *http.Request) bool {
			switch r.URL.Path {
			case "/endless":
				for range 100 {
					if _, err := rw.Write([]byte(image)); err != nil {
						break
					}
				}
			case "/liar":
				rw.Header().Set("Content-Range", "bytes 7-9/10")
				rw.WriteHeader(http.StatusPartialContent)
			case "/loop":
				http.Redirect(rw, r, "/loop", http.StatusFound)
			case "/busy":
				if busy++; busy < 4 {
					rw.WriteHeader(http.StatusServiceUnavailable)
					return true
				}
				_, _ = rw.Write([]byte(image)) // to a client in this process
			default:
				return false
			}
			return true
		}
		w.ops.Download.MaxBytes = len(image)
		w.stop()
		w.start()
		for _, tt := range []struct{ members, reason string }{
			{`"url":"https://t1.example.com/image","sha256":"` + digest("x") + `"`, "not the one of the operation"},
			{`"url":"https://t1.example.com/image#sha256=` + digest("x") + `"`, "not the one of the operation"},
			{`"url":"https://t1.example.com/image","sha256":"12"`, "no SHA-256"},
			{`"url":"https://t1.example.com/absent"`, "answered 404"},
			{`"url":"https://t1.example.com/endless"`, "are allowed"},
			{`"url":"https://t1.example.com/liar"`, "does not continue"},
			{`"url":"https://t1.example.com/loop"`, "download: Get"}, // at once, not given up after twenty tries
			{`"url":"https://files.example.net/image","sha256":"` + digest(image) + `"`, "download: Get"},
		} {
			o := w.firmware(tt.members)
			w.settle(o)
			w.want(o, "FAILED", tt.reason)
		}
		if w.effects["install-firmware os"] != 0 {
			t.Errorf("effects %v", w.effects)
		}
		for _, members := range []string{`"url":"https://t1.example.com/busy"`, `"url":"https://t1.example.com/image#sha256=` + digest(image) + `"`} {
			o := w.firmware(members)
			w.settle(o)
			w.want(o, "SUCCESSFUL", "")
		}
		w.ops.Download.MaxBytes = len(image) - 1
		w.stop()
		w.start()
		o := w.firmware(`"url":"https://t1.example.com/image"`)
		w.settle(o)
		w.want(o, "FAILED", "3199999 are allowed")
		if left, err := w.disk.ReadDir("/operations"); err != nil || len(left) != 1 {
			t.Errorf("left: %v, %v", left, err)
		}
	})
}

// A server that stops sending is left and asked again.
func TestStall(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, s *site) {
		stalled := 0
		s.handle = func(rw http.ResponseWriter, r *http.Request) bool {
			if stalled++; stalled > 1 {
				return false
			}
			rw.Header().Set("Content-Length", "4")
			_, _ = rw.Write([]byte("ne")) // to a client in this process
			rw.(http.Flusher).Flush()
			<-r.Context().Done()
			return true
		}
		s.files["/conf"] = "new\n"
		o := w.create("c8y_DownloadConfigFile", `{"type":"app","url":"https://t1.example.com/conf"}`, "")
		w.settle(o)
		w.want(o, "SUCCESSFUL", "")
		if w.files["write-config"] != "new\n" {
			t.Errorf("got %q", w.files["write-config"])
		}
	})
}

// A disk that is full, or would be, fails the operation and not the agent.
func TestDiskFull(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, s *site) {
		s.files["/image"] = image
		w.disk.FailAt(w.disk.Steps()+30, syscall.ENOSPC) // a segment
		o := w.firmware(`"url":"https://t1.example.com/image"`)
		w.settle(o)
		w.want(o, "FAILED", "no space left")
		free := uint64(len(image)) + 16<<20
		w.edit = func(before func(*operation.Config)) func(*operation.Config) {
			return func(c *operation.Config) {
				before(c)
				c.Free = func() (uint64, error) { return free, nil }
			}
		}(w.edit)
		for _, tt := range []struct {
			free   uint64
			status string
		}{{free - 1, "FAILED"}, {free, "SUCCESSFUL"}} {
			free = tt.free
			w.stop()
			w.start()
			o = w.firmware(`"url":"https://t1.example.com/image"`)
			w.settle(o)
			w.want(o, tt.status, "")
		}
		if left, err := w.disk.ReadDir("/operations"); err != nil || slices.ContainsFunc(left, func(d os.DirEntry) bool { return d.IsDir() }) {
			t.Errorf("left: %v, %v", left, err)
		}
	})
}

// With a key in the configuration a signature is fetched, if none is said, and
// handed to the helper, who judges it.
func TestSignatureTravels(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, s *site) {
		s.files["/image"], s.files["/image.minisig"] = "bits", "beside"
		var got []string
		w.answer = func(r helper.Request) helper.Result {
			if r.Verb == helper.InstallFirmware {
				got = append(got, r.Signature)
			}
			return helper.Result{}
		}
		w.ops.Download.Keys = []string{"any"}
		w.stop()
		w.start()
		for _, members := range []string{
			`"url":"https://t1.example.com/image"`,
			`"url":"https://t1.example.com/image","minisig":"said"`,
			`"url":"http://files.example.net/image#minisig=a+b%2Fc%3D"`,
		} {
			o := w.firmware(members)
			w.settle(o)
			w.want(o, "SUCCESSFUL", "")
		}
		o := w.firmware(`"url":"https://t1.example.com/other"`)
		w.settle(o)
		w.want(o, "FAILED", "signature of the file")
		if want := []string{"beside", "said", "a+b/c="}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestNeverContinued has a server break off each time, and answer the request for
// the rest with another part: what came again is no progress.
func TestNeverContinued(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world, s *site) {
		s.handle = func(rw http.ResponseWriter, r *http.Request) bool {
			rw.Header().Set("ETag", `"1"`)
			rw.Header().Set("Content-Length", fmt.Sprint(len(image)))
			if r.Header.Get("Range") != "" {
				rw.Header().Set("Content-Range", fmt.Sprintf("bytes 7-%d/%d", len(image)-1, len(image)))
				rw.WriteHeader(http.StatusPartialContent)
			}
			_, _ = rw.Write([]byte(image[:1_500_000])) // and no more: the connection breaks
			return true
		}
		o := w.firmware(`"url":"https://t1.example.com/image"`)
		time.Sleep(12 * time.Hour)
		w.settle(o)
		w.want(o, "FAILED", "given up")
	})
}
