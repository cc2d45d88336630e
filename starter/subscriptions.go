package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/spf13/cobra"

	"healthlake-cdc/internal/ops/subscriptions"
)

type subscriptionPlan struct {
	Bus string `json:"bus"`
	// Policy is the statement that the bus needs.
	Policy json.RawMessage `json:"policy"`
	subscriptions.Grant
	Items []subscriptions.Item `json:"items"`
	// Written is how many resources apply has written.
	Written *int `json:"written,omitempty"`

	current string // the bus's policy
}

// defaultNotificationBus is the bus that the template creates.
const defaultNotificationBus = "healthlake-cdc-notifications"

type subscriptionFlags struct {
	bus             string
	types           []string
	datastore       string
	separateDeletes bool
}

func newSubscriptionsCommand(s *session) *cobra.Command {
	command := &cobra.Command{
		Use:   "subscriptions",
		Short: "Set up HealthLake's own FHIR Subscriptions as a second source of triggers",
		Long: `Subscriptions makes HealthLake itself send notifications of changes to an event bus.
They open windows like CloudTrail's records, mostly sooner, and name the resource that
was deleted. A data store allows at most 50 subscriptions.

Use a bus that is only for notifications, as the CloudFormation template creates with
SubscriptionNotifications=true. On the default bus anybody with events:PutEvents can
forge a notification.`,
		RunE: needSubcommand,
	}
	flags := &subscriptionFlags{}
	plan := &cobra.Command{
		Use:     "plan",
		Short:   "Print what apply would create or change, and the policy that the bus needs",
		Example: "  starter subscriptions plan\n  starter subscriptions plan --type Patient --json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.subscriptions(cmd.Context(), *flags, false) },
	}
	apply := &cobra.Command{
		Use:   "apply",
		Short: "Create or change the subscriptions, and let HealthLake use the bus",
		Long: `Apply writes what plan prints, and can be repeated. It needs healthlake:UpdateResource
on the data stores and events:PutPermission on the bus.`,
		Example: "  starter subscriptions apply\n  starter subscriptions apply --datastore 0123456789abcdef0123456789abcdef --separate-deletes",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return s.subscriptions(cmd.Context(), *flags, true) },
	}
	for _, one := range []*cobra.Command{plan, apply} {
		one.Flags().StringVar(&flags.bus, "bus", defaultNotificationBus, "name or ARN of the event bus that HealthLake notifies, the template's output NotificationBusName; any other bus needs a rule to the trigger queue")
		bindTypes(one.Flags(), &flags.types)
		bindDatastore(one.Flags(), &flags.datastore)
		one.Flags().BoolVar(&flags.separateDeletes, "separate-deletes", false, "separate subscriptions for deletes: two for each type, but a delete is recognized whatever its notification looks like")
		command.AddCommand(one)
	}
	return command
}

func (s *session) subscriptions(ctx context.Context, flags subscriptionFlags, apply bool) error {
	return s.withConnection(ctx, needsSettings, func(c *connection) error {
		awsConfig, err := c.config.AWS(ctx)
		if err != nil {
			return err
		}
		store, err := c.stores(ctx)
		if err != nil {
			return err
		}
		settings, err := c.subscriptionSettings(ctx, flags)
		if err != nil {
			return err
		}
		printed := subscriptionPlan{}
		buses := eventbridge.NewFromConfig(awsConfig)
		if settings.BusARN, printed.current, err = notifiedBus(ctx, buses, flags.bus); err != nil {
			return err
		}
		printed.Bus, printed.Policy = settings.BusARN, subscriptions.Policy(settings.BusARN)
		if printed.Grant = subscriptions.GrantOf(printed.current, settings.BusARN); printed.Denied {
			return fmt.Errorf("a statement of the policy of %s denies HealthLake events:PutEvents: remove it; nothing was written", settings.BusARN)
		}
		if printed.Items, err = subscriptions.Plan(ctx, store, settings); err != nil {
			return err
		}
		if !apply {
			return s.print(printed, printed.text())
		}
		if err := printed.allow(ctx, buses); err != nil {
			return errors.Join(s.print(printed, printed.text()), err)
		}
		written, err := subscriptions.Apply(ctx, store, printed.Items, func(item subscriptions.Item) {
			fmt.Fprintf(s.progress, "%s %s/%s of datastore %s: written\n", item.Action, item.ResourceType, item.ID, item.Datastore)
		})
		printed.Written = &written
		return errors.Join(s.print(printed, printed.text()), err)
	})
}

