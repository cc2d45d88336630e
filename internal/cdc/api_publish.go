package cdc

// PublishInput is a batch of changes, one delete, or a span's statements.
type PublishInput struct {
	Origin     Origin      `json:"origin"`
	Changes    []Change    `json:"changes,omitempty"`
	Delete     *Delete     `json:"delete,omitempty"`
	Statements []Statement `json:"statements,omitempty"`
	// Bus is the name or ARN of another bus than CDC_EVENT_BUS (a replay's).
	Bus string `json:"bus,omitempty"`
	// Accepted are the ids that EventBridge gave in an earlier Publish of the same
	// input, in its order; empty where it gave none.
	Accepted []string `json:"accepted,omitempty"`
	// Weigh asks for the result's Bytes and Events.
	Weigh bool `json:"weigh,omitempty"`
}

// Bodies are those of the changes, which travel beside the input's JSON.
func (in PublishInput) Bodies() []*Body { return bodiesOf(in.Changes, nil) }

// PublishResult is what EventBridge accepted, in the order of the input.
type PublishResult struct {
	// EventIDs are EventBridge's, one an entry; empty where it was rejected, or not tried
	// because the Publish was cancelled.
	EventIDs []string `json:"eventIds"`
	// Rejected are the entries that EventBridge does not accept as they are.
	Rejected []Rejection `json:"rejected,omitempty"`
	// Bytes of the bodies that were accepted, and Events as EventBridge bills them:
	// see Counts.
	Bytes  int64 `json:"bytes,omitempty"`
	Events int   `json:"events,omitempty"`
}

// Rejection is an entry that EventBridge does not accept as it is.
type Rejection struct {
	// Index into the input's changes or statements; 0 for its delete.
	Index int `json:"index"`
	// Code is EventBridge's error code.
	Code string `json:"code"`
}
