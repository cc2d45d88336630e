package awslocal

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"healthlake-cdc/internal/ops/subscriptions"
)

const (
	deployTemplate = "../../../deploy/healthlake-cdc.yaml"
	datastore      = "a1b2c3d4e5f60718293a4b5c6d7e8f90"
)

func deployed(t *testing.T, params map[string]string) (rig, Applied) {
	r := start(t, testConfig)
	params["DatastoreIds"] = datastore
	applied, err := ApplyTemplateFile(t.Context(), deployTemplate, params, r.target())
	require.NoError(t, err)
	return r, applied
}

func TestTheTemplateIsDeployed(t *testing.T) {
	r, applied := deployed(t, map[string]string{"BusName": "changes"})
	require.ElementsMatch(t, []string{
		"TriggerDlq", "TriggerQueue", "Bus", "MutatingCallsRule", "ImportJobsRule",
	}, applied.Created, "notifications are off by default")
	require.ElementsMatch(t, []string{
		"BusArchive (AWS::Events::Archive)", "TriggerQueuePolicy (AWS::SQS::QueuePolicy)",
		"TriggerDlqPolicy (AWS::SQS::QueuePolicy)", "WorkerPolicy (AWS::IAM::ManagedPolicy)",
		"OperatorPolicy (AWS::IAM::ManagedPolicy)", "Outputs.PolicyArn", "Outputs.OperatorPolicyArn",
	}, applied.Skipped)
	queueURL := r.URL() + "/111122223333/healthlake-cdc-triggers"
	require.Equal(t, map[string]string{
		"Datastores": datastore, "QueueUrl": queueURL, "DlqUrl": queueURL + "-dlq",
		"DlqArn":  "arn:aws:sqs:us-west-2:111122223333:healthlake-cdc-triggers-dlq",
		"BusName": "changes", "BusArn": "arn:aws:events:us-west-2:111122223333:event-bus/changes",
		"Environment": "CDC_DATASTORES=" + datastore + " CDC_QUEUE_URL=" + queueURL + " CDC_EVENT_BUS=changes",
	}, applied.Outputs)

	attributes := func(url string) map[string]string {
		out, err := r.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
			QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll},
		})
		require.NoError(t, err)
		return out.Attributes
	}
	q, dlq := attributes(queueURL), attributes(queueURL+"-dlq")
	require.Equal(t, "60", q["VisibilityTimeout"])
	require.Equal(t, "20", q["ReceiveMessageWaitTimeSeconds"])
	require.Equal(t, "345600", q["MessageRetentionPeriod"])
	require.Equal(t, "1209600", dlq["MessageRetentionPeriod"])
	require.Equal(t, "true", q["SqsManagedSseEnabled"])
	require.JSONEq(t, `{"deadLetterTargetArn":"`+applied.Outputs["DlqArn"]+`","maxReceiveCount":5}`, q["RedrivePolicy"])

	_, err := ApplyTemplateFile(t.Context(), deployTemplate,
		map[string]string{"DatastoreIds": datastore, "BusName": "changes"}, r.target())
	require.NoError(t, err, "applying it again changes nothing")
}

// Notifications come on a bus of their own, on which HealthLake alone may put events.
func TestTheTemplateWithNotifications(t *testing.T) {
	r, applied := deployed(t, map[string]string{"SubscriptionNotifications": "true", "NamePrefix": "mine"})
	require.Subset(t, applied.Created, []string{"SubscriptionsRule", "NotificationBus", "NotificationBusPolicy", "NotificationBusDenial"})
	require.Equal(t, "mine-notifications", applied.Outputs["NotificationBusName"])
	bus, err := r.events.DescribeEventBus(t.Context(), &eventbridge.DescribeEventBusInput{Name: aws.String("mine-notifications")})
	require.NoError(t, err)
	require.Equal(t, subscriptions.Grant{Allowed: true}, subscriptions.GrantOf(*bus.Policy, *bus.Arn), "the starter has nothing to add")
	require.JSONEq(t, `{"Version":"2012-10-17","Statement":[
		{"Sid":"NobodyElse","Effect":"Deny","Principal":"*","Action":"events:PutEvents","Resource":"`+*bus.Arn+`",
		"Condition":{"StringNotEquals":{"aws:PrincipalServiceName":"healthlake.amazonaws.com"}}},`+string(subscriptions.Policy(*bus.Arn))+`]}`, *bus.Policy)
	_, err = ApplyTemplateFile(t.Context(), deployTemplate,
		map[string]string{"DatastoreIds": datastore, "SubscriptionNotifications": "true", "NamePrefix": "mine"}, r.target())
	require.NoError(t, err)
	again, err := r.events.DescribeEventBus(t.Context(), &eventbridge.DescribeEventBusInput{Name: bus.Arn})
	require.NoError(t, err)
	require.JSONEq(t, *bus.Policy, *again.Policy, "applying it again adds nothing")

	// On the default bus no rule matches a notification, from any sender.
	notice := AWSEvent{Source: "healthlake", DetailType: "FHIR Subscription Notification", Detail: []byte(`{}`)}
	for bus, want := range map[string]int{"": 0, "mine-notifications": 1} {
		notice.Bus = bus
		before := r.depth(t, "mine-triggers").Visible
		_, err := r.PutAWSEvent(notice)
		require.NoError(t, err)
		require.Equal(t, want, r.depth(t, "mine-triggers").Visible-before)
	}
}

