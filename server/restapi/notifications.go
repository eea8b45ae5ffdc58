package restapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/notify"
	"mooring/server/platform"
)

// Notifications is subscriptions and consumers: server/notify.
type Notifications interface {
	Subscribe(ctx context.Context, n platform.NotificationSubscription) (platform.NotificationSubscription, error)
	Subscription(ctx context.Context, tenant platform.TenantID, id platform.ID) (platform.NotificationSubscription, error)
	Subscriptions(ctx context.Context, tenant platform.TenantID, f platform.NotificationFilter, page platform.Page) (platform.List[platform.NotificationSubscription], error)
	Unsubscribe(ctx context.Context, tenant platform.TenantID, id platform.ID) error
	UnsubscribeAll(ctx context.Context, tenant platform.TenantID, f platform.NotificationFilter) error
	// Forget ends the registration of a consumer.
	Forget(ctx context.Context, g platform.NotificationGrant) (known bool, err error)
}

// NotificationTokens issues and reads notification tokens: server/devicetoken.
type NotificationTokens interface {
	IssueNotification(ctx context.Context, g platform.NotificationGrant, lifespan time.Duration) (string, error)
	VerifyNotification(ctx context.Context, token string) (platform.NotificationGrant, error)
}

func (a *API) notificationRoutes() []route {
	const all, one = "/notification2/subscriptions", "/notification2/subscriptions/{id}"
	admin := having(platform.RoleNotificationAdmin)
	return []route{
		{method: "GET", path: "/notification2", access: admin, serve: readNotificationLinks,
			doc: doc{Does: "Read where notification subscriptions are", Gives: "notificationLinks"}},
		{method: "GET", path: all, access: admin, serve: listSubscriptions,
			doc: doc{Does: "List notification subscriptions", Query: "context: mo|tenant, source: id, subscription, typeFilter, paging", Gives: "subscriptionCollection", Also: "422"}},
		{method: "POST", path: all, access: admin, serve: createSubscription,
			doc: doc{Does: "Forward notifications to a topic", Takes: "newSubscription", Gives: "subscription", Also: "404 409"}},
		{method: "DELETE", path: all, access: admin, serve: deleteSubscriptions,
			doc: doc{Does: "Remove the notification subscriptions of an object or of a context", Query: "context: mo|tenant, source: id", Also: "422"}},
		{method: "GET", path: one, access: admin, serve: readSubscription, doc: doc{Does: "Read a notification subscription", Gives: "subscription"}},
		{method: "DELETE", path: one, access: admin, serve: deleteSubscription, doc: doc{Does: "Remove a notification subscription"}},
		{method: "POST", path: "/notification2/token", access: admin, serve: createNotificationToken,
			doc: doc{Does: "Get a token by which a consumer connects", Takes: "newNotificationToken", Gives: "notificationToken", Status: http.StatusOK}},
		{method: "POST", path: "/notification2/unsubscribe", access: user, serve: unsubscribeConsumer,
			doc: doc{Does: "End the registration of a consumer", Query: "token", Gives: "unsubscribed", Status: http.StatusOK}},
	}
}

func readNotificationLinks(c *call) error {
	at := c.base() + "/notification2"
	c.answer(http.StatusOK, c8yjson.MediaJSON, func(w *c8yjson.Writer) {
		w.Open('{')
		w.Text("self", at)
		w.Key("notificationSubscriptions")
		w.Open('{')
		w.Text("self", at+"/subscriptions")
		w.Key("subscriptions")
		w.Raw(json.RawMessage("null"))
		w.Close('}')
		w.Text("notificationSubscriptionsBySource", at+"/subscriptions?source={source}")
		w.Text("notificationSubscriptionsBySourceAndContext", at+"/subscriptions?source={source}&context={context}")
		w.Text("notificationSubscriptionsByContext", at+"/subscriptions?context={context}")
		w.Close('}')
	})
	return nil
}

func badParameter(detail string) error {
	return problem.WithCode(problem.Unprocessable, "reliable-notification/Invalid Data", detail, nil)
}

// subscriptionFilter reads the filters of rest.md §6.12.
func subscriptionFilter(c *call) (platform.NotificationFilter, error) {
	f := platform.NotificationFilter{Context: c.query.Get("context"), Name: c.query.Get("subscription"), TypeFilter: c.query.Get("typeFilter")}
	if f.Context != "" && f.Context != platform.ContextObject && f.Context != platform.ContextTenant {
		return f, badParameter("'context' is 'mo' or 'tenant'.")
	}
	if text := c.query.Get("source"); text != "" {
		var ok bool
		if f.Source, ok = platform.ParseID(text); !ok {
			f.Source = -1 // of nothing
		}
	}
	return f, nil
}

func listSubscriptions(c *call) error {
	p, err := c.paging()
	if err != nil {
		return err
	}
	f, err := subscriptionFilter(c)
	if err != nil {
		return err
	}
	list, err := c.api.Notifications.Subscriptions(c.ctx(), c.tenant(), f, p.Page)
	if err != nil {
		return err
	}
	collection(c, c8yjson.MediaSubscriptions, "subscriptions", p, list, func(w *c8yjson.Writer, n platform.NotificationSubscription) {
		c8yjson.Subscription(w, c.base(), n)
	})
	return nil
}

