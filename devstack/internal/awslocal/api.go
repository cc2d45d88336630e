package awslocal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// An apiError is an error of AWS, with the code that callers of the SDK see.
type apiError struct {
	status  int // HTTP status
	code    string
	message string
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

func apiErrorf(code, format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, code: code, message: fmt.Sprintf(format, args...)}
}

func asAPIError(err error) *apiError {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e
	}
	return &apiError{status: http.StatusInternalServerError, code: "InternalFailure", message: err.Error()}
}

// queryCodes are the codes of SQS's older query protocol, which the SDK
// reports instead of the JSON protocol's own.
var queryCodes = map[string]string{
	"BatchEntryIdsNotDistinct":     "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
	"BatchRequestTooLong":          "AWS.SimpleQueueService.BatchRequestTooLong",
	"EmptyBatchRequest":            "AWS.SimpleQueueService.EmptyBatchRequest",
	"InvalidBatchEntryId":          "AWS.SimpleQueueService.InvalidBatchEntryId",
	"MessageNotInflight":           "AWS.SimpleQueueService.MessageNotInflight",
	"PurgeQueueInProgress":         "AWS.SimpleQueueService.PurgeQueueInProgress",
	"QueueDoesNotExist":            "AWS.SimpleQueueService.NonExistentQueue",
	"QueueNameExists":              "QueueAlreadyExists",
	"TooManyEntriesInBatchRequest": "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
	"UnsupportedOperation":         "AWS.SimpleQueueService.UnsupportedOperation",
}

// A service is one AWS API: its operations by name, and its protocol.
type service struct {
	name        string // as in the signature's scope
	contentType string
	namespace   string // of error types
	operations  map[string]operation
}

type operation func(ctx context.Context, body []byte) (any, error)

// op makes an operation of a function from a call's input to its output.
func op[In, Out any](f func(context.Context, In) (Out, error)) operation {
	return func(ctx context.Context, body []byte) (any, error) {
		var in In
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, apiErrorf("SerializationException", "The request is not the JSON of this call.")
		}
		return f(ctx, in)
	}
}

// none is the output of calls without output.
type none struct{}

func (s *service) write(w http.ResponseWriter, out any) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(out); err != nil {
		s.writeError(w, fmt.Errorf("encoding response: %w", err))
		return
	}
	s.send(w, http.StatusOK, buf.Bytes())
}

func (s *service) writeError(w http.ResponseWriter, err error) {
	e := asAPIError(err)
	if query, ok := queryCodes[e.code]; ok && s.name == "sqs" {
		w.Header().Set("X-Amzn-Query-Error", query+";Sender")
	}
	body, _ := json.Marshal(map[string]string{"__type": s.namespace + e.code, "message": e.message})
	s.send(w, e.status, body)
}

func (s *service) send(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", s.contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("X-Amzn-Requestid", newUUID())
	w.WriteHeader(status)
	_, _ = w.Write(body) // if the client has disconnected, its messages are in flight, as on AWS
}