func TestTheTemplateWithAnExistingKey(t *testing.T) {
	const key = "arn:aws:kms:us-west-2:111122223333:key/k"
	r, applied := deployed(t, map[string]string{"KmsKeyArn": key})
	out, err := r.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl:       aws.String(applied.Outputs["QueueUrl"]),
		AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameKmsMasterKeyId},
	})
	require.NoError(t, err)
	require.Equal(t, key, out.Attributes["KmsMasterKeyId"])
}

// sample is an EventBridge envelope as in testdata.
type sample struct {
	Source     string          `json:"source"`
	DetailType string          `json:"detail-type"`
	Detail     json.RawMessage `json:"detail"`
}

func readSample(t *testing.T, name string) sample {
	doc, err := os.ReadFile(filepath.Join("testdata", "samples", name))
	require.NoError(t, err)
	var s sample
	require.NoError(t, json.Unmarshal(doc, &s))
	return s
}

func (r rig) emit(t *testing.T, s sample) (triggers int) {
	const queue = "healthlake-cdc-triggers"
	before := r.depth(t, queue).Visible
	event := AWSEvent{Source: s.Source, DetailType: s.DetailType, Detail: s.Detail}
	if s.Source == "healthlake" {
		event.Bus = "healthlake-cdc-notifications"
	}
	_, err := r.PutAWSEvent(event)
	require.NoError(t, err)
	return r.depth(t, queue).Visible - before
}

func TestEverySampleAgainstTheTemplatesRules(t *testing.T) {
	r, _ := deployed(t, map[string]string{"SubscriptionNotifications": "true"})
	files, err := filepath.Glob(filepath.Join("testdata", "samples", "*.json"))
	require.NoError(t, err)
	require.Len(t, files, 16)
	silent := map[string]bool{"cloudtrail-read.json": true, "cloudtrail-failed-update.json": true}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			want := 1
			if silent[name] {
				want = 0
			}
			require.Equal(t, want, r.emit(t, readSample(t, name)))
		})
	}
}

func TestVariantsAgainstTheTemplatesRules(t *testing.T) {
	r, _ := deployed(t, map[string]string{})
	create := readSample(t, "cloudtrail-create-patient.json")
	for name, c := range map[string]struct {
		field string
		value any // nil removes the field
		want  int
	}{
		"204":                    {"responseElements", map[string]any{"statusCode": 204}, 1},
		"299":                    {"responseElements", map[string]any{"statusCode": 299}, 1},
		"199":                    {"responseElements", map[string]any{"statusCode": 199}, 0},
		"300":                    {"responseElements", map[string]any{"statusCode": 300}, 0},
		"404":                    {"responseElements", map[string]any{"statusCode": 404}, 0},
		"status as text":         {"responseElements", map[string]any{"statusCode": "201"}, 1},
		"failed, status as text": {"responseElements", map[string]any{"statusCode": "412"}, 0},
		"no status":              {"responseElements", map[string]any{"other": 1}, 1},
		"response null":          {"responseElements", json.RawMessage("null"), 1},
		"response absent":        {"responseElements", nil, 1},
		"failed with no status":  {"errorCode", "AccessDenied", 0},
		"a write of the future":  {"eventName", "RewriteResource", 1},
		"patch":                  {"eventName", "PatchResource", 1},
		"member add":             {"eventName", "MemberAdd", 1},
		"bulk delete":            {"eventName", "StartFHIRBulkDeleteJob", 1},
		"search":                 {"eventName", "SearchWithPost", 0},
		"history":                {"eventName", "GetHistoryByResourceId", 0},
		"describe a bulk patch":  {"eventName", "DescribeFHIRBulkPatchJob", 0},
		"a name with digits":     {"eventName", "UpdateResource20260301", 1},
		"describe":               {"eventName", "DescribeFHIRDatastore", 0},
		"another service's call": {"eventSource", "s3.amazonaws.com", 0},
		"readOnly absent":        {"readOnly", nil, 1},
		"parameters absent":      {"requestParameters", nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var detail map[string]any
			require.NoError(t, json.Unmarshal(create.Detail, &detail))
			delete(detail, c.field)
			if c.value != nil {
				detail[c.field] = c.value
			}
			doc, err := json.Marshal(detail)
			require.NoError(t, err)
			require.Equal(t, c.want, r.emit(t, sample{create.Source, create.DetailType, doc}))
		})
	}
	for detailType, want := range map[string]int{
		"Import Job Completed": 1, "Import Job Completed With Errors": 1, "Import Job Submitted": 0, "Import Job Failed": 1,
	} {
		require.Equal(t, want, r.emit(t, sample{"aws.healthlake", detailType, []byte(`{"jobId":"j"}`)}), detailType)
	}
}

