package restapi

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"

	"mooring/internal/problem"
)

// maxFormParts bounds the parts of a form before the one that is wanted.
const maxFormParts = 16

// multipartType is the Content-Type that names a boundary: some clients send
// two, the first without (rest.md §6.5).
func multipartType(r *http.Request) string {
	for _, t := range r.Header.Values("Content-Type") {
		if _, params, err := mime.ParseMediaType(t); err == nil && params["boundary"] != "" {
			return t
		}
	}
	return r.Header.Get("Content-Type")
}

// formFile returns the part of a multipart form that has the name. It is read
// from the connection; parts before it are skipped.
func formFile(c *call, name string) (io.Reader, error) {
	media, params, err := mime.ParseMediaType(multipartType(c.r))
	if err != nil || media != "multipart/form-data" || params["boundary"] == "" {
		return nil, problem.New(problem.Invalid, "The body must be multipart/form-data.", err)
	}
	form := multipart.NewReader(c.r.Body, params["boundary"])
	for range maxFormParts {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, problem.New(problem.Invalid, "The multipart body cannot be read.", err)
		}
		if part.FormName() == name {
			return part, nil
		}
	}
	return nil, problem.New(problem.Unprocessable, "The form has no part '"+name+"'.", nil)
}
