package helper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// Client asks the helper.
type Client struct {
	// Socket is the path of its socket.
	Socket string
	// Dial opens a connection; nil dials Socket.
	Dial func(ctx context.Context) (net.Conn, error)
}

// ErrUnreachable says that there is no helper at the socket, or that it went
// away before it answered.
var ErrUnreachable = errors.New("the helper for operations does not answer: is mooring-helper.socket enabled?")

// Do sends a request with its files and returns the result; data of the answer
// goes to w, which may be nil. An error is one of the connection: what the
// helper made of the request stands in the result. A keyed request may be sent
// again after an error.
func (c *Client) Do(ctx context.Context, r Request, w io.Writer, files ...io.Reader) (Result, error) {
	if n := r.files(); n != len(files) {
		return Result{}, fmt.Errorf("%d files for a request of %d", len(files), n)
	}
	conn, err := c.dial(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("%w (%w)", ErrUnreachable, err)
	}
	defer func() { _ = conn.Close() }() // what was sent is answered, or the error is told
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	defer stop()
	result, err := exchange(conn, r, w, files)
	if ctx.Err() != nil {
		return Result{}, context.Cause(ctx)
	}
	if err != nil && !errors.As(err, new(sourceError)) {
		err = fmt.Errorf("%w (%w)", ErrUnreachable, err)
	}
	return result, err
}

func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	if c.Dial != nil {
		return c.Dial(ctx)
	}
	return (&net.Dialer{}).DialContext(ctx, "unix", c.Socket)
}

// sourceError is one of our own files or writers, not of the helper.
type sourceError struct{ error }

// Unwrap returns the error itself.
func (e sourceError) Unwrap() error { return e.error }

func exchange(conn io.ReadWriter, r Request, w io.Writer, files []io.Reader) (Result, error) {
	err := writeJSON(conn, kindRequest, r)
	if errors.Is(err, errTooLong) {
		err = sourceError{err}
	}
	if err != nil {
		return Result{}, err
	}
	for {
		kind, payload, err := readFrame(conn)
		if err != nil {
			return Result{}, err
		}
		switch kind {
		case kindResult:
			var result Result
			return result, json.Unmarshal(payload, &result)
		case kindData:
			if w != nil {
				if _, err := w.Write(payload); err != nil {
					return Result{}, sourceError{err}
				}
			}
		case kindGo:
			if err := send(conn, files); err != nil {
				if errors.As(err, new(sourceError)) {
					return Result{}, err
				}
				// The helper stopped listening: it says why.
			}
		default:
			return Result{}, errFrame
		}
	}
}

func send(conn io.Writer, files []io.Reader) error {
	for _, f := range files {
		buf := make([]byte, maxFrame)
		for {
			n, err := f.Read(buf)
			if n > 0 {
				if err := writeFrame(conn, kindData, buf[:n]); err != nil {
					return err
				}
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return sourceError{err}
			}
		}
		if err := writeFrame(conn, kindEnd, nil); err != nil {
			return err
		}
	}
	return nil
}