func TestThePatternsFitTheQuota(t *testing.T) {
	r, _ := deployed(t, map[string]string{})
	out, err := r.events.ListRules(t.Context(), &eventbridge.ListRulesInput{})
	require.NoError(t, err)
	require.Len(t, out.Rules, 2)
	for _, rule := range out.Rules {
		require.Less(t, len(*rule.EventPattern), maxPatternBytes, *rule.Name)
	}
}

func TestUnsupportedTemplatesAreRejected(t *testing.T) {
	r := start(t, testConfig)
	queue := func(properties string) string {
		return "Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties: {QueueName: q, " + properties + "}\n"
	}
	for doc, says := range map[string]string{
		queue("DelaySeconds: !Cidr [a]"):         "Cidr",
		queue("Colour: blue"):                    "Colour",
		queue("DelaySeconds: !Ref Missing"):      "Missing",
		queue("DelaySeconds: !GetAtt Q.Arn"):     "refers to itself",
		queue("DelaySeconds: !Sub '${Missing}'"): "Missing",
		queue("DelaySeconds: !If [No, 1, 2]"):    "No",
		"Parameters: {P: {Type: String}}":        "P",
		"Resources: [":                           "parsing",
		"Resources:\n  R:\n    Type: AWS::Events::Rule\n    Properties: {Name: r, ScheduleExpression: x}\n": "ScheduleExpression",
	} {
		_, err := ApplyTemplate(t.Context(), []byte(doc), nil, r.target())
		require.ErrorContains(t, err, says, doc)
	}
	_, err := ApplyTemplateFile(t.Context(), deployTemplate, map[string]string{"DatastoreIds": "x", "CreateKmsKey": "perhaps"}, r.target())
	require.ErrorContains(t, err, "CreateKmsKey")
	_, err = ApplyTemplateFile(t.Context(), deployTemplate, map[string]string{"DatastoreIds": "x", "Typo": "y"}, r.target())
	require.ErrorContains(t, err, "Typo")
}

func TestTemplateFunctions(t *testing.T) {
	r := start(t, testConfig)
	const doc = `
Parameters:
  Ids: {Type: CommaDelimitedList, Default: "a, b"}
Conditions:
  One: !Equals [!Select [0, !Ref Ids], a]
  Two: !And [!Condition One, !Not [!Equals [x, x]]]
  Three: !Or [!Condition Two, !Condition One]
Resources:
  Q:
    Type: AWS::SQS::Queue
    Properties: {QueueName: {"Fn::Sub": "${AWS::Region}-q"}}
  Never:
    Type: AWS::SQS::Queue
    Condition: Two
    Properties: {QueueName: never}
Outputs:
  Joined: {Value: !Join ["+", !Ref Ids]}
  Split: {Value: !Select [1, !Split [":", "x:y"]]}
  If: {Value: !If [Three, "yes", "no"]}
  Sub: {Value: !Sub ["${V}-${!V}-${Q.Arn}", {V: !Ref Q}]}
  Att: {Value: {"Fn::GetAtt": [Q, QueueName]}}
  Hidden: {Condition: Two, Value: !GetAtt Never.Arn}
`
	applied, err := ApplyTemplate(t.Context(), []byte(doc), nil, r.target())
	require.NoError(t, err)
	require.Equal(t, []string{"Q"}, applied.Created)
	url := r.URL() + "/111122223333/us-west-2-q"
	require.Equal(t, map[string]string{
		"Joined": "a+b", "Split": "y", "If": "yes", "Att": "us-west-2-q",
		"Sub": url + "-${V}-arn:aws:sqs:us-west-2:111122223333:us-west-2-q",
	}, applied.Outputs)
}

// The policies of the programs name each action.
func TestThePoliciesNameEachAction(t *testing.T) {
	doc, err := os.ReadFile(deployTemplate)
	require.NoError(t, err)
	var parsed template
	require.NoError(t, yaml.Unmarshal(doc, &parsed))
	for name, want := range map[string]string{"WorkerPolicy": "events:PutEvents", "OperatorPolicy": "sqs:StartMessageMoveTask"} {
		policy := parsed.Resources[name]
		actions := actionsOf(&policy.Properties)
		require.Contains(t, actions, want)
		for _, action := range actions {
			require.Regexp(t, `^(sqs|events|healthlake|kms):[A-Za-z]+$`, action)
		}
	}
}

// actionsOf collects the values of the keys Action.
func actionsOf(n *yaml.Node) []string {
	var out []string
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 && n.Content[i-1].Value == "Action" {
			for _, action := range child.Content {
				out = append(out, action.Value)
			}
			continue
		}
		out = append(out, actionsOf(child)...)
	}
	return out
}
