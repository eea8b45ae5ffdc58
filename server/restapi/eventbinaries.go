package restapi

import (
	"encoding/json"
	"net/http"

	"mooring/internal/jsonscan"
	"mooring/internal/problem"
	"mooring/server/c8yjson"
	"mooring/server/platform"
)

// eventBinaryRoutes serve the file that an event may have (rest.md §6.5). Its
// bytes lie under the ID of the event, which says in c8y_IsBinary what they are.
func (a *API) eventBinaryRoutes() []route {
	const path = "/event/events/{id}/binaries"
	return []route{
		{method: "POST", path: path, access: user, serve: attachFile, maxBody: a.maxUpload(),
			doc: doc{Does: "Attach a file to an event", Takes: "form file object? type? | application/octet-stream", Gives: "eventBinary", Also: "409 413 422"}},
		{method: "GET", path: path, access: user, serve: readAttachment,
			doc: doc{Does: "Download the file of an event, or ranges of it", Gives: "*/*", Also: "206 304 412 416"}},
		{method: "PUT", path: path, access: user, serve: replaceAttachment, maxBody: a.maxUpload(),
			doc: doc{Does: "Replace the file of an event", Takes: "application/octet-stream", Gives: "eventBinary", Status: http.StatusCreated, Also: "413"}},
		{method: "DELETE", path: path, access: user, serve: deleteAttachment,
			doc: doc{Does: "Remove the file of an event"}},
	}
}

func attached(e platform.Event) bool { return jsonscan.Member(e.Body, fragmentIsBinary) != nil }

func noAttachment(err error) error {
	return problem.WithCode(problem.NotFound, "Not Found", "Attachment not found", err)
}

func attachFile(c *call) error {
	e, err := eventOf(c, eventAdmins)
	if err != nil {
		return err
	}
	if attached(e) {
		return problem.WithCode(problem.Conflict, "Duplicate", "Attachment already exists", nil)
	}
	return takeAttachment(c, e)
}

func replaceAttachment(c *call) error {
	e, err := eventOf(c, eventAdmins)
	if err != nil {
		return err
	}
	if !attached(e) {
		return noAttachment(nil)
	}
	return takeAttachment(c, e)
}

// takeAttachment stores the bytes, then has the event tell of them.
func takeAttachment(c *call, e platform.Event) error {
	up, err := receive(c, e.ID)
	if err != nil {
		return err
	}
	if !up.stored {
		return c8yjson.Missing("file")
	}
	name, media, err := up.attachment(e)
	if err != nil {
		return err
	}
	about, err := json.Marshal(struct {
		Name   string          `json:"name"`
		Length json.RawMessage `json:"length"`
		Type   string          `json:"type"`
	}{name, up.length(), media})
	if err != nil {
		return err
	}
	_, err = c.api.Telemetry.UpdateEvent(c.ctx(), c.tenant(), platform.EventUpdate{ID: e.ID, Set: platform.Fragments{fragmentIsBinary: about}})
	if problem.KindOf(err) == problem.NotFound {
		c.forgetFile(e.ID) // the event was deleted meanwhile
	}
	if err != nil {
		return err
	}
	self := c.base() + c8yjson.PathEvents + e.ID.String() + "/binaries"
	c.created(self, c8yjson.MediaJSON, func(w *c8yjson.Writer) {
		w.Open('{')
		w.Text("name", name)
		w.Text("self", self)
		w.ID("source", e.ID)
		w.Text("type", media)
		w.Close('}')
	})
	return nil
}

// attachment is what a file is called and of which type it is: as the client
// says, else as it was, else the number of the event and bytes.
func (up *upload) attachment(e platform.Event) (name, media string, err error) {
	if name, err = up.object.Text("name"); err != nil {
		return "", "", err
	}
	if media, err = up.object.Text("type"); err != nil {
		return "", "", err
	}
	oldName, oldMedia := attachmentFacts(e)
	return first(name, up.name, oldName, e.ID.String()), first(media, up.named, up.media, oldMedia, octets), nil
}

// attachmentFacts is what an event says of its file.
func attachmentFacts(e platform.Event) (name, media string) {
	about := jsonscan.Member(e.Body, fragmentIsBinary)
	name, _ = jsonscan.Text(jsonscan.Member(about, "name"))
	media, _ = jsonscan.Text(jsonscan.Member(about, "type"))
	return name, media
}

// first is the first text that is not empty.
func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

func readAttachment(c *call) error {
	e, err := eventOf(c, eventReaders)
	if err != nil {
		return err
	}
	content, err := c.api.Files.Open(c.ctx(), c.tenant(), e.ID)
	if problem.KindOf(err) == problem.NotFound {
		return noAttachment(err)
	}
	if err != nil {
		return err
	}
	name, media := attachmentFacts(e)
	c.download(content, name, media)
	return nil
}

func deleteAttachment(c *call) error {
	e, err := eventOf(c, eventAdmins)
	if err != nil {
		return err
	}
	err = c.api.Files.Delete(c.ctx(), c.tenant(), e.ID)
	if problem.KindOf(err) == problem.NotFound && !attached(e) {
		return noAttachment(err)
	}
	if err != nil && problem.KindOf(err) != problem.NotFound {
		return err
	}
	if _, err := c.api.Telemetry.UpdateEvent(c.ctx(), c.tenant(), platform.EventUpdate{ID: e.ID, Remove: []string{fragmentIsBinary}}); err != nil {
		return err
	}
	c.empty(http.StatusNoContent)
	return nil
}
