package awslocal

import (
	"context"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

type sendInput struct {
	QueueURL string `json:"QueueUrl"`
	sendEntry
}

type sendEntry struct {
	ID                string `json:"Id"`
	MessageBody       string
	DelaySeconds      *int
	MessageAttributes map[string]messageAttribute
}

type sendResult struct {
	ID                     string `json:"Id,omitempty"`
	MessageID              string `json:"MessageId"`
	MD5OfMessageBody       string
	MD5OfMessageAttributes string `json:",omitempty"`
}

func (s *sqsService) sendMessage(_ context.Context, in sendInput) (sendResult, error) {
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return sendResult{}, err
	}
	return s.send(q, in.sendEntry)
}

func (s *sqsService) send(q *queue, e sendEntry) (sendResult, error) {
	attrs := q.settings()
	delay := attrs.delay
	if e.DelaySeconds != nil {
		delay = time.Duration(*e.DelaySeconds) * time.Second
	}
	switch {
	case s.full():
		return sendResult{}, apiErrorf("OverLimit", "The stand-in holds as many bytes as it may: receive and delete, "+
			"or raise MaxStoredBytes.")
	case e.MessageBody == "":
		return sendResult{}, apiErrorf("MissingParameter", "The request must contain the parameter MessageBody.")
	case delay < 0 || delay > maxDelay:
		return sendResult{}, outOfRange("DelaySeconds", "0", "900")
	case messageSize(e.MessageBody, e.MessageAttributes) > int64(attrs.maxBytes):
		return sendResult{}, apiErrorf("InvalidParameterValue", "One or more parameters are invalid. "+
			"Reason: Message must be shorter than %d bytes.", attrs.maxBytes)
	case !validContents(e.MessageBody):
		return sendResult{}, apiErrorf("InvalidMessageContents", "Invalid characters found in the message body.")
	}
	m := newMessage(e.MessageBody, e.MessageAttributes, time.Now())
	result := sendResult{
		ID: e.ID, MessageID: m.id, MD5OfMessageBody: m.bodyMD5,
		MD5OfMessageAttributes: attributesMD5(e.MessageAttributes),
	}
	q.push(m, delay)
	return result, nil
}

// validContents reports whether a body has only the characters that SQS
// allows (#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 on).
func validContents(body string) bool {
	if !utf8.ValidString(body) {
		return false
	}
	return strings.IndexFunc(body, func(r rune) bool {
		return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
	}) < 0
}

func outOfRange(parameter, low, high string) error {
	return apiErrorf("InvalidParameterValue", "Value for parameter %s is invalid. "+
		"Reason: Must be between %s and %s, if provided.", parameter, low, high)
}

type receiveInput struct {
	QueueURL                    string `json:"QueueUrl"`
	MaxNumberOfMessages         *int
	VisibilityTimeout           *int
	WaitTimeSeconds             *int
	AttributeNames              []string
	MessageSystemAttributeNames []string
	MessageAttributeNames       []string
}

type receivedMessage struct {
	MessageID              string `json:"MessageId"`
	ReceiptHandle          string
	MD5OfBody              string
	Body                   string
	Attributes             map[string]string           `json:",omitempty"`
	MD5OfMessageAttributes string                      `json:",omitempty"`
	MessageAttributes      map[string]messageAttribute `json:",omitempty"`
}

type receiveOutput struct {
	Messages []receivedMessage `json:",omitempty"`
}

func (s *sqsService) receiveMessage(ctx context.Context, in receiveInput) (receiveOutput, error) {
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return receiveOutput{}, err
	}
	attrs := q.settings()
	n := 1
	if in.MaxNumberOfMessages != nil {
		n = *in.MaxNumberOfMessages
	}
	visibility := secondsOr(in.VisibilityTimeout, attrs.visibility)
	wait := secondsOr(in.WaitTimeSeconds, attrs.wait)
	switch {
	case n < 1 || n > maxBatch:
		return receiveOutput{}, outOfRange("MaxNumberOfMessages", "1", "10")
	case visibility < 0 || visibility > maxVisibility:
		return receiveOutput{}, outOfRange("VisibilityTimeout", "0", "43200")
	case wait < 0 || wait > maxWait:
		return receiveOutput{}, outOfRange("WaitTimeSeconds", "0", "20")
	}
	got, err := q.receive(ctx, n, visibility, wait, s.burial(q, attrs))
	if err != nil {
		return receiveOutput{}, err
	}
	var out receiveOutput
	for _, r := range got {
		out.Messages = append(out.Messages, s.wire(r, in))
	}
	return out, nil
}

