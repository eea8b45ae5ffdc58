package interop_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// uploadBytes is the size of a file that is uploaded while the server dies: a
// few chunks.
const uploadBytes = 3 << 20

// fileOf is the file of one upload; no two are alike.
func fileOf(seed uint64) []byte {
	b := make([]byte, uploadBytes)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	_, _ = r.Read(b)
	return b
}

// TestKilledServerKeepsWholeFiles kills the server while files are uploaded:
// what was acknowledged is there byte for byte, nothing is there by halves, and
// a file that was being replaced is the old or the new one.
func TestKilledServerKeepsWholeFiles(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := launch{}.start(t, t.TempDir())
	acknowledged := map[string]uint64{} // ID → seed of its content
	var replaced struct{ ID string }
	first := s.admin(t, http.MethodPost, "/inventory/binaries", "application/x-replaced", fileOf(0))
	if err := json.Unmarshal(first.body, &replaced); err != nil || first.status != http.StatusCreated {
		t.Fatal(first)
	}
	versions := map[[32]byte]bool{sha256.Sum256(fileOf(0)): true}
	next := uint64(1)
	for range 2 {
		var mu sync.Mutex
		var uploads sync.WaitGroup
		sent := newTally(uploadBytes + random.Int64N(7*uploadBytes))
		for range 2 {
			numbers := []uint64{next, next + 1, next + 2, next + 3}
			next += 4
			for _, n := range numbers {
				versions[sha256.Sum256(fileOf(n))] = true
			}
			uploads.Go(func() {
				for _, number := range numbers {
					id, ok := upload(t, s, replaced.ID, number, sent)
					if !ok {
						return // the server is gone: nothing was promised
					}
					mu.Lock()
					acknowledged[id] = number
					mu.Unlock()
				}
			})
		}
		go func() { uploads.Wait(); sent.reach() }()
		<-sent.reached // the moment of the crash
		s.kill()
		uploads.Wait()
		s = launch{again: s}.start(t, s.dir)
	}
	var list struct {
		ManagedObjects []struct {
			ID     string
			Length int
		}
	}
	s.get(t, "/inventory/binaries?pageSize=100", &list)
	found := map[string]bool{}
	for _, o := range list.ManagedObjects {
		found[o.ID] = true
		a := download(t, s, o.ID)
		if o.Length != uploadBytes || !versions[sha256.Sum256(a)] {
			t.Errorf("file %s has %d bytes and is none that was sent", o.ID, len(a))
		}
		if number, ok := acknowledged[o.ID]; ok && o.ID != replaced.ID && !bytes.Equal(a, fileOf(number)) {
			t.Errorf("file %s is not what was acknowledged", o.ID)
		}
	}
	for id := range acknowledged {
		if !found[id] {
			t.Errorf("file %s was acknowledged and is gone", id)
		}
	}
	t.Logf("%d uploads acknowledged, %d files", len(acknowledged), len(list.ManagedObjects))
}

// upload sends a file, each fourth in place of the one that is there.
func upload(t *testing.T, s *instance, replaced string, number uint64, sent *tally) (id string, ok bool) {
	method, path := http.MethodPost, "/inventory/binaries"
	if number%4 == 0 {
		method, path = http.MethodPut, path+"/"+replaced
	}
	a, err := s.do(t.Context(), method, path, "admin", s.pass, "application/x-upload", sent.count(bytes.NewReader(fileOf(number))))
	var made struct{ ID string }
	ok = err == nil && a.status == http.StatusCreated && json.Unmarshal(a.body, &made) == nil
	return made.ID, ok
}

// tally counts the bytes that clients hand over.
type tally struct {
	left    atomic.Int64
	reached chan struct{} // closed when enough are gone
	reach   func()
}

func newTally(n int64) *tally {
	t := &tally{reached: make(chan struct{})}
	t.left.Store(n)
	t.reach = sync.OnceFunc(func() { close(t.reached) })
	return t
}

func (t *tally) count(r io.Reader) io.Reader { return tallied{r, t} }

type tallied struct {
	io.Reader
	t *tally
}

func (r tallied) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p[:min(len(p), 64<<10)])
	if r.t.left.Add(-int64(n)) <= 0 {
		r.t.reach()
	}
	return n, err
}

func download(t *testing.T, s *instance, id string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("https://%s/inventory/binaries/%s", s.HTTPS, id), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("admin", s.pass)
	response, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("file %s: %s, %v", id, response.Status, err)
	}
	return text
}
