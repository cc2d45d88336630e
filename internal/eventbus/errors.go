package eventbus

import (
	"errors"
	"net/http"
	"regexp"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"healthlake-cdc/internal/cdc"
)

// The operations as errors name them.
const (
	opPut      = "EventBridge PutEvents"
	opDescribe = "EventBridge DescribeEventBus"
)

// What an operator can do about an error.
var advice = map[cdc.Class]string{
	cdc.ClassThrottled:      "EventBridge throttles; ask for a higher PutEvents quota if this stays",
	cdc.ClassUnavailable:    adviceUnavailable,
	cdc.ClassMalformed:      adviceUnavailable,
	cdc.ClassForbidden:      "allow events:PutEvents on the bus to this program's role, and check its credentials",
	cdc.ClassBusMissing:     "create the event bus or correct CDC_EVENT_BUS; nothing is dropped meanwhile",
	cdc.ClassInvalidRequest: "EventBridge does not accept the request; check AWS_REGION, CDC_EVENT_BUS and CDC_MAX_EVENT_BYTES, and see its error code; nothing is dropped meanwhile",
}

const (
	adviceUnavailable = "no usable answer from EventBridge; if this stays, check AWS_REGION, the AWS credentials, AWS_ENDPOINT_URL_EVENTBRIDGE and the network"
	adviceEntry       = "EventBridge keeps failing this entry with a code that may pass"
)

// entryCodes are the codes of PutEventsResultEntry that do not pass by themselves
// (EventBridge API reference). With cdc.ClassEventRejected EventBridge does not accept the
// entry until somebody changes the event, the bus or its policy; the others are about the bus.
var entryCodes = map[string]cdc.Class{
	"InvalidArgument":                     cdc.ClassEventRejected,
	"MalformedDetail":                     cdc.ClassEventRejected,
	"RedactionFailure":                    cdc.ClassEventRejected,
	"NotAuthorizedForSourceException":     cdc.ClassEventRejected,
	"NotAuthorizedForDetailTypeException": cdc.ClassEventRejected,
	"ValidationException":                 cdc.ClassEventRejected,
	"AccessDeniedException":               cdc.ClassForbidden,
	"InvalidAccountIdException":           cdc.ClassBusMissing,
	"ResourceNotFoundException":           cdc.ClassBusMissing,
}

// entryGravity orders the classes of entries that are to be sent again, the gravest
// last: a call's error has that one.
var entryGravity = []cdc.Class{cdc.ClassUnavailable, cdc.ClassThrottled, cdc.ClassForbidden, cdc.ClassBusMissing}

// entryClass is what an entry's error code means. An unknown code may pass.
func entryClass(code string) cdc.Class {
	if class, known := entryCodes[code]; known {
		return class
	}
	if class, _ := cdc.ClassOfAWSCode(code); class == cdc.ClassThrottled {
		return class
	}
	return cdc.ClassUnavailable
}

// entryError is the error of a call in which an entry failed with this code.
func entryError(class cdc.Class, code string) *cdc.Error {
	e := &cdc.Error{Op: opPut, Class: class, Status: http.StatusOK, Code: code, Advice: advice[class]}
	if class == cdc.ClassUnavailable {
		e.Advice = adviceEntry
	}
	return e
}

// interrupted is the error of a Publish whose context is done.
func interrupted() *cdc.Error {
	return &cdc.Error{Op: opPut, Class: cdc.ClassInterrupted, Advice: "the process is stopping or the attempt ran out of time"}
}

// callError is the error of a call that failed as a whole, without the service's message:
// a ValidationException quotes what it does not like.
func callError(op string, err error) *cdc.Error {
	e := &cdc.Error{Op: op}
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		e.Status = response.HTTPStatusCode()
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		e.Code = cleanCode(api.ErrorCode())
	}
	e.Class = callClass(e.Status, e.Code)
	e.Advice = advice[e.Class]
	return e
}

// blamesContent reports whether a PutEvents call may have been rejected for what is in
// it.
func blamesContent(e *cdc.Error) bool {
	if e.Class != cdc.ClassInvalidRequest {
		return false
	}
	switch e.Code {
	case "ValidationException", "ValidationError", "SerializationException", "InvalidArgument":
		return true
	default:
		return e.Status == http.StatusRequestEntityTooLarge
	}
}

// callClass is the class of a call that failed, by its status and code.
func callClass(status int, code string) cdc.Class {
	class, _ := cdc.ClassOfAWSCode(code)
	switch {
	case class == cdc.ClassThrottled || status == http.StatusTooManyRequests:
		return cdc.ClassThrottled
	case code == "ResourceNotFoundException":
		return cdc.ClassBusMissing
	case class == cdc.ClassForbidden || status == http.StatusUnauthorized || status == http.StatusForbidden:
		return cdc.ClassForbidden
	case status >= 200 && status < 300:
		return cdc.ClassMalformed
	case class == cdc.ClassUnavailable || status == 0 || status >= 500 || status == http.StatusRequestTimeout:
		return cdc.ClassUnavailable
	default:
		return cdc.ClassInvalidRequest
	}
}

var codePattern = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,64}$`)

// cleanCode is code where it looks like one, for it goes into logs and the UI.
func cleanCode(code string) string {
	if !codePattern.MatchString(code) {
		return "UnreadableCode"
	}
	return code
}
