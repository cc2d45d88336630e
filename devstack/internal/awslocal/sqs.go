package awslocal

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// sqsService holds the queues.
type sqsService struct {
	region, account string
	baseURL         func() string
	maxStored       int64
	stored          atomic.Int64
	moves           *moveTasks

	mu     sync.RWMutex
	queues map[string]*queue // by name
}

func (s *sqsService) api() *service {
	return &service{
		name: "sqs", contentType: "application/x-amz-json-1.0", namespace: "com.amazonaws.sqs#",
		operations: map[string]operation{
			"CreateQueue":                  op(s.createQueue),
			"DeleteQueue":                  op(s.deleteQueue),
			"GetQueueUrl":                  op(s.getQueueURL),
			"ListQueues":                   op(s.listQueues),
			"GetQueueAttributes":           op(s.getQueueAttributes),
			"SetQueueAttributes":           op(s.setQueueAttributes),
			"PurgeQueue":                   op(s.purgeQueue),
			"SendMessage":                  op(s.sendMessage),
			"SendMessageBatch":             op(s.sendMessageBatch),
			"ReceiveMessage":               op(s.receiveMessage),
			"DeleteMessage":                op(s.deleteMessage),
			"DeleteMessageBatch":           op(s.deleteMessageBatch),
			"ChangeMessageVisibility":      op(s.changeMessageVisibility),
			"ChangeMessageVisibilityBatch": op(s.changeMessageVisibilityBatch),
			"StartMessageMoveTask":         op(s.startMessageMoveTask),
			"ListMessageMoveTasks":         op(s.listMessageMoveTasks),
		},
	}
}

func (s *sqsService) arn(name string) string {
	return "arn:aws:sqs:" + s.region + ":" + s.account + ":" + name
}

func (s *sqsService) url(name string) string {
	return s.baseURL() + "/" + s.account + "/" + name
}

func (s *sqsService) byName(name string) *queue {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.queues[name]
}

// byArn finds a queue, or nil.
func (s *sqsService) byArn(arn string) *queue {
	name, ok := strings.CutPrefix(arn, s.arn(""))
	if !ok {
		return nil
	}
	return s.byName(name)
}

// byURL finds a queue by the last part of its URL's path: the host may be any name of
// this server.
func (s *sqsService) byURL(url string) (*queue, error) {
	if q := s.byName(url[strings.LastIndexByte(url, '/')+1:]); q != nil {
		return q, nil
	}
	return nil, apiErrorf("QueueDoesNotExist", "The specified queue does not exist.")
}

// full reports whether the server holds the maximum number of bytes.
func (s *sqsService) full() bool { return s.stored.Load() >= s.maxStored }

type queueURL struct {
	QueueURL string `json:"QueueUrl"`
}

type createQueueInput struct {
	QueueName  string
	Attributes map[string]string
}

func (s *sqsService) createQueue(_ context.Context, in createQueueInput) (queueURL, error) {
	if strings.HasSuffix(in.QueueName, ".fifo") || in.Attributes["FifoQueue"] != "" {
		return queueURL{}, apiErrorf("UnsupportedOperation", "This stand-in has standard queues only.")
	}
	if !queueName.MatchString(in.QueueName) {
		return queueURL{}, apiErrorf("InvalidParameterValue", "Can only include alphanumeric characters, hyphens, "+
			"or underscores. 1 to 80 in length.")
	}
	attrs, err := s.checked(defaultAttributes(), in.Attributes)
	if err != nil {
		return queueURL{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if q, ok := s.queues[in.QueueName]; ok {
		has := q.settings().text
		for name, value := range in.Attributes {
			if has[name] != value {
				return queueURL{}, apiErrorf("QueueNameExists", "A queue already exists with the same name "+
					"and a different value for attribute %s.", name)
			}
		}
		return queueURL{QueueURL: s.url(q.name)}, nil
	}
	s.queues[in.QueueName] = newQueue(in.QueueName, s.arn(in.QueueName), attrs, &s.stored)
	return queueURL{QueueURL: s.url(in.QueueName)}, nil
}

// checked applies settings, and rejects a dead-letter queue that does not exist.
func (s *sqsService) checked(attrs queueAttributes, set map[string]string) (queueAttributes, error) {
	attrs, err := attrs.with(set)
	if err != nil {
		return attrs, err
	}
	if set["RedrivePolicy"] != "" && s.byArn(attrs.redrive.DeadLetterTargetArn) == nil {
		return attrs, apiErrorf("InvalidParameterValue", "Value for parameter RedrivePolicy is invalid. "+
			"Reason: Dead letter target does not exist.")
	}
	return attrs, nil
}

func (s *sqsService) deleteQueue(_ context.Context, in queueURL) (none, error) {
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return none{}, err
	}
	s.mu.Lock()
	delete(s.queues, q.name)
	s.mu.Unlock()
	q.close()
	return none{}, nil
}

func (s *sqsService) getQueueURL(_ context.Context, in struct{ QueueName string }) (queueURL, error) {
	q, err := s.byURL(in.QueueName)
	if err != nil {
		return queueURL{}, err
	}
	return queueURL{QueueURL: s.url(q.name)}, nil
}

type listQueuesOutput struct{ QueueUrls []string }

func (s *sqsService) listQueues(_ context.Context, in struct{ QueueNamePrefix string }) (listQueuesOutput, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out listQueuesOutput
	for name := range s.queues {
		if strings.HasPrefix(name, in.QueueNamePrefix) {
			out.QueueUrls = append(out.QueueUrls, s.url(name))
		}
	}
	slices.Sort(out.QueueUrls)
	return out, nil
}

type getAttributesInput struct {
	QueueURL       string `json:"QueueUrl"`
	AttributeNames []string
}

type attributesOutput struct{ Attributes map[string]string }

func (s *sqsService) getQueueAttributes(_ context.Context, in getAttributesInput) (attributesOutput, error) {
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return attributesOutput{}, err
	}
	texts, err := q.attributeTexts(in.AttributeNames)
	return attributesOutput{Attributes: texts}, err
}

type setAttributesInput struct {
	QueueURL   string `json:"QueueUrl"`
	Attributes map[string]string
}

func (s *sqsService) setQueueAttributes(_ context.Context, in setAttributesInput) (none, error) {
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return none{}, err
	}
	attrs, err := s.checked(q.settings(), in.Attributes)
	if err != nil {
		return none{}, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.attrs, q.modified = attrs, time.Now()
	return none{}, nil
}

func (s *sqsService) purgeQueue(_ context.Context, in queueURL) (none, error) {
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return none{}, err
	}
	if !q.purge() {
		return none{}, apiErrorf("PurgeQueueInProgress", "Only one PurgeQueue operation is allowed every 60 seconds.")
	}
	return none{}, nil
}