func secondsOr(n *int, otherwise time.Duration) time.Duration {
	if n == nil {
		return otherwise
	}
	return time.Duration(*n) * time.Second
}

// burial moves messages to the dead-letter queue, or is nil without one. They
// keep their id and the time at which they were sent, as in SQS.
func (s *sqsService) burial(q *queue, attrs queueAttributes) func([]*message) {
	dlq := s.byArn(attrs.redrive.DeadLetterTargetArn)
	if dlq == nil {
		return nil
	}
	return func(dead []*message) {
		for _, m := range dead {
			dlq.push(&message{
				id: m.id, body: m.body, bodyMD5: m.bodyMD5, attributes: m.attributes,
				sent: m.sent, firstReceived: m.firstReceived, receives: m.receives, deadLetterOf: q.arn,
			}, 0)
		}
	}
}

func (s *sqsService) wire(r received, in receiveInput) receivedMessage {
	m := receivedMessage{MessageID: r.id, ReceiptHandle: r.handle, MD5OfBody: r.bodyMD5, Body: r.body}
	system := map[string]string{
		"SenderId":                         s.account,
		"SentTimestamp":                    strconv.FormatInt(r.sent.UnixMilli(), 10),
		"ApproximateReceiveCount":          strconv.Itoa(r.receives),
		"ApproximateFirstReceiveTimestamp": strconv.FormatInt(r.first.UnixMilli(), 10),
	}
	if r.deadLetterOf != "" {
		system["DeadLetterQueueSourceArn"] = r.deadLetterOf
	}
	for name, value := range system {
		if wants(in.AttributeNames, name) || wants(in.MessageSystemAttributeNames, name) {
			if m.Attributes == nil {
				m.Attributes = make(map[string]string)
			}
			m.Attributes[name] = value
		}
	}
	for name, a := range r.attributes {
		if wants(in.MessageAttributeNames, name) {
			if m.MessageAttributes == nil {
				m.MessageAttributes = make(map[string]messageAttribute)
			}
			m.MessageAttributes[name] = a
		}
	}
	m.MD5OfMessageAttributes = attributesMD5(m.MessageAttributes)
	return m
}

// wants reports whether a list of attribute names includes name: by itself, by All or .*,
// or by a prefix such as trace.*.
func wants(names []string, name string) bool {
	for _, n := range names {
		prefix, isPrefix := strings.CutSuffix(n, ".*")
		if n == "All" || n == name || isPrefix && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

type deleteInput struct {
	QueueURL      string `json:"QueueUrl"`
	ReceiptHandle string
}

func (s *sqsService) deleteMessage(_ context.Context, in deleteInput) (none, error) {
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return none{}, err
	}
	return none{}, q.delete(in.ReceiptHandle)
}

type visibilityInput struct {
	QueueURL string `json:"QueueUrl"`
	visibilityEntry
}

type visibilityEntry struct {
	ID                string `json:"Id"`
	ReceiptHandle     string
	VisibilityTimeout int
}

func (s *sqsService) changeMessageVisibility(_ context.Context, in visibilityInput) (none, error) {
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return none{}, err
	}
	return none{}, q.change(in.visibilityEntry)
}

func (q *queue) change(e visibilityEntry) error {
	timeout := time.Duration(e.VisibilityTimeout) * time.Second
	if timeout < 0 || timeout > maxVisibility {
		return outOfRange("VisibilityTimeout", "0", "43200")
	}
	return q.changeVisibility(e.ReceiptHandle, timeout)
}
