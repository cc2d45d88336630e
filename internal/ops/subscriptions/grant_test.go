package subscriptions

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A bus's policy is read as IAM reads it.
func TestGrantOf(t *testing.T) {
	ours := string(Policy(bus))
	allow := func(members string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow",` + members + `}]}`
	}
	const (
		service  = `"Principal":{"Service":"healthlake.amazonaws.com"}`
		action   = `"Action":"events:PutEvents"`
		resource = `"Resource":"arn:aws:events:us-west-2:111122223333:event-bus/default"`
		all      = service + "," + action + "," + resource
	)
	for name, policy := range map[string]string{
		"ours":                  `{"Version":"2012-10-17","Statement":[` + ours + `]}`,
		"one statement":         `{"Statement":` + ours + `}`,
		"another of the same":   allow(all),
		"lists":                 allow(`"Principal":{"Service":["s3.amazonaws.com","healthlake.amazonaws.com"]},"Action":["events:PutRule","events:PutEvents"],"Resource":["x","` + bus + `"]`),
		"wildcards":             allow(service + `,"Action":"events:Put*","Resource":"arn:aws:events:*:11112222333?:event-bus/*"`),
		"everything":            allow(`"Principal":"*","Action":"*","Resource":"*"`),
		"everyone":              allow(`"Principal":{"AWS":["*"]},` + action + "," + resource),
		"action in capitals":    allow(service + `,"Action":"EVENTS:putevents",` + resource),
		"account":               allow(all + `,"Condition":{"StringEquals":{"AWS:SourceAccount":["4","111122223333"]}}`),
		"account by a pattern":  allow(all + `,"Condition":{"StringLikeIfExists":{"aws:sourceAccount":"1111*"}}`),
		"another is unclear":    `{"Statement":[` + ours + `,{"Effect":"Allow","NotPrincipal":{"AWS":"x"},` + action + "," + resource + `}]}`,
		"the template's":        `{"Statement":[` + ours + `,{"Sid":"OnlyHealthLake","Effect":"Deny","Principal":"*",` + action + "," + resource + `,"Condition":{"StringNotEquals":{"aws:PrincipalServiceName":"healthlake.amazonaws.com"}}}]}`,
		"denied to no service":  `{"Statement":[` + ours + `,{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":{"Bool":{"aws:PrincipalIsAWSService":"false"}}}]}`,
		"denied in plain text":  `{"Statement":[` + ours + `,{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":false}}}]}`,
		"denied to others":      `{"Statement":[` + ours + `,{"Effect":"Deny","Principal":{"Service":"s3.amazonaws.com"},"Action":"*","Resource":"*"}]}`,
		"another action denied": `{"Statement":[` + ours + `,{"Effect":"Deny","Principal":"*","Action":"events:Delete*","Resource":"*"}]}`,
	} {
		require.Equal(t, Grant{Allowed: true}, GrantOf(policy, bus), name)
	}
	for name, policy := range map[string]string{
		"none": "", "no statement": `{"Statement":[]}`, "no list": `{}`,
		"another principal":      allow(`"Principal":{"AWS":"111122223333"},` + action + "," + resource),
		"a principal by pattern": allow(`"Principal":{"Service":"healthlake.*"},` + action + "," + resource),
		"another action":         allow(service + `,"Action":"events:PutRule",` + resource),
		"another bus":            allow(service + "," + action + `,"Resource":"arn:aws:events:us-west-2:111122223333:event-bus/other"`),
		"another account":        allow(all + `,"Condition":{"StringEquals":{"aws:SourceAccount":"444455556666"}}`),
		"not this account":       allow(all + `,"Condition":{"StringNotEquals":{"aws:SourceAccount":"111122223333"}}`),
		"ours without condition": `{"Statement":[` + strings.Replace(allow(`"Sid":"HealthLakeNotifies",`+all), `{"Version":"2012-10-17","Statement":[`, "", 1),
	} {
		require.Equal(t, Grant{}, GrantOf(policy, bus), name)
	}
	for name, policy := range map[string]string{
		"denied":            `{"Statement":[` + ours + `,{"Effect":"Deny",` + all + `}]}`,
		"denied altogether": `{"Statement":[{"Effect":"Deny","Principal":"*","Action":["s3:*","events:*"],"Resource":"*"},` + ours + `]}`,
	} {
		require.Equal(t, Grant{Denied: true}, GrantOf(policy, bus), name)
	}
	for policy, says := range map[string]string{
		"{":                                 "the policy is not a JSON document",
		`{"Statement":"x"}`:                 "statement number 1 of the policy may be about HealthLake: it cannot be read",
		`{"Statement":[` + ours + `,true]}`: "statement number 2",
		allow(`"Sid":"Mine","NotPrincipal":{"AWS":"x"},` + action + "," + resource):             "statement Mine of the policy may be about HealthLake: it has a NotPrincipal",
		allow(service + `,"NotAction":"events:PutRule",` + resource):                            "it has a NotAction",
		allow(service + "," + action):                                                           "it has a NotResource, a variable, or no resource",
		allow(service + "," + action + `,"Resource":"arn:aws:events:*:${aws:SourceAccount}:x"`): "no resource",
		allow(all + `,"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:healthlake:*"}}`):        "its condition ArnLike of aws:SourceArn",
		allow(all + `,"Condition":{"NumericEquals":{"aws:SourceAccount":"1"}}`):                 "its condition NumericEquals of aws:SourceAccount",
		`{"Statement":[` + ours + `,{"Sid":"Perhaps","Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}]}`: "statement Perhaps",
		`{"Statement":[` + ours + `,{"Effect":"deny",` + all + `,"Condition":{"Null":{"aws:TokenIssueTime":"true"}}}]}`:                                                      "statement number 2",
	} {
		grant := GrantOf(policy, bus)
		require.False(t, grant.Allowed, policy)
		require.False(t, grant.Denied, policy)
		require.Contains(t, grant.Unclear, says, policy)
	}
}

// The statement keeps to the account of the bus: HealthLake puts on it what it notifies
// for data stores of this account, not for somebody else's.
func TestPolicyIsForTheBussAccountOnly(t *testing.T) {
	require.JSONEq(t, `{"Sid":"HealthLakeNotifies","Effect":"Allow","Principal":{"Service":"healthlake.amazonaws.com"},"Action":"events:PutEvents",
		"Resource":"`+bus+`","Condition":{"StringEquals":{"aws:SourceAccount":"111122223333"}}}`, string(Policy(bus)))
	before := `{"Statement":{"Sid":"HealthLakeNotifies","Effect":"Allow","Principal":{"Service":"healthlake.amazonaws.com"},"Action":"events:PutEvents","Resource":"` + bus + `"}}`
	require.False(t, GrantOf(before, bus).Allowed, "an earlier one is written again")
	added, err := AddTo(before, bus)
	require.NoError(t, err)
	require.True(t, GrantOf(added, bus).Allowed)
	require.Equal(t, 1, strings.Count(added, "Sid"))
}
