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

// openForm starts to read a multipart body.
func openForm(c *call) (*multipart.Reader, error) {
	media, params, err := mime.ParseMediaType(multipartType(c.r))
	if err != nil || media != "multipart/form-data" || params["boundary"] == "" {
		return nil, problem.New(problem.Invalid, "The body must be multipart/form-data.", err)
	}
	return multipart.NewReader(c.r.Body, params["boundary"]), nil
}

// nextPart returns nil at the end of the form.
func nextPart(form *multipart.Reader) (*multipart.Part, error) {
	part, err := form.NextPart()
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, problem.New(problem.Invalid, "The multipart body cannot be read.", err)
	}
	return part, nil
}

// formFile returns the part of a multipart form that has the name. It is read
// from the connection; parts before it are skipped.
func formFile(c *call, name string) (io.Reader, error) {
	form, err := openForm(c)
	if err != nil {
		return nil, err
	}
	for range maxFormParts {
		part, err := nextPart(form)
		if err != nil {
			return nil, err
		}
		if part == nil {
			break
		}
		if part.FormName() == name {
			return part, nil
		}
	}
	return nil, problem.New(problem.Unprocessable, "The form has no part '"+name+"'.", nil)
}

// formParts reads the parts of a form that bounds names, each up to its bound
// in bytes.
func formParts(c *call, bounds map[string]int) (map[string][]byte, error) {
	form, err := openForm(c)
	if err != nil {
		return nil, err
	}
	parts := map[string][]byte{}
	for range maxFormParts {
		part, err := nextPart(form)
		if err != nil || part == nil {
			return parts, err
		}
		bound, wanted := bounds[part.FormName()]
		if !wanted {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(part, int64(bound)+1))
		if err != nil {
			return nil, problem.New(problem.Invalid, "The multipart body cannot be read.", err)
		}
		if len(text) > bound {
			return nil, problem.New(problem.TooLarge, "The part '"+part.FormName()+"' is too large.", nil)
		}
		parts[part.FormName()] = text
	}
	return nil, problem.New(problem.TooLarge, "The form has too many parts.", nil)
}
