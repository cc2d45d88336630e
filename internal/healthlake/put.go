package healthlake

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"healthlake-cdc/internal/cdc"
)

// opPut is the only write: of SubscriptionTopics and Subscriptions.
const opPut = "PUT {Type}/{id}"

// errNotResource tells of an answer that is not the resource asked for.
var errNotResource = errors.New("the answer is not the resource asked for")

// ReadDefinition reads a resource that defines something, such as a Subscription,
// as it is. found is false when there is none.
func (c *Client) ReadDefinition(ctx context.Context, datastore, resourceType, id string) (body json.RawMessage, found bool, err error) {
	r, err := c.definition(opRead, datastore, resourceType, id)
	if err != nil {
		return nil, false, err
	}
	err = c.do(ctx, r, func(a answer) error {
		var head struct{ ResourceType, ID string }
		if json.Unmarshal(a.body, &head) != nil || head.ResourceType != resourceType || head.ID != id {
			return errNotResource
		}
		body = a.body
		return nil
	})
	if cdc.ClassOf(err) == cdc.ClassNotFound {
		return nil, false, nil
	}
	return body, err == nil, err
}

// PutDefinition writes a resource under its id. created tells that there was none
// before.
func (c *Client) PutDefinition(ctx context.Context, datastore, resourceType, id string, body []byte) (created bool, err error) {
	r, err := c.definition(opPut, datastore, resourceType, id)
	if err != nil {
		return false, err
	}
	if len(body) == 0 {
		return false, invalidInput(opPut, "there is no resource to put")
	}
	r.body = body
	err = c.do(ctx, r, func(a answer) error {
		created = a.status == http.StatusCreated
		return nil
	})
	return created, err
}

func (c *Client) definition(op, datastore, resourceType, id string) (request, error) {
	if err := checkAsk(op, datastore, resourceType, nil); err != nil {
		return request{}, err
	}
	if !cdc.ValidResourceID(id) {
		return request{}, invalidInput(op, adviceNoID)
	}
	return request{
		op: op, datastore: datastore, resourceType: resourceType,
		target: c.target(datastore, nil, resourceType, id),
	}, nil
}
