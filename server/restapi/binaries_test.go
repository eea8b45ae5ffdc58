package restapi_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"testing"

	"mooring/server/platform"
)

const binariesPath = "/inventory/binaries"

// formPart is a part of a form as a client writes it.
type formPart struct{ name, file, media, content string }

func makeForm(t testing.TB, parts ...formPart) (body string, header http.Header) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		h := textproto.MIMEHeader{}
		disposition := fmt.Sprintf(`form-data; name=%q`, p.name)
		if p.file != "" {
			disposition += fmt.Sprintf(`; filename=%q`, p.file)
		}
		h.Set("Content-Disposition", disposition)
		if p.media != "" {
			h.Set("Content-Type", p.media)
		}
		part, err := w.CreatePart(h)
		check(t, err)
		_, err = part.Write([]byte(p.content))
		check(t, err)
	}
	check(t, w.Close())
	return b.String(), http.Header{"Content-Type": {w.FormDataContentType()}}
}

// TestUploads are the forms that clients send.
func TestUploads(t *testing.T) {
	r := newRig(t)
	tests := []struct {
		name  string
		parts []formPart
		want  string // name, type, contentType, length
	}{
		{"go-c8y-cli", []formPart{{"object", "", "", `{"name":"x.txt","type":"text/plain"}`}, {"file", "x.txt", "application/octet-stream", "hello"}}, "x.txt text/plain text/plain 5"},
		{"@c8y/client", []formPart{{"file", "bin", "application/octet-stream", "hello"}, {"object", "", "", `{"name":"bin","type":"c8y_upload"}`}}, "bin c8y_upload application/octet-stream 5"},
		{"c8y_api", []formPart{{"file", "", "text/csv", "a,b"}, {"object", "", "", `{"name":"t","type":"text/csv","c8y_IsBinary":"","extra":{"a":1}}`}}, "t text/csv text/csv 3"},
		{"older web clients", []formPart{{"object", "", "application/json", `{"name":"y","type":"image/png"}`}, {"filesize", "", "", "5"}, {"file", "y.png", "image/png", "hello"}}, "y image/png image/png 5"},
		{"file alone", []formPart{{"file", "alone.bin", "image/gif", ""}}, "alone.bin image/gif image/gif 0"},
	}
	for _, tt := range tests {
		body, header := makeForm(t, tt.parts...)
		up := r.do(request{method: "POST", path: binariesPath, body: body, header: header}).want(t, 201)
		o := up.tree(t)
		if got := fmt.Sprintf("%v %v %v %v", o["name"], o["type"], o["contentType"], o["length"]); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
		link := "https://" + tenantHost + binariesPath + "/" + up.text(t, "id")
		if o["c8y_IsBinary"] == nil || up.header.Get("Location") != link || up.text(t, "self") != link || o["owner"] != "admin" {
			t.Errorf("%s: got %s", tt.name, up.body)
		}
		down := r.do(request{method: "GET", path: binariesPath + "/" + up.text(t, "id")}).want(t, 200)
		content := ""
		for _, p := range tt.parts {
			if p.name == "file" {
				content = p.content
			}
		}
		if string(down.body) != content || down.header.Get("Content-Type") != fmt.Sprint(o["contentType"]) {
			t.Errorf("%s: got %q, %v", tt.name, down.body, down.header)
		}
	}
	raw := r.do(request{method: "POST", path: binariesPath, body: "raw", header: http.Header{"Content-Type": {"text/plain"}, "Content-Disposition": {`attachment; filename="../../etc/x.txt"`}}}).want(t, 201)
	if o := raw.tree(t); o["name"] != "x.txt" || o["contentType"] != "text/plain" {
		t.Errorf("got %s", raw.body)
	}
	body, header := makeForm(t, formPart{"object", "", "", `{}`})
	r.do(request{method: "POST", path: binariesPath, body: body, header: header}).want(t, 422)
	for _, object := range []string{`{`, `[]`, `{"name":{}}`, `{"name":"` + strings.Repeat("x", 2000) + `"}`} {
		body, header = makeForm(t, formPart{"file", "x", "", "left over?"}, formPart{"object", "", "", object})
		if got := r.do(request{method: "POST", path: binariesPath, body: body, header: header}); got.status != 400 && got.status != 422 {
			t.Errorf("%.10s: got %d %s", object, got.status, got.body)
		}
	}
	// A form that breaks off leaves nothing.
	body, header = makeForm(t, formPart{"file", "x", "", strings.Repeat("y", 1000)})
	r.do(request{method: "POST", path: binariesPath, body: body[:len(body)-100], header: header}).want(t, 400)
	if got := r.find(t, request{path: binariesPath}); len(got) != len(tests)+1 {
		t.Errorf("%d files: %q", len(got), got)
	}
	if got := r.find(t, request{path: binariesPath}, "type", "text/csv"); len(got) != 1 {
		t.Errorf("by type: %q", got)
	}
	r.object(t, `{"name":"no file","type":"text/csv"}`)
	if got := r.find(t, request{path: binariesPath}, "query", "type eq 'text/csv'"); len(got) != 1 {
		t.Errorf("by query: %q", got)
	}
}

