package preflight

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/queue"
	"healthlake-cdc/internal/temporal"
)

// QueueNotice says that a queue keeps messages for longer than the namespace keeps closed
// windows, with the command that changes it; it is empty when none does. A message that
// comes that late opens its window a second time, and what the window holds is published
// again: a repeat rather than a loss. With an error it is of what could be read.
func QueueNotice(ctx context.Context, cfg *config.Config, awsConfig aws.Config, namespace string, retention time.Duration) (string, error) {
	keeps, err := queue.Kept(ctx, sqs.NewFromConfig(awsConfig), cfg.QueueURL)
	return notice(namespace, retention, keeps), err
}

func notice(namespace string, retention time.Duration, keeps queue.Keeps) string {
	if keeps.Max() <= retention {
		return ""
	}
	which := fmt.Sprintf("the dead-letter queue keeps messages for %s", daysOrHours(keeps.DLQ))
	if keeps.Queue > retention {
		which = fmt.Sprintf("the trigger queue keeps messages for %s", daysOrHours(keeps.Queue))
		if keeps.DLQ > retention {
			which += fmt.Sprintf(", its dead-letter queue for %s", daysOrHours(keeps.DLQ))
		}
	}
	own, cloud := temporal.RetentionCommands(namespace, keeps.Max())
	return fmt.Sprintf("namespace %s keeps closed windows for %s, but %s: a message that comes later than that publishes its window a second time. Run `%s` (on Temporal Cloud: `%s`), or set the queues' MessageRetentionPeriod to %d at most",
		namespace, daysOrHours(retention), which, own, cloud, int64(retention/time.Second))
}

// daysOrHours writes whole days and hours as such.
func daysOrHours(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= day && d%day == 0:
		return fmt.Sprintf("%d d", d/day)
	case d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	default:
		return d.String()
	}
}
