package simulator

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// problem is an error response. Its text never has an id, a query or a body.
type problem struct {
	status     int
	issue      string // FHIR issue type
	code       string // as AWS names the error
	text       string
	retryAfter time.Duration
}

func badRequest(text string) *problem {
	return &problem{status: http.StatusBadRequest, issue: "invalid", code: "ValidationException", text: text}
}

func notFound(text string) *problem {
	return &problem{status: http.StatusNotFound, issue: "not-found", code: "ResourceNotFoundException", text: text}
}

var errGone = &problem{
	status: http.StatusGone, issue: "deleted", code: "ResourceGoneException",
	text: "the resource was deleted: read its history for earlier versions",
}

func forbidden(code, text string) *problem {
	return &problem{status: http.StatusForbidden, issue: "forbidden", code: code, text: text}
}

func throttled(retryAfter time.Duration) *problem {
	return &problem{
		status: http.StatusTooManyRequests, issue: "throttled", code: "ThrottlingException",
		text: "the rate exceeds the data store's quota: slow down and retry", retryAfter: retryAfter,
	}
}

// errNoInteraction is for what the CapabilityStatement does not list, such as PATCH.
var errNoInteraction = &problem{
	status: http.StatusMethodNotAllowed, issue: "not-supported", code: "ValidationException",
	text: "there is no such interaction: see the CapabilityStatement",
}

type operationOutcome struct {
	ResourceType string         `json:"resourceType"`
	Issue        []outcomeIssue `json:"issue"`
}

type outcomeIssue struct {
	Severity    string      `json:"severity"`
	Code        string      `json:"code"`
	Details     outcomeText `json:"details"`
	Diagnostics string      `json:"diagnostics"`
}

type outcomeText struct {
	Text string `json:"text"`
}

func (p *problem) reply() *reply {
	body, err := json.Marshal(operationOutcome{ResourceType: "OperationOutcome", Issue: []outcomeIssue{{
		Severity: "error", Code: p.issue, Details: outcomeText{p.code}, Diagnostics: p.text,
	}}})
	if err != nil {
		panic(err) // strings only: cannot fail
	}
	rep := &reply{status: p.status, body: body, header: http.Header{}}
	rep.header.Set("X-Amzn-Errortype", p.code)
	if p.retryAfter > 0 {
		seconds := (p.retryAfter + time.Second - 1) / time.Second
		rep.header.Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	return rep
}