func (r *rig) upload1(t testing.TB, content string, q request) string {
	t.Helper()
	q.method, q.path = "POST", binariesPath
	q.body, q.header = makeForm(t, formPart{"object", "", "", `{"name":"ä \"x\".bin","type":"application/x-test"}`}, formPart{"file", "x.bin", "", content})
	return r.do(q).want(t, 201).text(t, "id")
}

func TestDownload(t *testing.T) {
	r := newRig(t)
	content := strings.Repeat("0123456789", 60_000) // more than one chunk
	path := binariesPath + "/" + r.upload1(t, content, request{})
	whole := r.do(request{method: "GET", path: path}).want(t, 200)
	h := whole.header
	if string(whole.body) != content || h.Get("Accept-Ranges") != "bytes" || h.Get("ETag") == "" || h.Get("Last-Modified") == "" ||
		!strings.HasPrefix(h.Get("Content-Disposition"), "attachment") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Length") != fmt.Sprint(len(content)) {
		t.Errorf("got %d bytes, %v", len(whole.body), h)
	}
	for _, tt := range []struct {
		header http.Header
		status int
		want   string
		part   string
	}{
		{http.Header{"Range": {"bytes=0-4"}}, 206, content[:5], "bytes 0-4/600000"},
		{http.Header{"Range": {"bytes=524280-524295"}}, 206, content[524280:524296], "bytes 524280-524295/600000"},
		{http.Header{"Range": {"bytes=599990-"}}, 206, content[599990:], "bytes 599990-599999/600000"},
		{http.Header{"Range": {"bytes=-3"}}, 206, content[599997:], "bytes 599997-599999/600000"},
		{http.Header{"Range": {"bytes=599999-700000"}}, 206, "9", "bytes 599999-599999/600000"},
		{http.Header{"Range": {"bytes=600000-"}}, 416, "", "bytes */600000"},
		{http.Header{"Range": {"bytes=0-4"}, "If-Range": {h.Get("ETag")}}, 206, content[:5], "bytes 0-4/600000"},
		{http.Header{"Range": {"bytes=0-4"}, "If-Range": {`"other"`}}, 200, content, ""},
		{http.Header{"Range": {"lines=0-4"}}, 200, content, ""},
		{http.Header{"If-None-Match": {h.Get("ETag")}}, 304, "", ""},
		{http.Header{"If-Match": {`"other"`}}, 412, "", ""},
	} {
		got := r.do(request{method: "GET", path: path, header: tt.header}).want(t, tt.status)
		if got.header.Get("Content-Range") != tt.part || tt.status < 300 && sha256.Sum256(got.body) != sha256.Sum256([]byte(tt.want)) {
			t.Errorf("%v: got %d bytes, %v", tt.header, len(got.body), got.header)
		}
	}
	if head := r.do(request{method: "HEAD", path: path}).want(t, 200); len(head.body) != 0 || head.header.Get("Content-Length") != "600000" {
		t.Errorf("HEAD: %v", head.header)
	}

	up := r.do(request{method: "PUT", path: path, body: "second", header: http.Header{"Content-Type": {"text/plain"}}}).want(t, 201).tree(t)
	if fmt.Sprint(up["length"]) != "6" || up["contentType"] != "text/plain" || up["type"] != "application/x-test" {
		t.Errorf("got %v", up)
	}
	second := r.do(request{method: "GET", path: path, header: http.Header{"Range": {"bytes=0-4"}, "If-Range": {h.Get("ETag")}}}).want(t, 200)
	if string(second.body) != "second" {
		t.Errorf("got %s", second.body)
	}
	r.do(request{method: "DELETE", path: path}).want(t, 204)
	r.do(request{method: "DELETE", path: path}).want(t, 404)
	r.do(request{method: "GET", path: path}).want(t, 404)
	r.do(request{method: "PUT", path: path, body: "x"}).want(t, 404)
}