func createSubscription(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	n, err := c8yjson.ParseSubscription(body)
	if err != nil {
		return err
	}
	n.Tenant = c.tenant()
	if n, err = c.api.Notifications.Subscribe(c.ctx(), n); err != nil {
		return err
	}
	c.created(c.base()+c8yjson.PathSubscriptions+n.ID.String(), c8yjson.MediaSubscription, func(w *c8yjson.Writer) {
		c8yjson.Subscription(w, c.base(), n)
	})
	return nil
}

func (c *call) subscription() (platform.NotificationSubscription, error) {
	id, ok := platform.ParseID(c.param("id"))
	if !ok {
		return platform.NotificationSubscription{}, problem.WithCode(problem.NotFound, "reliable-notification/Not Found", "Finding subscription from database failed", nil)
	}
	return c.api.Notifications.Subscription(c.ctx(), c.tenant(), id)
}

func readSubscription(c *call) error {
	n, err := c.subscription()
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaSubscription, func(w *c8yjson.Writer) { c8yjson.Subscription(w, c.base(), n) })
	return nil
}

func deleteSubscription(c *call) error {
	n, err := c.subscription()
	if err != nil {
		return err
	}
	if err := c.api.Notifications.Unsubscribe(c.ctx(), c.tenant(), n.ID); err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}

// deleteSubscriptions needs a source, or the context of the tenant, so that
// nobody removes everything by leaving out a parameter.
func deleteSubscriptions(c *call) error {
	f, err := subscriptionFilter(c)
	if err != nil {
		return err
	}
	f.Name, f.TypeFilter = "", ""
	if f.Source == 0 && f.Context != platform.ContextTenant {
		return badParameter("Name a 'source', or 'context=tenant'.")
	}
	if err := c.api.Notifications.UnsubscribeAll(c.ctx(), c.tenant(), f); err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}

// createNotificationToken issues a token, always a signed one: "signed": false
// is not obeyed.
func createNotificationToken(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	g, lifespan, err := parseNotificationToken(body)
	if err != nil {
		return err
	}
	g.Tenant = c.tenant()
	token, err := c.api.NotificationTokens.IssueNotification(c.ctx(), g, lifespan)
	if err != nil {
		return err
	}
	c.answer(http.StatusOK, c8yjson.MediaJSON, func(w *c8yjson.Writer) {
		w.Open('{')
		w.Text("token", token)
		w.Close('}')
	})
	return nil
}

// maxTokenMinutes is where a client's number ends; a token lives 30 days at most.
const maxTokenMinutes = 10 * 365 * 24 * 60

func parseNotificationToken(o c8yjson.Object) (g platform.NotificationGrant, lifespan time.Duration, err error) {
	if missing := missingOf(o, "subscriber", "subscription"); len(missing) > 0 {
		return g, 0, c8yjson.Missing(missing...)
	}
	if g.Subscriber, err = o.Text("subscriber"); err != nil {
		return g, 0, err
	}
	if g.Topic.Name, err = o.Text("subscription"); err != nil {
		return g, 0, err
	}
	if err := notify.CheckTopic(g.Topic.Name); err != nil {
		return g, 0, err
	}
	if err := notify.CheckSubscriber(g.Subscriber); err != nil {
		return g, 0, err
	}
	if kind, err := o.Text("type"); err != nil || kind != "" && kind != "notification" {
		return g, 0, badParameter("'type' is 'notification'.")
	}
	if g.Shared, _, err = o.Bool("shared"); err != nil {
		return g, 0, err
	}
	if g.Topic.NonPersistent, _, err = o.Bool("nonPersistent"); err != nil {
		return g, 0, err
	}
	if _, _, err = o.Bool("signed"); err != nil {
		return g, 0, err
	}
	if !o.Has("expiresInMinutes") {
		return g, defaultTokenLife, nil
	}
	minutes, err := strconv.ParseInt(string(o["expiresInMinutes"]), 10, 64)
	if err != nil || minutes < 1 || minutes > maxTokenMinutes {
		return g, 0, badParameter("'expiresInMinutes' is a whole number, at least 1.")
	}
	return g, time.Duration(minutes) * time.Minute, nil
}

// defaultTokenLife is a day (rest.md §6.12).
const defaultTokenLife = 24 * time.Hour

func missingOf(o c8yjson.Object, names ...string) (missing []string) {
	for _, name := range names {
		if !o.Has(name) {
			missing = append(missing, name)
		}
	}
	return missing
}

func unsubscribeConsumer(c *call) error {
	g, err := c.api.NotificationTokens.VerifyNotification(c.ctx(), c.query.Get("token"))
	if err != nil {
		return err
	}
	if g.Tenant != c.tenant() {
		return forbidden()
	}
	known, err := c.api.Notifications.Forget(c.ctx(), g)
	if err != nil {
		return err
	}
	if !known && g.Shared {
		// The vendor's client takes a status from 500 on as "another one of us was
		// faster", and any other but 200 as a fault.
		return problem.WithCode(problem.Unavailable, "reliable-notification/Not Found", "The subscriber is not registered, or not any more.", nil)
	}
	c.answer(http.StatusOK, c8yjson.MediaJSON, func(w *c8yjson.Writer) {
		w.Open('{')
		w.Text("result", "DONE")
		w.Close('}')
	})
	return nil
}
