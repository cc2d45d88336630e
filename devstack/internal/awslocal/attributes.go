package awslocal

import (
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"time"
)

// Limits and defaults of a standard queue, from "SetQueueAttributes" and
// "Amazon SQS message quotas".
const (
	defaultVisibility = 30 * time.Second
	maxVisibility     = 12 * time.Hour
	defaultRetention  = 4 * 24 * time.Hour
	maxDelay          = 15 * time.Minute
	maxWait           = 20 * time.Second
	maxMessageBytes   = 1 << 20
	maxBatch          = 10
	purgeInterval     = time.Minute
)

type redrivePolicy struct {
	DeadLetterTargetArn string `json:"deadLetterTargetArn"`
	MaxReceiveCount     int    `json:"maxReceiveCount"`
}

// UnmarshalJSON accepts the count as a number or a text, as SQS does.
func (p *redrivePolicy) UnmarshalJSON(doc []byte) error {
	var raw struct {
		Arn   string          `json:"deadLetterTargetArn"`
		Count json.RawMessage `json:"maxReceiveCount"`
	}
	if err := json.Unmarshal(doc, &raw); err != nil {
		return err
	}
	count, err := strconv.Atoi(strings.Trim(string(raw.Count), `"`))
	p.DeadLetterTargetArn, p.MaxReceiveCount = raw.Arn, count
	return err
}

// queueAttributes are a queue's settings: those with an effect here, and the text of
// everything that was set.
type queueAttributes struct {
	visibility, retention, delay, wait time.Duration
	maxBytes                           int
	redrive                            redrivePolicy
	text                               map[string]string
}

func defaultAttributes() queueAttributes {
	return queueAttributes{
		visibility: defaultVisibility, retention: defaultRetention, maxBytes: maxMessageBytes,
		text: map[string]string{
			"VisibilityTimeout": "30", "MessageRetentionPeriod": "345600", "DelaySeconds": "0",
			"ReceiveMessageWaitTimeSeconds": "0", "MaximumMessageSize": "1048576", "SqsManagedSseEnabled": "true",
		},
	}
}

// storedOnly are the attributes that are stored and shown, but have no effect here.
var storedOnly = map[string]bool{
	"Policy": true, "RedriveAllowPolicy": true, "SqsManagedSseEnabled": true,
	"KmsMasterKeyId": true, "KmsDataKeyReusePeriodSeconds": true,
}

// with returns the attributes changed by what a call sets.
func (a queueAttributes) with(set map[string]string) (queueAttributes, error) {
	a.text = maps.Clone(a.text)
	for name, value := range set {
		if err := a.set(name, value); err != nil {
			return a, err
		}
		if value == "" { // an empty text removes a policy or a key
			delete(a.text, name)
		} else {
			a.text[name] = value
		}
	}
	return a, nil
}

func (a *queueAttributes) set(name, value string) error {
	seconds := func(into *time.Duration, low, high time.Duration) error {
		n, err := strconv.Atoi(value)
		d := time.Duration(n) * time.Second
		if err != nil || d < low || d > high {
			return invalidAttribute(name)
		}
		*into = d
		return nil
	}
	switch name {
	case "VisibilityTimeout":
		return seconds(&a.visibility, 0, maxVisibility)
	case "MessageRetentionPeriod":
		return seconds(&a.retention, time.Minute, 14*24*time.Hour)
	case "DelaySeconds":
		return seconds(&a.delay, 0, maxDelay)
	case "ReceiveMessageWaitTimeSeconds":
		return seconds(&a.wait, 0, maxWait)
	case "MaximumMessageSize":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1024 || n > maxMessageBytes {
			return invalidAttribute(name)
		}
		a.maxBytes = n
		return nil
	case "RedrivePolicy":
		return a.setRedrive(value)
	}
	if storedOnly[name] {
		return nil
	}
	return apiErrorf("InvalidAttributeName", "Unknown Attribute %s.", name)
}

func (a *queueAttributes) setRedrive(value string) error {
	a.redrive = redrivePolicy{}
	if value == "" {
		return nil
	}
	err := json.Unmarshal([]byte(value), &a.redrive)
	if err != nil || a.redrive.MaxReceiveCount < 1 || a.redrive.MaxReceiveCount > 1000 {
		return invalidAttribute("RedrivePolicy")
	}
	return nil
}

func invalidAttribute(name string) error {
	return apiErrorf("InvalidAttributeValue", "Invalid value for the parameter %s.", name)
}

// attributeTexts returns the named attributes of a queue, or all of them.
func (q *queue) attributeTexts(names []string) (map[string]string, error) {
	d := q.depth()
	q.mu.Lock()
	all := maps.Clone(q.attrs.text)
	all["CreatedTimestamp"] = strconv.FormatInt(q.created.Unix(), 10)
	all["LastModifiedTimestamp"] = strconv.FormatInt(q.modified.Unix(), 10)
	q.mu.Unlock()
	all["QueueArn"] = q.arn
	all["ApproximateNumberOfMessages"] = strconv.Itoa(d.Visible)
	all["ApproximateNumberOfMessagesNotVisible"] = strconv.Itoa(d.InFlight)
	all["ApproximateNumberOfMessagesDelayed"] = strconv.Itoa(d.Delayed)

	out := make(map[string]string)
	for _, name := range names {
		value, ok := all[name]
		switch {
		case name == "All":
			return all, nil
		case ok:
			out[name] = value
		case !storedOnly[name] && name != "RedrivePolicy":
			return nil, apiErrorf("InvalidAttributeName", "Unknown Attribute %s.", name)
		}
	}
	return out, nil
}

func (q *queue) settings() queueAttributes {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.attrs
}
