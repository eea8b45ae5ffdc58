package operation

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mooring/internal/backoff"
	"mooring/internal/bounded"
	"mooring/internal/durable"
	"mooring/internal/minisign"
)

const (
	// segmentBytes is how much of a download is in memory; what is on disk in
	// whole segments survives a power cut.
	segmentBytes = 1 << 20
	// stallLimit ends a connection that brings nothing.
	stallLimit = time.Minute
	// maxStalls is how many tries in a row may bring nothing new.
	maxStalls = 20
	// diskReserve stays free on the disk.
	diskReserve = 16 << 20

	stateFile = "state.json"
)

// retryWaits are between the tries of one download.
var retryWaits = backoff.Policy{Min: 2 * time.Second, Max: 5 * time.Minute, Factor: 2}

// file is what an operation says of a file. Digest and signature may also stand
// behind the URL: "https://…#sha256=…&minisig=…".
type file struct {
	URL       string `json:"url"`
	SHA256    string `json:"sha256,omitempty"`
	Signature string `json:"minisig,omitempty"`
}

// limits are what a download must keep to.
type limits struct {
	bytes  int
	signed bool // a signature is wanted if the configuration has keys
}

// progress is what is known of a download that is not complete.
type progress struct {
	URL       string `json:"url"`
	Validator string `json:"validator"` // ETag or Last-Modified, for If-Range (RFC 9110 §13.1.5)
	Segments  int    `json:"segments"`
	Bytes     int64  `json:"bytes"` // of all segments
	Complete  bool   `json:"complete"`
	Signature string `json:"signature,omitempty"`
}

// fetcher downloads one file.
type fetcher struct {
	m     *Manager
	web   *web
	dir   string
	file  file
	url   *url.URL
	limit limits
	progress
}

// download fetches a file into the directory of an operation. What an earlier
// try brought is kept. Digest and place are checked here, the signature by the
// helper, which has the keys from root.
func (m *Manager) download(ctx context.Context, j *job, name string, f file, l limits) (*downloaded, error) {
	d := &fetcher{m: m, web: m.newWeb(), dir: filepath.Join(j.dir(), name), limit: l}
	if err := d.judge(ctx, f); err != nil {
		return nil, err
	}
	if err := durable.MkdirAll(m.cfg.FS, d.dir, 0o700); err != nil {
		return nil, err
	}
	d.load()
	if d.file.Signature == "" && d.Signature == "" && l.signed && len(m.cfg.Operations.Download.Keys) > 0 {
		if err := d.fetchSignature(ctx); err != nil {
			return nil, err
		}
	}
	most := d.Bytes // that were ever there; a server that does not continue begins below it
	for stalls := 0; !d.Complete; {
		again, err := d.once(ctx)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err == nil:
		case !again:
			return nil, fmt.Errorf("download: %w", err)
		case d.Bytes > most:
			stalls, most = 0, d.Bytes
		default:
			stalls++
		}
		if stalls == maxStalls {
			return nil, fmt.Errorf("download: given up: %w", err)
		}
		if err != nil {
			m.log.Warn("the download is interrupted", "bytes", d.Bytes, "err", err)
			sleep(ctx, retryWaits.Delay(stalls, nil))
		}
	}
	got := &downloaded{fsys: m.cfg.FS, dir: d.dir, segments: d.Segments, signature: d.file.Signature}
	if got.signature == "" {
		got.signature = d.Signature
	}
	return got, d.check(got)
}

// judge reads the URL and refuses a file that nothing vouches for.
func (d *fetcher) judge(ctx context.Context, f file) error {
	u, err := url.Parse(strings.TrimSpace(f.URL))
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("%q is no URL of a file", bounded.Text(f.URL, 200))
	}
	if behind, err := url.ParseQuery(u.Fragment); err == nil {
		f.SHA256 = first(f.SHA256, behind.Get("sha256"))
		f.Signature = first(f.Signature, strings.ReplaceAll(behind.Get("minisig"), " ", "+"))
	}
	u.Fragment, u.RawFragment = "", ""
	if f.SHA256 != "" {
		if sum, err := hex.DecodeString(f.SHA256); err != nil || len(sum) != sha256.Size {
			return errors.New("sha256 is no SHA-256 in hexadecimal")
		}
	}
	if err := d.web.login(ctx); err != nil {
		return err
	}
	d.file, d.url = f, u
	vouched := f.SHA256 != "" || d.limit.signed && len(d.m.cfg.Operations.Download.Keys) > 0
	d.web.plain = vouched
	own := u.Scheme == "https" && d.web.isOwn(u)
	if !own && !vouched && !slices.Contains(d.m.cfg.Operations.Download.Hosts, u.Hostname()) {
		return fmt.Errorf("a file from %s needs a digest or a signature", u.Hostname())
	}
	return nil
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// load reads what an earlier try left; what is not of this file is removed.
func (d *fetcher) load() {
	text, err := d.m.cfg.FS.ReadFile(filepath.Join(d.dir, stateFile))
	if err == nil && json.Unmarshal(text, &d.progress) == nil && d.URL == d.url.String() {
		return
	}
	d.progress = progress{URL: d.url.String()}
}

func (d *fetcher) save() error {
	text, err := json.Marshal(d.progress)
	if err != nil {
		return err
	}
	return durable.WriteFile(d.m.cfg.FS, filepath.Join(d.dir, stateFile), text, 0o600)
}

