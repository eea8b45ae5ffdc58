package restapi

import (
	"mooring/server/c8yjson"
	"mooring/server/openapi"
)

var notificationShapes = openapi.Shapes{
	"subscription": vendor(c8yjson.MediaSubscription, "id: id, self: uri, context: mo|tenant, source?: source, subscription: string, "+
		"subscriptionFilter?: subscriptionFilter, fragmentsToCopy?: [string], nonPersistent: boolean"),
	"subscriptionFilter":     openapi.JSON("apis?: [string], typeFilter?: string"),
	"subscriptionCollection": vendor(c8yjson.MediaSubscriptions, list("subscriptions", "subscription")),
	"newSubscription": openapi.JSON("context: mo|tenant, source?: sourceReference, subscription: string, subscriptionFilter?: subscriptionFilter, " +
		"fragmentsToCopy?: [string], nonPersistent?: boolean, *"),
	"newNotificationToken": openapi.JSON("subscriber: string, subscription: string, expiresInMinutes?: integer, type?: string, signed?: boolean, " +
		"shared?: boolean, nonPersistent?: boolean, *"),
	"notificationToken": openapi.JSON("token: string"),
	"bayeuxMessages":    openapi.JSON("= [object]"),
	"unsubscribed":      openapi.JSON("result: DONE|SCHEDULED"),
	"notificationLinks": openapi.JSON("self: uri, notificationSubscriptions: any, notificationSubscriptionsBySource: string, " +
		"notificationSubscriptionsBySourceAndContext: string, notificationSubscriptionsByContext: string"),
}
