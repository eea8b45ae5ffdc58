package restapi

import (
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"

	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

// octets is the media type of what nobody knows.
const octets = "application/octet-stream"

// formOverhead is what a form may have besides the file.
const formOverhead = 2 << 20

// maxTypeBytes bounds the part "type" of a form.
const maxTypeBytes = 1024

// maxUpload bounds the body of an upload.
func (a *API) maxUpload() int64 {
	if a.Files == nil {
		return 0
	}
	return a.Files.Bound() + formOverhead
}

// upload is a file as a client sends it: the bytes, which are stored, and what
// is said of them.
type upload struct {
	stored bool
	size   int64
	name   string         // of the file, without folders
	media  string         // of the bytes; empty: not said
	named  string         // what the part "type" of a form says; empty: there is none
	object c8yjson.Object // what the client says of the file
}

// receive stores the bytes of the request under id: the part "file" of a form,
// wherever it stands, or the whole body. It returns what it has if it fails.
func receive(c *call, id platform.ID) (upload, error) {
	c.patient()
	if media, _, _ := mime.ParseMediaType(multipartType(c.r)); media != "multipart/form-data" {
		up := upload{media: c.r.Header.Get("Content-Type"), object: c8yjson.Object{}}
		up.name = fileName(c.r.Header.Get("Content-Disposition"))
		return up, up.store(c, id, c.r.Body)
	}
	up := upload{object: c8yjson.Object{}}
	form, err := openForm(c)
	if err != nil {
		return up, err
	}
	for range maxFormParts {
		part, err := nextPart(form)
		if err != nil || part == nil {
			return up, err
		}
		if err := up.part(c, id, part); err != nil {
			return up, err
		}
	}
	return up, problem.New(problem.TooLarge, "The form has too many parts.", nil)
}

// part takes one part of a form.
func (up *upload) part(c *call, id platform.ID, part *multipart.Part) (err error) {
	switch part.FormName() {
	case "file":
		if up.stored {
			return problem.New(problem.Unprocessable, "The form has two files.", nil)
		}
		up.name, up.media = part.FileName(), part.Header.Get("Content-Type")
		return up.store(c, id, part)
	case "object":
		text, err := io.ReadAll(io.LimitReader(part, formOverhead/2+1))
		if err != nil {
			return problem.New(problem.Invalid, "The multipart body cannot be read.", err)
		}
		if len(text) > formOverhead/2 {
			return problem.New(problem.TooLarge, "The part 'object' is too large.", nil)
		}
		up.object, err = c8yjson.ParseObject(text)
		return err
	}
	if part.FormName() == "type" { // as tedge names the type of an attachment (rest.md §6.5)
		text, err := io.ReadAll(io.LimitReader(part, maxTypeBytes+1))
		if err != nil || len(text) > maxTypeBytes {
			return problem.New(problem.Invalid, "The part 'type' cannot be read or is too long.", err)
		}
		up.named = string(text)
	}
	return nil // "filesize" and others tell nothing that the bytes do not
}

func (up *upload) store(c *call, id platform.ID, r io.Reader) error {
	b, err := c.api.Files.Store(c.ctx(), c.tenant(), id, tooLargeReader{r})
	up.stored, up.size = err == nil, b.Length
	return err
}

// tooLargeReader gives the error of a body beyond its bound its kind.
type tooLargeReader struct{ r io.Reader }

func (t tooLargeReader) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if _, ok := err.(*http.MaxBytesError); ok {
		err = problem.New(problem.TooLarge, "The file is too large.", err)
	}
	return n, err
}

func (up *upload) length() json.RawMessage { return strconv.AppendInt(nil, up.size, 10) }

// describe writes into a new object what is known of the file.
func (up *upload) describe(o *platform.ManagedObject) {
	if o.Name == "" {
		o.Name = up.name
	}
	media := fragmentText(*o, "contentType")
	switch {
	case media != "":
	case strings.Contains(o.Type, "/"):
		media = o.Type
	case up.media != "":
		media = up.media
	default:
		media = octets
	}
	if o.Type == "" {
		o.Type = media
	}
	o.Fragments[fragmentIsBinary] = json.RawMessage("{}")
	o.Fragments["contentType"] = quoted(media)
	o.Fragments["length"] = up.length()
}

// fragmentText is a fragment that is a text.
func fragmentText(o platform.ManagedObject, name string) (s string) {
	_ = json.Unmarshal(o.Fragments[name], &s) // empty unless it is one
	return s
}

func quoted(s string) json.RawMessage {
	b, _ := json.Marshal(s) // a string always marshals
	return b
}

// fileName reads the name of a file from Content-Disposition.
func fileName(header string) string {
	_, params, err := mime.ParseMediaType(header)
	if err != nil {
		return ""
	}
	name := params["filename"]
	return name[strings.LastIndexAny(name, `/\`)+1:]
}
