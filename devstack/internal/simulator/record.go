package simulator

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"time"
)

// HiddenID replaces the resource's id in CloudTrail records.
const HiddenID = "HIDDEN_DUE_TO_SECURITY_REASONS"

// Record is a CloudTrail record as EventBridge delivers it: as JSON it has the
// form of the messages on the default bus.
type Record struct {
	Version    string       `json:"version"`
	ID         string       `json:"id"` // of this delivery
	DetailType string       `json:"detail-type"`
	Source     string       `json:"source"`
	Account    string       `json:"account"`
	Time       time.Time    `json:"time"` // of this delivery, whole seconds
	Region     string       `json:"region"`
	Resources  []string     `json:"resources"`
	Detail     RecordDetail `json:"detail"`
}

// RecordDetail is the record itself.
type RecordDetail struct {
	EventVersion       string            `json:"eventVersion"`
	UserIdentity       json.RawMessage   `json:"userIdentity"`
	EventTime          time.Time         `json:"eventTime"` // of completion, whole seconds
	EventSource        string            `json:"eventSource"`
	EventName          string            `json:"eventName"`
	AWSRegion          string            `json:"awsRegion"`
	SourceIPAddress    string            `json:"sourceIPAddress"`
	UserAgent          string            `json:"userAgent"`
	RequestParameters  RequestParameters `json:"requestParameters"`
	ResponseElements   *ResponseElements `json:"responseElements"`
	RequestID          string            `json:"requestID"`
	EventID            string            `json:"eventID"` // the same when the record is repeated
	ReadOnly           bool              `json:"readOnly"`
	EventType          string            `json:"eventType"`
	ManagementEvent    bool              `json:"managementEvent"`
	RecipientAccountID string            `json:"recipientAccountId"`
	EventCategory      string            `json:"eventCategory"`
	ErrorCode          string            `json:"errorCode,omitempty"`
	ErrorMessage       string            `json:"errorMessage,omitempty"`
}

// RequestParameters name the store and, except for bundles, the type.
type RequestParameters struct {
	DatastoreID  string `json:"datastoreId"`
	ResourceType string `json:"resourceType,omitempty"`
	ResourceID   string `json:"resourceId,omitempty"`
}

// ResponseElements carry the HTTP status.
type ResponseElements struct {
	StatusCode int `json:"statusCode"`
}

// record describes a finished call.
func (s *Server) record(c *call, r *http.Request, status int, p *problem) Record {
	source, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		source = "127.0.0.1"
	}
	params := RequestParameters{DatastoreID: c.ds.id, ResourceType: c.typ, ResourceID: c.id}
	detail := RecordDetail{
		EventVersion: "1.08", UserIdentity: s.identity, EventTime: s.now().Truncate(time.Second),
		EventSource: "healthlake.amazonaws.com", EventName: c.op.name, AWSRegion: s.cfg.Region,
		SourceIPAddress: source, UserAgent: c.userAgent, RequestParameters: params,
		ResponseElements: &ResponseElements{status}, RequestID: c.requestID, EventID: c.eventID,
		ReadOnly: c.op.readOnly, EventType: "AwsApiCall", ManagementEvent: true,
		RecipientAccountID: s.cfg.Account, EventCategory: "Management",
	}
	if p != nil {
		detail.ErrorCode, detail.ErrorMessage = strings.TrimSuffix(p.code, "Exception")+"Exception", p.text
	}
	return Record{
		Version: "0", DetailType: "AWS API Call via CloudTrail", Source: "aws.healthlake", Account: s.cfg.Account,
		Region: s.cfg.Region, Resources: []string{}, Detail: detail,
	}
}

func userIdentity(cfg Config, started time.Time) json.RawMessage {
	const writer = "devstack-writer"
	account := cfg.Account
	return plain(map[string]any{
		"type":        "AssumedRole",
		"principalId": "AROADEVSTACK:" + writer,
		"arn":         "arn:aws:sts::" + account + ":assumed-role/" + writer + "/" + writer,
		"accountId":   account,
		"accessKeyId": cfg.Credentials.AccessKeyID,
		"sessionContext": map[string]any{
			"sessionIssuer": map[string]any{
				"type": "Role", "principalId": "AROADEVSTACK", "arn": "arn:aws:iam::" + account + ":role/" + writer,
				"accountId": account, "userName": writer,
			},
			"attributes": map[string]any{"creationDate": started.Format(time.RFC3339), "mfaAuthenticated": "false"},
		},
	})
}
