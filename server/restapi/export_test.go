package restapi

// RouteNames lists the calls there are, as "GET /path/{id}".
func RouteNames() []string {
	var names []string
	for _, r := range new(API).routes() {
		names = append(names, r.method+" "+r.path)
	}
	return names
}
