package openapitest

import "strings"

// Access is who may make a call, as described.
type Access struct {
	Open        bool // without authentication
	Certificate bool // by client certificate alone
	Roles       []string
}

// Access returns who may make a call, which is named as Calls does.
func (d *Document) Access(call string) Access {
	method, path, _ := strings.Cut(call, " ")
	op := object(object(object(d.root["paths"])[path])[strings.ToLower(method)])
	var a Access
	schemes, _ := op["security"].([]any)
	if len(schemes) == 1 {
		a.Open = len(object(schemes[0])) == 0
		_, a.Certificate = object(schemes[0])["certificate"]
	}
	roles, _ := op["x-roles"].([]any)
	for _, r := range roles {
		if name, ok := r.(string); ok {
			a.Roles = append(a.Roles, name)
		}
	}
	return a
}
