package eventbus

import (
	"errors"
	"net/http"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
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
const (
	adviceThrottled   = "EventBridge throttles; ask for a higher PutEvents quota if this stays"
	adviceUnavailable = "no usable answer from EventBridge; if this stays, check AWS_REGION, the AWS credentials, AWS_ENDPOINT_URL_EVENTBRIDGE and the network"
	adviceForbidden   = "allow events:PutEvents on the bus to this program's role, and check its credentials"
	adviceBusMissing  = "create the event bus or correct CDC_EVENT_BUS; nothing is dropped meanwhile"
	adviceRejected    = "EventBridge does not take the request; check AWS_REGION, CDC_EVENT_BUS and CDC_MAX_EVENT_BYTES, and see its error code; nothing is dropped meanwhile"
	adviceUnknown     = "EventBridge keeps failing this entry with a code that may pass"
)

// meaning is what the error code of one entry asks us to do.
type meaning int

const (
	again    meaning = iota // may pass: send the entry again
	throttle                // too fast: send it again, later
	refused                 // for good: this entry will never be taken
	denied                  // the bus does not let us: an operator's matter
	noBus                   // the bus is not there: an operator's matter
)

// entryCodes are the codes of PutEventsResultEntry (EventBridge API reference).
// Throttling codes are the SDK's list; a code that is in neither may pass: an
// entry is retried in vain rather than dropped.
var entryCodes = map[string]meaning{
	"InvalidArgument":                     refused,
	"MalformedDetail":                     refused,
	"RedactionFailure":                    refused,
	"NotAuthorizedForSourceException":     refused,
	"NotAuthorizedForDetailTypeException": refused,
	"ValidationException":                 refused,
	"AccessDeniedException":               denied,
	"InvalidAccountIdException":           noBus,
	"ResourceNotFoundException":           noBus,
}

func entryMeaning(code string) meaning {
	if _, ok := retry.DefaultThrottleErrorCodes[code]; ok {
		return throttle
	}
	return entryCodes[code]
}

// entryError is the error of a call in which an entry met with code.
func entryError(m meaning, code string) *cdc.Error {
	e := &cdc.Error{Op: opPut, Status: http.StatusOK, Code: code}
	switch m {
	case throttle:
		e.Class, e.Advice = cdc.ClassThrottled, adviceThrottled
	case denied:
		e.Class, e.Advice = cdc.ClassForbidden, adviceForbidden
	case noBus:
		e.Class, e.Advice = cdc.ClassBusMissing, adviceBusMissing
	default:
		e.Class, e.Advice = cdc.ClassUnavailable, adviceUnknown
	}
	return e
}

// callError is the error of a call that failed as a whole. It keeps the
// service's code and the status and nothing of the message: a
// ValidationException quotes what it does not like.
func callError(op string, err error) *cdc.Error {
	e := &cdc.Error{Op: op}
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		e.Status = response.HTTPStatusCode()
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		e.Code = cleanCode(api.ErrorCode())
	}
	e.Class, e.Advice = callClass(e.Status, e.Code)
	return e
}

// blamesContent reports whether a PutEvents call may have been refused for what is in
// it, so that it is split to keep its entries apart.
func blamesContent(e *cdc.Error) bool {
	if e.Class != cdc.ClassRejected {
		return false
	}
	switch e.Code {
	case "ValidationException", "ValidationError", "SerializationException", "InvalidArgument":
		return true
	default:
		return e.Status == http.StatusRequestEntityTooLarge
	}
}

func callClass(status int, code string) (cdc.Class, string) {
	_, throttled := retry.DefaultThrottleErrorCodes[code]
	_, timeout := retry.DefaultRetryableErrorCodes[code]
	switch {
	case throttled || status == http.StatusTooManyRequests:
		return cdc.ClassThrottled, adviceThrottled
	case code == "ResourceNotFoundException":
		return cdc.ClassBusMissing, adviceBusMissing
	case status == http.StatusUnauthorized || status == http.StatusForbidden || credentialCode(code):
		return cdc.ClassForbidden, adviceForbidden
	case status >= 200 && status < 300:
		return cdc.ClassMalformed, adviceUnavailable
	case status == 0 || status >= 500 || status == http.StatusRequestTimeout || timeout:
		return cdc.ClassUnavailable, adviceUnavailable
	default:
		return cdc.ClassRejected, adviceRejected
	}
}

// credentialCode tells whether code says that we may not call, or not as we
// are signed in: the codes of the common errors of AWS APIs, which EventBridge
// answers with status 400.
func credentialCode(code string) bool {
	switch code {
	case "AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation", "OptInRequired",
		"UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException", "SignatureDoesNotMatch",
		"MissingAuthenticationToken", "MissingAuthenticationTokenException", "IncompleteSignature",
		"IncompleteSignatureException", "RequestExpired":
		return true
	default:
		return strings.HasPrefix(code, "ExpiredToken")
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
