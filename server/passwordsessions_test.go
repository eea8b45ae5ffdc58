package server_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"testing"
	"time"

	"mooring/server/servertest"
)

// byPassword opens an MQTT session with user name and password (MQTT 3.1.1
// §3.1) and returns the code of its CONNACK.
func byPassword(t *testing.T, s *servertest.Server, client, user, password string) (net.Conn, byte) {
	t.Helper()
	raw, err := s.Network.DialContext(t.Context(), "tcp", servertest.MQTTS)
	if err != nil {
		t.Fatal(err)
	}
	c := tls.Client(raw, s.TLSConfig())
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(answerWithin))
	body := []byte{0, 4, 'M', 'Q', 'T', 'T', 4, 0xc2, 0x0e, 0x10}
	for _, text := range []string{client, user, password} {
		body = append(append(body, 0, byte(len(text))), text...)
	}
	if _, err := c.Write(append([]byte{0x10, byte(len(body))}, body...)); err != nil {
		t.Fatal(err)
	}
	var ack [4]byte
	if _, err := io.ReadFull(c, ack[:]); err != nil {
		t.Fatal(err)
	}
	return c, ack[3]
}

// bulk registers devices by a CSV file.
func bulk(t *testing.T, s *servertest.Server, csv string) {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	part, err := w.CreateFormFile("file", "devices.csv")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(part, csv)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+servertest.HTTPS+"/devicecontrol/bulkNewDeviceRequests", &body)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(servertest.Tenant+"/"+servertest.AdminUser, servertest.AdminPassword)
	req.Header.Set("Content-Type", w.FormDataContentType())
	client := s.HTTPClient(s.TLSConfig())
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var result struct{ NumberOfAll, NumberOfSuccessful int }
	if err := json.NewDecoder(res.Body).Decode(&result); err != nil || result.NumberOfAll == 0 || result.NumberOfSuccessful != result.NumberOfAll {
		t.Fatalf("%s: %+v, %v", res.Status, result, err)
	}
}

// TestBulkDeviceByPassword is the life of a device of a bulk file: it logs in
// at once; a new password, and its conversion to certificates, end what there
// was (rest.md §5.2).
func TestBulkDeviceByPassword(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Easy: true})
	bulk(t, s, "ID;CREDENTIALS;NAME\nbasic1;pass one;My device\n")
	const user = servertest.Tenant + "/device_basic1"
	c, code := byPassword(t, s, "basic1", user, "pass one")
	if code != 0 || !alive(c) {
		t.Fatalf("CONNACK %d", code)
	}
	bulk(t, s, "ID;CREDENTIALS\nbasic1;pass two\n")
	if _, code := byPassword(t, s, "basic1", user, "pass one"); code == 0 {
		t.Error("the password before is still good")
	}
	c, code = byPassword(t, s, "basic1", user, "pass two")
	if code != 0 || !alive(c) {
		t.Fatalf("CONNACK %d with the new password", code)
	}
	bulk(t, s, "ID;AUTH_TYPE;ENROLLMENT_OTP\nbasic1;CERTIFICATES;otp-otp-otp\n")
	ended(t, c)
	if _, code := byPassword(t, s, "basic1", user, "pass two"); code == 0 {
		t.Error("a device that was converted to certificates logs in by password")
	}
}

// TestSessionsOfPeople: whoever loses their account loses their connections.
func TestSessionsOfPeople(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Easy: true})
	const users = "/user/" + servertest.Tenant + "/users"
	tests := []struct {
		name   string
		keeps  bool
		change func(user string)
	}{
		{name: "renamed", keeps: true, change: func(u string) { s.Call(http.MethodPut, users+"/"+u, map[string]any{"firstName": "Jo"}, nil) }},
		{name: "another disabled", keeps: true, change: func(string) { s.Call(http.MethodPut, users+"/other", map[string]any{"enabled": false}, nil) }},
		{name: "disabled", change: func(u string) { s.Call(http.MethodPut, users+"/"+u, map[string]any{"enabled": false}, nil) }},
		{name: "deleted", change: func(u string) { s.Call(http.MethodDelete, users+"/"+u, nil, nil) }},
	}
	person := func(name string) {
		s.Call(http.MethodPost, users, map[string]any{"userName": name, "password": "a long password"}, nil)
		s.Call(http.MethodPost, "/user/"+servertest.Tenant+"/groups/1/users", map[string]any{"user": map[string]string{"id": name}}, nil)
	}
	person("other")
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			user := fmt.Sprintf("person%d", i)
			person(user)
			c, code := byPassword(t, s, "of-"+user, servertest.Tenant+"/"+user, "a long password")
			if code != 0 || !alive(c) {
				t.Fatalf("CONNACK %d", code)
			}
			tt.change(user)
			if tt.keeps {
				if !alive(c) {
					t.Error("the connection was closed")
				}
				return
			}
			ended(t, c)
			if _, code := byPassword(t, s, "of-"+user, servertest.Tenant+"/"+user, "a long password"); code == 0 {
				t.Error("they may connect again")
			}
		})
	}
}

// TestSessionsOfDeviceUsers: disabling the user of a device, on either of its
// two addresses, or deleting it, closes the connection at once (rest.md §6.10).
func TestSessionsOfDeviceUsers(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Easy: true})
	object := func(id string) string {
		var found struct{ ManagedObject struct{ ID string } }
		s.Call(http.MethodGet, "/identity/externalIds/c8y_Serial/"+id, nil, &found)
		return "/inventory/managedObjects/" + found.ManagedObject.ID + "/user"
	}
	const users = "/user/" + servertest.Tenant + "/users/device_"
	off := map[string]any{"enabled": false}
	tests := []struct {
		name   string
		keeps  bool
		change func(id string)
	}{
		{name: "user disabled", change: func(id string) { s.Call(http.MethodPut, users+id, off, nil) }},
		{name: "disabled by its object", change: func(id string) { s.Call(http.MethodPut, object(id), off, nil) }},
		{name: "user deleted", change: func(id string) { s.Call(http.MethodDelete, users+id, nil, nil) }},
		{name: "another password", keeps: true, change: func(id string) { s.Call(http.MethodPut, users+id, map[string]any{"password": "new"}, nil) }},
		{name: "request deleted", keeps: true, change: func(id string) { s.Call(http.MethodDelete, "/devicecontrol/newDeviceRequests/"+id, nil, nil) }},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id := fmt.Sprintf("user%d", i)
			bulk(t, s, "ID;CREDENTIALS\n"+id+";old\n")
			c, code := byPassword(t, s, id, servertest.Tenant+"/device_"+id, "old")
			if code != 0 || !alive(c) {
				t.Fatalf("CONNACK %d", code)
			}
			tt.change(id)
			if tt.keeps {
				if !alive(c) {
					t.Error("the connection was closed")
				}
				return
			}
			ended(t, c)
			if _, code := byPassword(t, s, id, servertest.Tenant+"/device_"+id, "old"); code == 0 {
				t.Error("it may connect again")
			}
		})
	}
}
