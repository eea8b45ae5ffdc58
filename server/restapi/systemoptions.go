package restapi

import (
	"net/http"

	"mooring/server/account"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

func (a *API) systemOptionRoutes() []route {
	const all = "/tenant/system/options"
	return []route{
		{method: "GET", path: all, access: user, serve: listSystemOptions,
			doc: doc{Does: "List system options", Gives: "systemOptionCollection"}},
		{method: "GET", path: all + "/{category}/{key}", access: user, serve: readSystemOption,
			doc: doc{Does: "Read a system option", Gives: "systemOption"}},
	}
}

// systemOptions are those that clients ask for, with what is true of this
// server (rest.md §4.8).
func (c *call) systemOptions() ([]platform.Option, error) {
	policy, err := c.api.Registrations.Policy(c.ctx(), c.tenant())
	if err != nil {
		return nil, err
	}
	option := func(category, key, value string) platform.Option {
		return platform.Option{OptionKey: platform.OptionKey{Category: category, Key: key}, Value: value}
	}
	return []platform.Option{
		option("system", "version", c.api.Version),
		option("password", "enforce.strength", "false"),
		option("ssl", "shared-truststore.enabled", "false"),
		option("device-registration", "security-token.policy", string(policy)),
	}, nil
}

func systemOption(w *c8yjson.Writer, o platform.Option) {
	w.Open('{')
	w.Text("category", o.Category)
	w.Text("key", o.Key)
	w.Text("value", o.Value)
	w.Close('}')
}

func listSystemOptions(c *call) error {
	options, err := c.systemOptions()
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaOptions, func(w *c8yjson.Writer) {
		w.Open('{')
		w.Link("self", c.base(), "/tenant/system/options")
		w.Key("options")
		w.Open('[')
		for _, o := range options {
			systemOption(w, o)
		}
		w.Close(']')
		w.Close('}')
	})
	return nil
}

func readSystemOption(c *call) error {
	options, err := c.systemOptions()
	if err != nil {
		return err
	}
	key := optionKey(c)
	for _, o := range options {
		if o.OptionKey == key {
			c.answer(http.StatusOK, c8yjson.MediaOption, func(w *c8yjson.Writer) { systemOption(w, o) })
			return nil
		}
	}
	return account.OptionNotFound(platform.OptionKey{Category: cut(key.Category), Key: cut(key.Key)})
}
