package stack

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"healthlake-cdc/devstack/internal/simulator"
)

// WriteRecord is the CloudTrail record of a write of the type that completed at that time.
func WriteRecord(datastore, resourceType string, at time.Time) simulator.Record {
	return simulator.Record{
		Source: "aws.healthlake", DetailType: "AWS API Call via CloudTrail", Resources: []string{},
		Detail: simulator.RecordDetail{
			EventVersion: "1.08", UserIdentity: json.RawMessage(`{"type":"AssumedRole"}`),
			EventTime: at.UTC().Truncate(time.Second), EventSource: "healthlake.amazonaws.com", EventName: "UpdateResource",
			AWSRegion: Region, EventID: uuid.NewString(), EventType: "AwsApiCall", ManagementEvent: true,
			RequestParameters: simulator.RequestParameters{
				DatastoreID: datastore, ResourceType: resourceType, ResourceID: simulator.HiddenID,
			},
			ResponseElements: &simulator.ResponseElements{StatusCode: 200},
		},
	}
}