func (c *connection) subscriptionSettings(ctx context.Context, flags subscriptionFlags) (subscriptions.Settings, error) {
	settings := subscriptions.Settings{Endpoint: c.config.HealthLakeEndpoint, SeparateDeletes: flags.separateDeletes}
	var err error
	if settings.Datastores, err = c.datastores(flags.datastore); err != nil {
		return settings, err
	}
	if settings.Types, err = c.resourceTypes(ctx); err != nil {
		return settings, err
	}
	for _, datastore := range settings.Datastores {
		if settings.Types[datastore], err = chooseTypes(settings.Types[datastore], flags.types); err != nil {
			return settings, fmt.Errorf("datastore %s: %w", datastore, err)
		}
	}
	return settings, nil
}

// allow adds to the bus's policy the statement that it lacks.
func (p *subscriptionPlan) allow(ctx context.Context, api *eventbridge.Client) error {
	if p.Allowed {
		return nil
	}
	policy, err := subscriptions.AddTo(p.current, p.Bus)
	if err != nil {
		return err
	}
	name := p.Bus[strings.LastIndexByte(p.Bus, '/')+1:]
	_, err = api.PutPermission(ctx, &eventbridge.PutPermissionInput{EventBusName: aws.String(name), Policy: aws.String(policy)})
	if err != nil {
		return fmt.Errorf("adding the statement to the policy of %s (needs events:PutPermission): nothing was written: %w", p.Bus, err)
	}
	p.Grant = subscriptions.GrantOf(policy, p.Bus)
	return nil
}

func notifiedBus(ctx context.Context, api *eventbridge.Client, bus string) (arn, policy string, err error) {
	described, err := api.DescribeEventBus(ctx, &eventbridge.DescribeEventBusInput{Name: aws.String(bus)})
	var missing *ebtypes.ResourceNotFoundException
	switch {
	case errors.As(err, &missing):
		return "", "", fmt.Errorf("there is no bus %s: deploy the template with SubscriptionNotifications=true, or name another by --bus (the output NotificationBusName)", bus)
	case err != nil:
		return "", "", fmt.Errorf("--bus %s cannot be described (needs events:DescribeEventBus): %w", bus, err)
	}
	return aws.ToString(described.Arn), aws.ToString(described.Policy), nil
}

func (p subscriptionPlan) text() string {
	var text strings.Builder
	counts := make(map[string]int)
	inactive := 0
	for _, item := range p.Items {
		counts[item.Action]++
		if item.Status == "requested" {
			inactive++
		}
		if item.Action == subscriptions.ActionNone {
			continue
		}
		fmt.Fprintf(&text, "%-7s %s/%s of datastore %s", item.Action, item.ResourceType, item.ID, item.Datastore)
		if len(item.Differs) > 0 {
			fmt.Fprintf(&text, " (%s)", strings.Join(item.Differs, ", "))
		}
		text.WriteByte('\n')
	}
	fmt.Fprintf(&text, "%d to create, %d to change, %d as wanted", counts[subscriptions.ActionCreate], counts[subscriptions.ActionChange], counts[subscriptions.ActionNone])
	if inactive > 0 {
		fmt.Fprintf(&text, ", of which %d are not active yet", inactive)
	}
	if n := counts[subscriptions.ActionBroken]; n > 0 {
		fmt.Fprintf(&text, "; %d could not be activated: read their error in the store, and delete them before the next apply", n)
	}
	text.WriteByte('\n')
	if p.Written != nil {
		fmt.Fprintf(&text, "%d written; HealthLake takes 5 to 10 minutes to activate a subscription\n", *p.Written)
	}
	switch {
	case p.Allowed:
		fmt.Fprintf(&text, "the policy of %s lets HealthLake put events", p.Bus)
	case p.Unclear != "":
		fmt.Fprintf(&text, "it is not clear whether the policy of %s lets HealthLake put events: %s; this statement does, unless another denies it:\n%s", p.Bus, p.Unclear, p.Policy)
	default:
		fmt.Fprintf(&text, "the policy of %s needs this statement:\n%s", p.Bus, p.Policy)
	}
	if strings.HasSuffix(p.Bus, ":event-bus/default") {
		text.WriteString("\non the default bus anybody with events:PutEvents can forge notifications: use a bus that is only for them")
	}
	return text.String()
}
