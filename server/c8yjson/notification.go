package c8yjson

import (
	"encoding/json"

	"mooring/server/platform"
)

// PathSubscriptions is where notification subscriptions live.
const PathSubscriptions = "/notification2/subscriptions/"

// Subscription writes n (rest.md §6.12).
func Subscription(w *Writer, base string, n platform.NotificationSubscription) {
	w.Open('{')
	w.ID("id", n.ID)
	w.Link("self", base, PathSubscriptions, n.ID.String())
	w.Text("context", n.Context)
	if n.Source != 0 {
		source(w, base, n.Source)
	}
	w.Text("subscription", n.Topic.Name)
	if len(n.APIs) > 0 || n.TypeFilter != "" {
		w.Key("subscriptionFilter")
		w.Open('{')
		if len(n.APIs) > 0 {
			texts(w, "apis", n.APIs)
		}
		w.TextIf("typeFilter", n.TypeFilter)
		w.Close('}')
	}
	if len(n.Fragments) > 0 {
		texts(w, "fragmentsToCopy", n.Fragments)
	}
	w.Bool("nonPersistent", n.Topic.NonPersistent)
	w.Close('}')
}

func texts(w *Writer, key string, list []string) {
	w.Key(key)
	w.Open('[')
	for _, s := range list {
		w.String(s)
	}
	w.Close(']')
}

// ParseSubscription reads a new subscription; context and subscription are mandatory.
func ParseSubscription(o Object) (platform.NotificationSubscription, error) {
	var n platform.NotificationSubscription
	if err := o.require("context", "subscription"); err != nil {
		return n, err
	}
	var err error
	if n.Context, err = o.Text("context"); err != nil {
		return n, err
	}
	if n.Topic.Name, err = o.Text("subscription"); err != nil {
		return n, err
	}
	if n.Topic.NonPersistent, _, err = o.Bool("nonPersistent"); err != nil {
		return n, err
	}
	if o.Has("source") {
		if n.Source, err = parseSource(o); err != nil {
			return n, err
		}
	}
	if n.Fragments, err = o.texts("fragmentsToCopy"); err != nil || !o.Has("subscriptionFilter") {
		return n, err
	}
	filter, err := o.Object("subscriptionFilter")
	if err != nil {
		return n, err
	}
	if n.APIs, err = filter.texts("apis"); err != nil {
		return n, err
	}
	n.TypeFilter, err = filter.Text("typeFilter")
	return n, err
}

// texts reads a list of texts; nil if it is absent.
func (o Object) texts(name string) ([]string, error) {
	if !o.Has(name) {
		return nil, nil
	}
	var list []*string
	if json.Unmarshal(o[name], &list) != nil {
		return nil, wrongType(name, "a list of texts")
	}
	texts := make([]string, len(list))
	for i, t := range list {
		if t == nil {
			return nil, wrongType(name, "a list of texts")
		}
		texts[i] = *t
	}
	return texts, nil
}

// Notice writes the object of n; of one that is gone, its ID.
func Notice(w *Writer, base string, n platform.Notice) {
	switch o := n.Object.(type) {
	case platform.ManagedObject:
		ManagedObject(w, base, o, nil)
	case platform.Measurement:
		Measurement(w, base, o)
	case platform.Event:
		Event(w, base, o)
	case platform.Alarm:
		Alarm(w, base, o)
	case platform.Operation:
		Operation(w, base, o, nil)
	default:
		w.Open('{')
		w.ID("id", n.ID)
		w.Close('}')
	}
}
