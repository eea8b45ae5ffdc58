package restapi

import (
	"bytes"
	"html/template"
	"slices"
	"strings"

	"mooring/server/openapi"
)

// apiPage lists the calls for people. It holds no script and loads nothing.
var apiPage = template.Must(template.New("apidocs").Parse(`<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Mooring: REST calls</title>
<style>body{font:15px/1.4 sans-serif;margin:2em auto;max-width:70em;padding:0 1em}table{border-collapse:collapse;width:100%}
td,th{border-bottom:1px solid #ccc;padding:.3em .6em;text-align:left;vertical-align:top}code{white-space:nowrap}small{color:#555}</style>
<h1>REST calls</h1>
<p>{{.About}} The whole description, for tools: <a href="openapi.json">openapi.json</a> (OpenAPI 3.1).</p>
{{range .Areas}}<h2>{{.Name}}</h2>
<table><tr><th>Call<th>What it does<th>Who
{{range .Calls}}<tr><td><code>{{.Method}} {{.Path}}</code><td>{{.Does}}{{with .Query}}<br><small>{{.}}</small>{{end}}<td>{{.Who}}
{{end}}</table>
{{end}}</html>
`))

type apiArea struct {
	Name  string
	Calls []apiCall
}

type apiCall struct{ Method, Path, Does, Query, Who string }

// apiDocs writes the page from the same list as the description.
func apiDocs(calls []openapi.Call) []byte {
	calls = slices.Clone(calls)
	slices.SortStableFunc(calls, func(a, b openapi.Call) int { return strings.Compare(a.Path, b.Path) })
	var areas []apiArea
	for _, c := range calls {
		name, _, _ := strings.Cut(strings.TrimPrefix(c.Path, "/"), "/")
		if len(areas) == 0 || areas[len(areas)-1].Name != name {
			areas = append(areas, apiArea{Name: name})
		}
		last := &areas[len(areas)-1]
		last.Calls = append(last.Calls, apiCall{c.Method, c.Path, c.Does, c.Query, whoMay(c)})
	}
	var page bytes.Buffer
	if err := apiPage.Execute(&page, map[string]any{"About": aboutAPI, "Areas": areas}); err != nil {
		panic("the page of the API: " + err.Error()) // a mistake in the template: every test of the API builds it
	}
	return page.Bytes()
}

func whoMay(c openapi.Call) string {
	switch {
	case c.Certificate:
		return "devices with a certificate"
	case c.Open:
		return "anyone"
	case len(c.Roles) == 0:
		return "whoever is logged in"
	}
	return strings.Join(c.Roles, ", ")
}
