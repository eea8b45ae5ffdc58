package servertest

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
)

// StoreBinary puts a file into the inventory and returns the URL of its bytes.
func (s *Server) StoreBinary(name string, content []byte) string {
	s.tb.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	object, err := w.CreateFormField("object")
	if err == nil {
		_, err = io.WriteString(object, `{"name":"`+name+`","type":"application/octet-stream"}`)
	}
	if err != nil {
		s.tb.Fatal(err)
	}
	part, err := w.CreateFormFile("file", name)
	if err == nil {
		_, err = part.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		s.tb.Fatal(err)
	}
	var stored struct{ ID string }
	s.send(http.MethodPost, "/inventory/binaries", w.FormDataContentType(), &body, &stored)
	return "https://" + Host + "/inventory/binaries/" + stored.ID
}
