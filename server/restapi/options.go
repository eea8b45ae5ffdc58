package restapi

import (
	"net/http"

	"mooring/internal/problem"
	"mooring/server/account"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

// encryptedText stands for values that are never shown (rest.md §4.7).
const (
	encryptedText = "<<Encrypted>>"
)

func (a *API) optionRoutes() []route {
	const all, category, one = "/tenant/options", "/tenant/options/{category}", "/tenant/options/{category}/{key}"
	reader, admin := having(platform.RoleOptionRead, platform.RoleOptionAdmin), having(platform.RoleOptionAdmin)
	return []route{
		{method: "GET", path: all, access: reader, serve: listOptions,
			doc: doc{Does: "List tenant options", Query: "paging", Gives: "optionCollection"}},
		{method: "POST", path: all, access: admin, serve: createOption,
			doc: doc{Does: "Set a tenant option", Takes: "newOption", Gives: "option", Status: http.StatusOK}},
		{method: "GET", path: category, access: reader, serve: readCategory,
			doc: doc{Does: "Read the options of a category", Gives: "optionMap"}},
		{method: "PUT", path: category, access: admin, serve: updateCategory,
			doc: doc{Does: "Set several options of a category", Takes: "optionMap", Gives: "optionMap"}},
		{method: "GET", path: one, access: reader, serve: readOption,
			doc: doc{Does: "Read a tenant option", Gives: "option"}},
		{method: "PUT", path: one, access: admin, serve: updateOption,
			doc: doc{Does: "Set a tenant option, new or not", Takes: "optionValue", Gives: "option"}},
		{method: "PUT", path: one + "/editable", access: admin, serve: setEditable,
			doc: doc{Does: "Say whether tenants may set an option, for the management tenant", Takes: "editable", Gives: "option"}},
		{method: "DELETE", path: one, access: admin, serve: deleteOption,
			doc: doc{Does: "Delete a tenant option"}},
	}
}

func optionKey(c *call) platform.OptionKey {
	return platform.OptionKey{Category: c.param("category"), Key: c.param("key")}
}

// masked hides what only its own service may read.
func masked(options []platform.Option) []platform.Option {
	shown := make([]platform.Option, len(options))
	for i, o := range options {
		if account.IsCredential(o.OptionKey) {
			o.Value = encryptedText
		}
		shown[i] = o
	}
	return shown
}

func listOptions(c *call) error {
	p, err := c.paging()
	if err != nil {
		return err
	}
	options, err := c.api.Accounts.Options(c.ctx(), c.tenant(), "")
	if err != nil {
		return err
	}
	collection(c, c8yjson.MediaOptions, "options", p, cutPage(masked(options), p.Page), func(w *c8yjson.Writer, o platform.Option) {
		c8yjson.Option(w, c.base(), o)
	})
	return nil
}

// cutPage takes one page out of a list that is small enough to be read whole.
func cutPage[T any](all []T, p platform.Page) platform.List[T] {
	from := min(p.Offset(), len(all))
	to := min(from+p.Size, len(all))
	return platform.List[T]{Items: all[from:to], More: to < len(all), Total: int64(len(all))}
}

func createOption(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	o, err := c8yjson.ParseOption(body)
	if err != nil {
		return err
	}
	return setOption(c, o)
}

func updateOption(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	value, err := c8yjson.ParseValue(body)
	if err != nil {
		return err
	}
	return setOption(c, platform.Option{OptionKey: optionKey(c), Value: value})
}

func setOption(c *call, o platform.Option) error {
	if err := setOptions(c, []platform.Option{o}); err != nil {
		return err
	}
	o = masked([]platform.Option{o})[0]
	c.written(http.StatusOK, c8yjson.MediaOption, func(w *c8yjson.Writer) { c8yjson.Option(w, c.base(), o) })
	return nil
}

func setOptions(c *call, options []platform.Option) error {
	return c.api.Accounts.SetOptions(c.ctx(), c.actor(), c.tenant(), options)
}

// setEditable says whether tenants may set an option themselves.
func setEditable(c *call) error {
	if err := c.management(); err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	text, err := body.Text("editable")
	if err != nil {
		return err
	}
	if text != "true" && text != "false" {
		return problem.WithCode(problem.Unprocessable, "options/Invalid Data", "'editable' must be true or false.", nil)
	}
	key := optionKey(c)
	if err := c.api.Accounts.SetEditable(c.ctx(), c.actor(), key, text == "true"); err != nil {
		return err
	}
	value, _, err := c.api.Accounts.Option(c.ctx(), c.tenant(), key)
	if err != nil {
		return err
	}
	o := masked([]platform.Option{{OptionKey: key, Value: value}})[0]
	c.written(http.StatusOK, c8yjson.MediaOption, func(w *c8yjson.Writer) { c8yjson.Option(w, c.base(), o) })
	return nil
}

func readCategory(c *call) error {
	options, err := c.api.Accounts.Options(c.ctx(), c.tenant(), c.param("category"))
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaJSON, func(w *c8yjson.Writer) { c8yjson.OptionMap(w, masked(options)) })
	return nil
}

func updateCategory(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	options, err := c8yjson.ParseOptionMap(c.param("category"), body)
	if err != nil {
		return err
	}
	if err := setOptions(c, options); err != nil {
		return err
	}
	if options, err = c.api.Accounts.Options(c.ctx(), c.tenant(), c.param("category")); err != nil {
		return err
	}
	c.written(http.StatusOK, c8yjson.MediaJSON, func(w *c8yjson.Writer) { c8yjson.OptionMap(w, masked(options)) })
	return nil
}

func readOption(c *call) error {
	key := optionKey(c)
	value, set, err := c.api.Accounts.Option(c.ctx(), c.tenant(), key)
	if err != nil {
		return err
	}
	if !set || key.Category == "mooring" {
		return account.OptionNotFound(platform.OptionKey{Category: cut(key.Category), Key: cut(key.Key)})
	}
	o := masked([]platform.Option{{OptionKey: key, Value: value}})[0]
	c.answer(http.StatusOK, c8yjson.MediaOption, func(w *c8yjson.Writer) { c8yjson.Option(w, c.base(), o) })
	return nil
}

func deleteOption(c *call) error {
	if err := c.api.Accounts.DeleteOption(c.ctx(), c.actor(), c.tenant(), optionKey(c)); err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}
