package localhttp

import "net/http"

// Routes are handlers by method and path: "GET /status". Nothing in them is a
// pattern. An unknown path is answered with 404, an unknown method of a known
// one with 405.
type Routes map[string]http.HandlerFunc

var _ http.Handler = Routes(nil)

// ServeHTTP is http.Handler's.
func (t Routes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if serve, ok := t[r.Method+" "+r.URL.Path]; ok {
		serve(w, r)
		return
	}
	status := http.StatusNotFound
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		if _, ok := t[method+" "+r.URL.Path]; ok {
			w.Header().Add("Allow", method)
			status = http.StatusMethodNotAllowed
		}
	}
	w.WriteHeader(status)
}