// once asks for the rest of the file. again says that another try may help.
func (d *fetcher) once(ctx context.Context) (again bool, err error) {
	if err := d.web.login(ctx); err != nil { // waits for a connection as long as it takes
		return true, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(headerLimit+stallLimit, func() { cancel(errors.New("nothing came for a minute")) })
	defer stalled.Stop()
	answer, err := d.web.do(ctx, func() (*http.Request, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url.String(), nil)
		if err == nil && d.Bytes > 0 && d.Validator != "" {
			r.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.Bytes))
			r.Header.Set("If-Range", d.Validator)
		}
		return r, err
	})
	if err != nil {
		return mayPass(err), err
	}
	defer func() { _ = answer.Body.Close() }() // only read
	if again, err := d.begin(answer); err != nil {
		return again, err
	}
	return d.body(stallReader{answer.Body, stalled})
}

// mayPass reports whether a request that failed may succeed later as it is. A
// certificate out of date may: one of the clocks is wrong.
func mayPass(err error) bool {
	_, refused := errors.AsType[*tls.CertificateVerificationError](err)
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		refused = false
	}
	return !refused && !errors.Is(err, errPlain) && !errors.Is(err, errRedirects) && !errors.Is(err, errScheme)
}

// begin looks at the head of an answer. What was there is dropped if the answer
// does not continue it.
func (d *fetcher) begin(answer *http.Response) (again bool, err error) {
	switch {
	case answer.StatusCode == http.StatusPartialContent && continues(answer.Header.Get("Content-Range"), d.Bytes):
	case answer.StatusCode == http.StatusOK:
		d.restart(answer.Header)
	case answer.StatusCode == http.StatusPartialContent || answer.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		had := d.Bytes
		d.restart(nil)
		return had > 0, errors.New("the server does not continue the file")
	default:
		return busy(answer.StatusCode), fmt.Errorf("%s answered %s", d.url.Hostname(), answer.Status)
	}
	if answer.ContentLength < 0 {
		return false, nil
	}
	total := d.Bytes + answer.ContentLength
	if total > int64(d.limit.bytes) {
		return false, fmt.Errorf("the file has %d bytes, and %d are allowed", total, d.limit.bytes)
	}
	if d.m.cfg.Free != nil {
		if free, err := d.m.cfg.Free(); err == nil && uint64(answer.ContentLength)+diskReserve > free {
			return false, fmt.Errorf("the disk has no room: %d bytes are free", free)
		}
	}
	return false, nil
}

// continues reports whether "bytes 5-9/10" begins at offset.
func continues(contentRange string, offset int64) bool {
	return offset > 0 && strings.HasPrefix(contentRange, fmt.Sprintf("bytes %d-", offset))
}

// restart forgets what is there. Only a strong ETag or a date tells whether the
// rest belongs to it.
func (d *fetcher) restart(h http.Header) {
	validator := h.Get("ETag")
	if validator == "" || strings.HasPrefix(validator, "W/") {
		validator = h.Get("Last-Modified")
	}
	d.progress = progress{URL: d.URL, Signature: d.Signature, Validator: validator}
}

// body writes what comes, segment by segment.
func (d *fetcher) body(in io.Reader) (again bool, err error) {
	buf := make([]byte, segmentBytes)
	for {
		n, readErr := fill(in, buf)
		if d.Bytes+int64(n) > int64(d.limit.bytes) {
			return false, fmt.Errorf("the file has more than the %d bytes that are allowed", d.limit.bytes)
		}
		if n > 0 {
			if err := durable.WriteFile(d.m.cfg.FS, segmentPath(d.dir, d.Segments), buf[:n], 0o600); err != nil {
				return false, err
			}
			d.Segments++
			d.Bytes += int64(n)
		}
		d.Complete = errors.Is(readErr, io.EOF)
		if err := d.save(); err != nil {
			return false, err
		}
		switch {
		case d.Complete:
			return false, nil
		case readErr != nil:
			return true, readErr
		}
	}
}

// check compares the digest.
func (d *fetcher) check(got *downloaded) error {
	if d.file.SHA256 == "" {
		return nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, got.open()); err != nil {
		return err
	}
	if sum := hex.EncodeToString(h.Sum(nil)); !strings.EqualFold(sum, d.file.SHA256) {
		return fmt.Errorf("the file has the SHA-256 %s, not the one of the operation", sum)
	}
	return nil
}

// fetchSignature gets the signature that lies beside the file.
func (d *fetcher) fetchSignature(ctx context.Context) error {
	beside := *d.url
	beside.Path += ".minisig"
	answer, err := d.web.do(ctx, func() (*http.Request, error) {
		return http.NewRequestWithContext(ctx, http.MethodGet, beside.String(), nil)
	})
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // only read
	text, err := io.ReadAll(io.LimitReader(answer.Body, minisign.MaxSignature+1))
	if err == nil && (answer.StatusCode != http.StatusOK || len(text) > minisign.MaxSignature) {
		err = fmt.Errorf("%s answered %s", beside.Hostname(), answer.Status)
	}
	if err != nil {
		return fmt.Errorf("signature of the file: %w", err)
	}
	d.Signature = string(text)
	return d.save()
}
