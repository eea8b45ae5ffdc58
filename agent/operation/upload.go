package operation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxAnswer bounds answers of REST; the ones we read have a few hundred bytes.
const maxAnswer = 256 << 10

// attachment is a file that goes to the server as the binary of an event, as
// thin-edge.io sends configurations and logs.
type attachment struct {
	kind string // type of the event
	text string
	name string // of the file
	body []byte
}

// upload returns the URL at which the server keeps the file.
func (m *Manager) upload(ctx context.Context, j *job, a attachment) (string, error) {
	w := m.newWeb()
	device, err := w.deviceID(ctx, j)
	if err != nil {
		return "", err
	}
	event, err := json.Marshal(map[string]any{"source": map[string]string{"id": device}, "type": a.kind, "text": a.text, "time": m.cfg.Now().UTC().Format(time.RFC3339Nano)})
	if err != nil {
		return "", err
	}
	var made struct {
		ID string `json:"id"`
	}
	if err := w.call(ctx, http.MethodPost, "/event/events", "application/json", event, nil, &made); err != nil {
		return "", fmt.Errorf("event for the file: %w", err)
	}
	name := strings.Map(func(r rune) rune {
		if r < ' ' || r == '"' || r == '\\' || r == '/' || r > '~' {
			return '_'
		}
		return r
	}, a.name)
	var stored struct {
		Self string `json:"self"`
	}
	header := map[string]string{"Content-Disposition": `attachment; filename="` + name + `"`}
	path := "/event/events/" + url.PathEscape(made.ID) + "/binaries"
	if err := w.call(ctx, http.MethodPost, path, "text/plain", a.body, header, &stored); err != nil {
		return "", fmt.Errorf("upload: %w", err)
	}
	if stored.Self == "" {
		stored.Self = w.url(path)
	}
	return stored.Self, nil
}

// deviceID is the server's ID of the device.
func (w *web) deviceID(ctx context.Context, j *job) (string, error) {
	if j.DeviceID != "" {
		return j.DeviceID, nil
	}
	var found struct {
		Object struct {
			ID string `json:"id"`
		} `json:"managedObject"`
	}
	err := w.call(ctx, http.MethodGet, "/identity/externalIds/c8y_Serial/"+url.PathEscape(w.m.cfg.DeviceID), "", nil, nil, &found)
	if err == nil && found.Object.ID == "" {
		err = errors.New("the server does not know the device")
	}
	return found.Object.ID, err
}

func (w *web) url(path string) string {
	return "https://" + net.JoinHostPort(w.m.cfg.Server, strconv.Itoa(w.m.cfg.Port)) + path
}

// callTries is how often a call is made that found no server, or one that is
// busy.
const callTries = 5

// call makes one call of REST on the own server.
func (w *web) call(ctx context.Context, method, path, contentType string, body []byte, header map[string]string, into any) error {
	for try := 1; ; try++ {
		again, err := w.callOnce(ctx, method, path, contentType, body, header, into)
		if err == nil || !again || try == callTries || ctx.Err() != nil {
			return err
		}
		sleep(ctx, retryWaits.Delay(try-1, nil))
	}
}

func (w *web) callOnce(ctx context.Context, method, path, contentType string, body []byte, header map[string]string, into any) (again bool, err error) {
	answer, err := w.do(ctx, func() (*http.Request, error) {
		r, err := http.NewRequestWithContext(ctx, method, w.url(path), bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		r.Header.Set("Accept", "application/json")
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		for name, value := range header {
			r.Header.Set(name, value)
		}
		return r, nil
	})
	if err != nil {
		return true, err
	}
	defer func() { _ = answer.Body.Close() }() // only read
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return true, err
	}
	if answer.StatusCode/100 != 2 {
		return busy(answer.StatusCode), fmt.Errorf("the server answered %s", answer.Status)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return false, fmt.Errorf("the server's answer cannot be read: %w", err)
	}
	return false, nil
}

// busy reports whether another try may help.
func busy(status int) bool {
	return status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout
}
