package restapi_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
)

// parts writes parts "name[;filename[;type]]" → text as a browser would.
func parts(t testing.TB, list ...[2]string) (contentType, body string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range list {
		fields := strings.Split(p[0], ";")
		h := textproto.MIMEHeader{}
		h.Set("Content-Disposition", `form-data; name="`+fields[0]+`"`)
		if len(fields) > 1 {
			h.Set("Content-Disposition", `form-data; name="`+fields[0]+`"; filename="`+fields[1]+`"`)
		}
		if len(fields) > 2 {
			h.Set("Content-Type", fields[2])
		}
		part, err := w.CreatePart(h)
		check(t, err)
		_, err = part.Write([]byte(p[1]))
		check(t, err)
	}
	check(t, w.Close())
	return w.FormDataContentType(), b.String()
}

func TestEventBinaries(t *testing.T) {
	r := newRig(t)
	id := r.device(t, tenant, "dev1", "secret-of-dev1").String()
	device := request{user: "device_dev1", password: "secret-of-dev1"}
	event := func() string {
		t.Helper()
		return r.do(request{method: "POST", path: "/event/events", body: `{"source":{"id":"` + id + `"},"type":"T","text":"x","time":"2020-01-01T00:00:00Z"}`}).want(t, 201).text(t, "id")
	}
	send := func(method, event, contentType, disposition, body string) answer {
		q := device
		q.method, q.path, q.body, q.header = method, "/event/events/"+event+"/binaries", body, http.Header{}
		if contentType != "" {
			q.header["Content-Type"] = strings.Split(contentType, "|")
		}
		if disposition != "" {
			q.header.Set("Content-Disposition", disposition)
		}
		return r.do(q)
	}
	one := event()
	path := "/event/events/" + one + "/binaries"
	if got := send("GET", one, "", "", "").want(t, 404).tree(t); got["error"] != "Not Found" || got["message"] != "Attachment not found" {
		t.Errorf("got %v", got)
	}
	send("PUT", one, "text/plain", "", "x").want(t, 404)
	send("DELETE", one, "", "", "").want(t, 404)
	made := send("POST", one, "text/plain", `attachment; filename="hello.txt"`, "hello world").want(t, 201)
	if m := made.tree(t); m["name"] != "hello.txt" || m["type"] != "text/plain" || m["source"] != one || !strings.HasSuffix(m["self"].(string), path) {
		t.Errorf("got %s", made.body)
	}
	if got := send("POST", one, "text/plain", "", "again").want(t, 409).tree(t); got["error"] != "Duplicate" || got["message"] != "Attachment already exists" {
		t.Errorf("got %v", got)
	}
	if got := string(r.do(request{method: "GET", path: "/event/events/" + one}).want(t, 200).body); !strings.Contains(got, `"c8y_IsBinary":{"name":"hello.txt","length":11,"type":"text/plain"}`) {
		t.Errorf("got %s", got)
	}
	whole := send("GET", one, "", "", "").want(t, 200)
	if string(whole.body) != "hello world" || whole.header.Get("Content-Type") != "text/plain" {
		t.Errorf("got %s of %s", whole.body, whole.header.Get("Content-Type"))
	}
	part := r.do(request{method: "GET", path: path, header: http.Header{"Range": {"bytes=6-8"}}}).want(t, 206)
	if string(part.body) != "wor" || part.header.Get("Content-Range") != "bytes 6-8/11" {
		t.Errorf("got %s of %s", part.body, part.header.Get("Content-Range"))
	}
	r.do(request{method: "GET", path: path, header: http.Header{"Range": {"bytes=99-"}}}).want(t, 416)
	r.do(request{method: "HEAD", path: path}).want(t, 200)
	send("PUT", one, "application/octet-stream", "", "").want(t, 201)
	if got := send("GET", one, "", "", "").want(t, 200); len(got.body) != 0 {
		t.Errorf("got %q after it was replaced by nothing", got.body)
	}

	// Forms: of the platform's clients, and of tedge with two Content-Types.
	two, three := event(), event()
	contentType, body := parts(t, [2]string{"object", `{"name":"log.txt","type":"text/x-log"}`}, [2]string{"file;f.bin;application/octet-stream", "lines"})
	if m := send("POST", two, contentType, "", body).want(t, 201).tree(t); m["name"] != "log.txt" || m["type"] != "text/x-log" {
		t.Errorf("got %v", m)
	}
	contentType, body = parts(t, [2]string{"type", "text/markdown"}, [2]string{"file;notes.md", "# x"})
	if m := send("POST", three, "multipart/form-data|"+contentType, "", body).want(t, 201).tree(t); m["name"] != "notes.md" || m["type"] != "text/markdown" {
		t.Errorf("got %v", m)
	}
	if got := send("GET", three, "", "", "").want(t, 200); string(got.body) != "# x" || got.header.Get("Content-Type") != "text/markdown" {
		t.Errorf("got %q of %s", got.body, got.header.Get("Content-Type"))
	}
	four := event()
	contentType, body = parts(t, [2]string{"object", `{}`})
	send("POST", four, contentType, "", body).want(t, 422)
	contentType, body = parts(t, [2]string{"type", strings.Repeat("x", 1025)}, [2]string{"file;f", "x"})
	send("POST", four, contentType, "", body).want(t, 400)

	// Nobody else, and no other tenant.
	r.device(t, tenant, "dev2", "secret-of-dev2")
	for _, method := range []string{"GET", "PUT", "DELETE", "POST"} {
		r.do(request{method: method, path: path, user: "device_dev2", password: "secret-of-dev2", body: "x"}).want(t, 403)
		r.do(request{method: method, path: path, host: otherHost, body: "x"}).want(t, 404)
		r.do(request{method: method, path: "/event/events/99999/binaries", body: "x"}).want(t, 404)
	}
	send("DELETE", one, "", "", "").want(t, 204)
	send("GET", one, "", "", "").want(t, 404)
	if got := string(r.do(request{method: "GET", path: "/event/events/" + one}).want(t, 200).body); strings.Contains(got, "c8y_IsBinary") {
		t.Errorf("got %s", got)
	}
	send("POST", one, "", "", "new").want(t, 201)
	if got := send("GET", one, "", "", "").want(t, 200); string(got.body) != "new" {
		t.Errorf("got %q", got.body)
	}
	// With the event its file goes.
	r.do(request{method: "DELETE", path: "/event/events/" + one}).want(t, 204)
	send("GET", one, "", "", "").want(t, 404)
}
