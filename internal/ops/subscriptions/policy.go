package subscriptions

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// HealthLake's service principal (AWS HealthLake developer guide, "Managing FHIR
// Subscriptions"), and what it does on a bus.
const (
	servicePrincipal = "healthlake.amazonaws.com"
	putEvents        = "events:PutEvents"
)

// statementID names our statement among the others of a bus's policy.
const statementID = "HealthLakeNotifies"

// Policy is the statement that a bus's resource policy needs so that HealthLake may put
// notifications on it, only for data stores of the bus's own account.
func Policy(busARN string) json.RawMessage {
	return fmt.Appendf(nil, `{"Sid":%q,"Effect":"Allow","Principal":{"Service":%q},"Action":%q,"Resource":%q,"Condition":{"StringEquals":{"aws:SourceAccount":%q}}}`,
		statementID, servicePrincipal, putEvents, busARN, accountOf(busARN))
}

// accountOf is the account in an ARN (arn:partition:service:region:account:resource).
func accountOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return ""
	}
	return parts[4]
}

var errPolicy = errors.New("the bus's policy is not a JSON document with statements: add the statement by hand")

// AddTo returns a bus's policy with the statement of [Policy] added, or in the place of an
// earlier one of that name; everything else stays as it was. The policy may be empty.
func AddTo(policy, busARN string) (string, error) {
	var document map[string]json.RawMessage
	err := json.Unmarshal([]byte(cmp.Or(policy, `{"Version":"2012-10-17","Statement":[]}`)), &document)
	if err != nil || len(document["Statement"]) == 0 {
		return "", errPolicy
	}
	var kept []json.RawMessage
	for _, statement := range oneOrMore(document["Statement"]) {
		var head struct{ Sid string }
		if err := json.Unmarshal(statement, &head); err != nil {
			return "", errPolicy
		}
		if head.Sid != statementID {
			kept = append(kept, statement)
		}
	}
	all, err := json.Marshal(append(kept, Policy(busARN)))
	if err != nil {
		return "", errPolicy
	}
	document["Statement"] = all
	text, err := json.Marshal(document)
	return string(text), err
}
