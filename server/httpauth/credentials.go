package httpauth

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"

	"mooring/internal/problem"
	"mooring/internal/secret"
	"mooring/server/platform"
)

// Bounds of an Authorization header. A device token has about 770 characters
// (rest.md §4.2); a tenant, a user and a password together stay below 1 KiB.
const (
	maxTokenBytes = 8 << 10
	maxBasicBytes = 2 << 10
)

// Credentials are those of Basic authentication: "tenant/user:password".
type Credentials struct {
	Tenant   string // empty: not named
	User     string
	Password secret.String
}

// BasicCredentials reads the Basic credentials of r. ok is false if there are
// none or they are malformed.
func BasicCredentials(r *http.Request) (c Credentials, ok bool) {
	headers := r.Header.Values("Authorization")
	if len(headers) != 1 {
		return Credentials{}, false
	}
	scheme, rest, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Basic") {
		return Credentials{}, false
	}
	return ParseBasic(strings.TrimSpace(rest))
}

// ParseBasic reads what follows "Basic ": base64 of user and password, parted
// at the first colon, because one-time passwords may hold one (rest.md §1.6).
// The tenant stands before the first slash of the user.
func ParseBasic(encoded string) (c Credentials, ok bool) {
	if len(encoded) > maxBasicBytes {
		return Credentials{}, false
	}
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		text, err = base64.RawStdEncoding.DecodeString(encoded)
	}
	if err != nil || !utf8.Valid(text) {
		return Credentials{}, false
	}
	user, password, found := strings.Cut(string(text), ":")
	if !found {
		return Credentials{}, false
	}
	if tenant, name, named := strings.Cut(user, "/"); named {
		c.Tenant, user = tenant, name
		if tenant == "" {
			return Credentials{}, false
		}
	}
	c.User, c.Password = user, secret.New(password)
	control := func(r rune) bool { return r < ' ' || r == 0x7f }
	if user == "" || strings.ContainsFunc(user, control) || strings.ContainsFunc(c.Tenant, control) || strings.ContainsRune(password, 0) {
		return Credentials{}, false
	}
	return c, true
}

func (a *Authenticator) byHeader(r *http.Request, header string) (platform.Principal, error) {
	scheme, rest, _ := strings.Cut(header, " ")
	rest = strings.TrimSpace(rest)
	switch {
	case strings.EqualFold(scheme, "Basic"):
		c, ok := ParseBasic(rest)
		if !ok {
			return platform.Principal{}, badCredentials(errors.New("malformed Basic credentials"))
		}
		return a.byPassword(r, c)
	case strings.EqualFold(scheme, "Bearer"):
		return a.byToken(r, rest)
	}
	return platform.Principal{}, badCredentials(errors.New("unknown authentication scheme"))
}

func (a *Authenticator) byPassword(r *http.Request, c Credentials) (platform.Principal, error) {
	tenant, err := a.Tenant(r)
	if errors.Is(err, problem.NotFound) {
		return platform.Principal{}, badCredentials(err)
	}
	if err != nil {
		return platform.Principal{}, err
	}
	device, isDevice := deviceOf(c.User)
	if !isDevice {
		return a.Accounts.Authenticate(r.Context(), tenant, c.User, c.Password, Address(r))
	}
	p, err := a.Devices.Password(r.Context(), tenant, c.User, c.Password, Address(r))
	if err != nil {
		a.refuse(platform.Refusal{CN: device, Door: DoorREST, Address: Address(r), Reason: a.ReasonOf(err), Detail: "device password"})
		return platform.Principal{}, oneAnswer(err)
	}
	return asDevice(p), nil
}

func (a *Authenticator) byToken(r *http.Request, token string) (platform.Principal, error) {
	if token == "" || len(token) > maxTokenBytes {
		return platform.Principal{}, badCredentials(errors.New("device token is empty or too long"))
	}
	p, err := a.Tokens.Verify(r.Context(), token)
	if err != nil {
		return platform.Principal{}, oneAnswer(err)
	}
	if !p.IsDevice() {
		p, err = a.Accounts.Resume(r.Context(), p)
		return p, err
	}
	if err := a.Devices.CheckDevice(r.Context(), p); err != nil {
		a.refuse(platform.Refusal{Tenant: p.Tenant, CN: p.Device, Door: DoorREST, Address: Address(r), Reason: a.ReasonOf(err), Detail: "device token"})
		return platform.Principal{}, oneAnswer(err)
	}
	return asDevice(p), nil
}

// oneAnswer makes every refusal of a password or token the same to the peer;
// other problems, such as too many attempts, stay what they are.
func oneAnswer(err error) error {
	switch problem.KindOf(err) {
	case problem.Unauthenticated, problem.Forbidden, problem.NotFound, problem.Invalid, problem.Unprocessable:
		return badCredentials(err)
	}
	return err
}

// asDevice gives a device the roles of all devices.
func asDevice(p platform.Principal) platform.Principal {
	if len(p.Roles) == 0 {
		p.Roles = platform.DeviceRoles
	}
	return p
}
