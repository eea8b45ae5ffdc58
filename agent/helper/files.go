package helper

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"mooring/internal/durable"
	"mooring/internal/minisign"
)

type publicKey = minisign.PublicKey

func parseKeys(texts []string) (keys []publicKey, err error) {
	for _, t := range texts {
		k, err := minisign.ParsePublicKey(t)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// files are what came with a request, in a directory that only root sees: what
// was checked cannot be changed any more.
type files struct {
	dir   string
	paths []string // one for each file, in order
}

func (f *files) remove(log *slog.Logger) {
	if f.dir == "" {
		return
	}
	if err := durable.RemoveAll(durable.OS, f.dir); err != nil {
		log.Warn("files are left", "dir", f.dir, "err", err)
	}
}

// receive asks for the files of a request and checks their signatures.
func (s *Server) receive(conn io.ReadWriter, r *Request) (*files, error) {
	f := &files{}
	if r.files() == 0 {
		return f, nil
	}
	var name [8]byte
	_, _ = rand.Read(name[:]) // never fails, since Go 1.24
	f.dir = filepath.Join(s.o.Dir, filesDir, hex.EncodeToString(name[:]))
	err := durable.MkdirAll(durable.OS, f.dir, 0o700)
	if err == nil {
		err = writeFrame(conn, kindGo, nil)
	}
	for i, signature := range signatures(r) {
		if err != nil {
			break
		}
		path := filepath.Join(f.dir, fmt.Sprint(i))
		f.paths = append(f.paths, path)
		err = s.receiveFile(conn, path, r.Verb, signature)
	}
	if err != nil {
		f.remove(s.log)
		return nil, err
	}
	return f, nil
}

// signatures lists the signature of each file, in the order they come.
func signatures(r *Request) []string {
	if r.Verb != UpdateSoftware {
		return []string{r.Signature}
	}
	var list []string
	for _, i := range r.Items {
		if i.File {
			list = append(list, i.Signature)
		}
	}
	return list
}

func (s *Server) receiveFile(conn io.Reader, path string, verb Verb, signature string) error {
	limit := int64(s.o.Operations.Download.MaxBytes)
	if verb == WriteConfig {
		limit = int64(s.o.Operations.Configuration.MaxBytes)
	}
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	h := minisign.NewHash()
	err = copyData(io.MultiWriter(out, h), conn, limit)
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("the file did not arrive: %w", err)
	}
	if verb == WriteConfig || len(s.keys) == 0 {
		return nil
	}
	return s.verify(signature, h)
}

func (s *Server) verify(signature string, h minisign.Hash) error {
	if signature == "" {
		return errors.New("the file is not signed, and the configuration wants a signature")
	}
	sig, err := minisign.ParseSignature(signature)
	if err != nil {
		return err
	}
	return sig.Verify(s.keys, h.Sum(nil))
}