func TestBinaryBounds(t *testing.T) {
	r := newRig(t) // a file has at most 3 MiB there
	for n, status := range map[int]int{3<<20 - 1: 201, 3 << 20: 201, 3<<20 + 1: 413, 6 << 20: 413} {
		r.do(request{method: "POST", path: binariesPath, body: strings.Repeat("x", n), header: http.Header{"Content-Type": {"text/plain"}}}).want(t, status)
		body, header := makeForm(t, formPart{"file", "x", "", strings.Repeat("x", n)}, formPart{"object", "", "", `{"name":"f"}`})
		r.do(request{method: "POST", path: binariesPath, body: body, header: header}).want(t, status)
	}
	if got := r.find(t, request{path: binariesPath}); len(got) != 4 {
		t.Errorf("%q", got)
	}
}

func TestBinaryRights(t *testing.T) {
	r := newRig(t)
	r.device(t, tenant, "dev1", "secret-of-dev1")
	id := r.upload1(t, "secret", request{})
	device := request{user: "device_dev1", password: "secret-of-dev1"}
	stranger := request{host: otherHost}
	as := func(q request, method, path string) answer {
		q.method, q.path = method, path
		return r.do(q)
	}
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		as(device, method, binariesPath+"/"+id).want(t, 403)
		as(stranger, method, binariesPath+"/"+id).want(t, 404)
	}
	if got := r.find(t, request{path: binariesPath, host: otherHost}); len(got) != 0 {
		t.Errorf("of another tenant: %q", got)
	}
	if got := r.find(t, request{path: binariesPath, user: device.user, password: device.password}); len(got) != 0 {
		t.Errorf("of others: %q", got)
	}
	own := r.upload1(t, "mine", device)
	if got := as(device, "GET", binariesPath+"/"+own).want(t, 200); string(got.body) != "mine" {
		t.Errorf("got %s", got.body)
	}
	as(stranger, "GET", binariesPath+"/"+own).want(t, 404)
	// An object without a file is no file, and a file that is deleted as an object is gone.
	plain := r.object(t, `{"c8y_IsBinary":{}}`)
	r.do(request{method: "GET", path: binariesPath + "/" + plain}).want(t, 404)
	r.do(request{method: "GET", path: binariesPath + "/" + r.object(t, `{}`)}).want(t, 404)
	r.do(request{method: "DELETE", path: objectsPath + "/" + id}).want(t, 204)
	number, _ := platform.ParseID(id)
	if _, err := r.store.Binary(t.Context(), tenant, number); err == nil {
		t.Error("the bytes are still there")
	}
}
