package restapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"mooring/internal/problem"
	"mooring/internal/smartrest"
	"mooring/internal/smartrest/legacy"
	"mooring/internal/smartrest/template"
	"mooring/server/platform"
	"mooring/server/templates"
)

// exchange is one body of SmartREST 1.0 and its answer.
type exchange struct {
	api    *API
	ctx    context.Context
	client LegacyClient
	// retries: the client sends a body again that got no answer.
	retries bool
	worked  bool // a line was carried out

	lines [][]byte
	left  int // bytes that the answer may still take
}

// section is the lines of a body that mean one collection.
type section struct {
	xid   string
	named bool // by line 15
	first int  // number of the first line
	lines []smartrest.Line
}

// Texts of the vendor's reference.
const (
	textNoTemplates = "No template for this X-ID."
	textMalformed   = "Malformed Request"
	textMessageID   = "Invalid message identifier"
)

func (x *exchange) answer() []byte { return bytes.Join(x.lines, []byte{'\n'}) }

// say appends lines to the answer, as far as there is room.
func (x *exchange) say(lines ...[]byte) {
	for _, l := range lines {
		if x.left -= len(l) + 1; x.left < 0 {
			return
		}
		x.lines = append(x.lines, l)
	}
}

// carryOut carries out a body. The error says that it could not be begun.
func (x *exchange) carryOut(xid string, body []byte) error {
	var cancel context.CancelFunc
	x.ctx, cancel = context.WithTimeout(x.ctx, maxLinesTime)
	defer cancel()
	lines, err := smartrest.ParseLegacy(body)
	if err != nil {
		x.say(legacy.ErrorLine(0, smartrest.NewError(smartrest.CodeMalformed, "", textMalformed)))
		return nil
	}
	for _, s := range cutSections(xid, lines) {
		err := x.section(s)
		if err != nil && x.worked { // what is done must not be done again
			x.refused(s.first, outcomes[problem.KindOf(err)].status)
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// cutSections divides a body at its lines 15. Lines before the first of them mean
// the collection of the header; without any the body has one section.
func cutSections(xid string, lines []smartrest.Line) []section {
	list := []section{{xid: xid, first: 1}}
	for i, l := range lines {
		if l.Err == nil && l.TemplateID == legacy.MessageXID {
			list = append(list, section{xid: l.Field(0), named: true, first: i + 2})
			continue
		}
		last := &list[len(list)-1]
		last.lines = append(last.lines, l)
	}
	if len(list) > 1 && len(list[0].lines) == 0 {
		list = list[1:]
	}
	return list
}

// section carries out one section: it asks for a collection, or makes one, or uses it.
func (x *exchange) section(s section) error {
	isTemplate := func(l smartrest.Line) bool {
		return l.TemplateID == legacy.MessageRequest || l.TemplateID == legacy.MessageResponse
	}
	switch {
	case len(s.lines) == 0:
		return x.look(s.xid)
	case slices.ContainsFunc(s.lines, isTemplate):
		return x.register(s)
	}
	before := len(x.lines)
	found, err := x.requests(s)
	if n := len(x.lines) - before; s.named && found && n > 0 {
		of := smartrest.AppendLegacyLine(nil, legacy.MessageOf, strconv.Itoa(n), s.xid)
		x.lines = slices.Insert(x.lines, before, of)
		x.left -= len(of) + 1
	}
	return err
}

// collection finds a collection.
func (x *exchange) collection(xid string) (c templates.Legacy, found bool, err error) {
	c, err = x.api.Legacy.Legacy(x.ctx, x.client.Principal.Tenant, xid)
	if problem.KindOf(err) == problem.NotFound {
		return c, false, nil
	}
	if _, ok := errors.AsType[*smartrest.Error](err); ok { // what is there cannot be read
		return c, false, nil
	}
	return c, err == nil, err
}

// noCollection is the answer where there is none, to the byte as it is documented.
func (x *exchange) noCollection() {
	x.say([]byte(legacy.MessageNotFound + `,"` + textNoTemplates + `"`))
}

// look answers whether there is a collection.
func (x *exchange) look(xid string) error {
	if x.bootstrapping() {
		x.refused(1, http.StatusForbidden)
		return nil
	}
	c, found, err := x.collection(xid)
	if err != nil {
		return err
	}
	if !found {
		x.noCollection()
		return nil
	}
	x.say(smartrest.AppendLegacyLine(nil, legacy.MessageFound, c.ID.String()))
	return nil
}

// register makes a collection of a section.
func (x *exchange) register(s section) error {
	who := x.client.Principal
	if !who.HasAny(inventoryCreators...) {
		x.refused(s.first, http.StatusForbidden)
		return nil
	}
	c, bad, err := legacy.Parse(s.lines)
	if err != nil {
		number := 0
		if bad >= 0 {
			number = s.first + bad
		}
		x.say(x.errorLine(number, err))
		return nil
	}
	id, err := x.api.Legacy.CreateLegacy(x.ctx, who.Tenant, who.User, s.xid, c)
	if e, ok := errors.AsType[*smartrest.Error](err); ok {
		x.say(legacy.ErrorLine(0, e))
		return nil
	}
	if problem.KindOf(err) == problem.Unprocessable {
		x.say(legacy.ErrorLine(0, smartrest.NewError(smartrest.CodeConflict, "", publicText(err))))
		return nil
	}
	if err != nil {
		return err
	}
	x.worked = true
	x.say(smartrest.AppendLegacyLine(nil, legacy.MessageFound, id.String()))
	return nil
}

// requests carries out lines by the templates of a collection. found is false if
// there is none and a line needs one.
func (x *exchange) requests(s section) (found bool, err error) {
	var c templates.Legacy
	for i, l := range s.lines {
		number := s.first + i
		if l.Err == nil && l.TemplateID == legacy.MessageBootstrap {
			err = x.credentials(number, l)
		} else if x.bootstrapping() {
			x.refused(number, http.StatusForbidden)
		} else {
			if !found {
				if c, found, err = x.collection(s.xid); err != nil {
					return false, err
				}
			}
			if !found {
				x.noCollection()
				return false, nil
			}
			err = x.request(c, number, l)
		}
		if err != nil {
			return found, err
		}
	}
	return found, nil
}

// bootstrapping: the user whose password all devices know may ask for credentials
// and nothing else.
func (x *exchange) bootstrapping() bool {
	return x.client.Principal.Has(platform.RoleDeviceBootstrap)
}

// request carries out one line.
func (x *exchange) request(c templates.Legacy, number int, l smartrest.Line) error {
	if l.Err != nil {
		x.say(x.errorLine(number, l.Err))
		return nil
	}
	r, ok := c.Request(l.TemplateID)
	if !ok {
		x.say(legacy.ErrorLine(number, smartrest.NewError(smartrest.CodeNoMessageID, "", textMessageID)))
		return nil
	}
	todo, err := r.Fill(l.Fields, x.api.now())
	if err != nil {
		x.say(x.errorLine(number, err))
		return nil
	}
	body, ok, err := x.call(number, todo)
	if err != nil || !ok || len(body) == 0 {
		return err
	}
	if v, err := template.Decode(body); err == nil { // what is no JSON has nothing to find
		x.say(c.Respond(v, number, x.left)...)
	}
	return nil
}

// credentials answers a device that asks for its password.
func (x *exchange) credentials(number int, l smartrest.Line) error {
	id, _ := json.Marshal(l.Field(0)) // a text always marshals
	body, ok, err := x.call(number, legacy.Call{Method: http.MethodPost, URI: "/devicecontrol/deviceCredentials",
		ContentType: "application/json", Accept: "application/json", Body: `{"id":` + string(id) + `}`})
	if err != nil || !ok {
		return err
	}
	var c struct{ ID, TenantID, Username, Password string }
	if err := json.Unmarshal(body, &c); err != nil {
		return problem.New(problem.Internal, "", err) // we wrote it
	}
	x.say(legacy.Line(legacy.MessageCredentials, number, c.ID, c.TenantID, c.Username, c.Password))
	return nil
}

// call makes a REST call. Without ok its failure is told in the answer.
func (x *exchange) call(number int, todo legacy.Call) (body []byte, ok bool, err error) {
	status := http.StatusServiceUnavailable
	if x.ctx.Err() == nil {
		status, body = x.api.within(x.ctx, x.client, todo)
	}
	if status < http.StatusBadRequest {
		x.worked = true
		return body, true, nil
	}
	if again := status == http.StatusTooManyRequests || status >= http.StatusInternalServerError; again && x.retries && !x.worked {
		return nil, false, problem.New(problem.Unavailable, "", nil)
	}
	x.refused(number, status)
	return nil, false, nil
}

// refused says that the platform did not do what a line asks for.
func (x *exchange) refused(number, status int) {
	x.say(legacy.Line(strconv.Itoa(int(smartrest.CodeServer)), number, strconv.Itoa(status), http.StatusText(status)))
}

// errorLine tells of an error that the codec found.
func (x *exchange) errorLine(number int, err error) []byte {
	e, ok := errors.AsType[*smartrest.Error](err)
	if !ok {
		e = smartrest.NewError(smartrest.CodeServer, "", http.StatusText(http.StatusInternalServerError))
	}
	switch e.Code {
	case smartrest.CodeMalformed:
		e = smartrest.NewError(e.Code, "", textMalformed)
	case smartrest.CodeNoMessageID:
		e = smartrest.NewError(e.Code, "", textMessageID)
	}
	return legacy.ErrorLine(number, e)
}
