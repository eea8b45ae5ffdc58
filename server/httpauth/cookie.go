package httpauth

import (
	"crypto/subtle"
	"errors"
	"net/http"

	"mooring/server/platform"
)

// Names of the cookies of a login, and of the header by which a page of ours
// shows that it can read them (rest.md §4.3).
const (
	TokenCookie = "authorization"
	XSRFCookie  = "XSRF-TOKEN"
	XSRFHeader  = "X-XSRF-TOKEN"
)

func cookieToken(r *http.Request) string {
	c, err := r.Cookie(TokenCookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// byCookie lets in a browser. Whatever changes something must repeat the XSRF
// value of the token, because browsers send cookies along with requests that
// pages of others make.
func (a *Authenticator) byCookie(r *http.Request) (platform.Principal, error) {
	p, err := a.byToken(r, cookieToken(r))
	if err != nil {
		return platform.Principal{}, err
	}
	if p.Login == nil {
		return platform.Principal{}, badCredentials(errors.New("a device token in a cookie"))
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return p, nil
	}
	sent := r.Header.Get(XSRFHeader)
	if p.Login.XSRF == "" || subtle.ConstantTimeCompare([]byte(sent), []byte(p.Login.XSRF)) != 1 {
		return platform.Principal{}, badCredentials(errors.New("no or wrong " + XSRFHeader))
	}
	return p, nil
}

// HasLoginCookie reports whether r came with the cookie of a login, be it good
// or bad.
func HasLoginCookie(r *http.Request) bool { return cookieToken(r) != "" }
