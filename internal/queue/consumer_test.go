package queue

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/trigger"
)

func TestThousandMessagesForOneWindowAreOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		window := windowsBefore(1)[0]
		f.opener.set(func(context.Context, cdc.Window) error {
			<-time.After(300 * time.Millisecond) // while other batches arrive
			return nil
		})
		for range 1000 {
			f.queue.send(update(window))
		}
		f.start()
		f.queue.until(f.queue.empty)
		f.stop()
		require.Equal(t, map[cdc.Window]int{window: 1}, f.opener.opened)
		require.Equal(t, 1, f.opener.calls)
		require.Equal(t, 1000, f.queue.deleted)
		require.Equal(t, 1000, f.counts.of(EventReceived), "each received once")
		require.Equal(t, 1000, f.counts.of(EventAcknowledged))
		require.Equal(t, 1, f.counts.windowsOpened["cloudtrail"])
		require.Equal(t, 1000, f.counts.outcomes[trigger.OutcomeTrigger])
		require.Len(t, f.counts.delays, 1000)
		require.Equal(t, 999, f.counts.windowsCoalesced["cloudtrail"])
	})
}

func TestConsumerOverHTTP(t *testing.T) {
	queue := newFakeSQS()
	server := httptest.NewServer(queue)
	defer server.Close()
	f := newFixture(t, func(l *limits) { l.wait = time.Second })
	client := sdkClient(server.URL, http.DefaultClient)
	f.consumer.Receive, f.consumer.acknowledger.Delete, f.consumer.extender.Delete = client, client, client
	windows := windowsBefore(20)
	for i := range 100 {
		queue.send(update(windows[i%len(windows)]))
	}
	f.start()
	queue.until(queue.empty)
	f.stop()
	require.Len(t, f.opener.opened, 20)
	require.Equal(t, 20, f.opener.calls)
	require.Zero(t, queue.cancelled)
}

func TestMessagesThatAreNoTriggers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		now := time.Now()
		record := body("UpdateResource", now)
		f.queue.send(
			`{"source":"aws.s3"}`,
			body("ReadResource", now),
			strings.Replace(record, `"statusCode":200`, `"statusCode":409`, 1),
			strings.Replace(record, store, "another", 1),
			strings.Replace(record, "Patient", "Basic", 1),
			body("StartFHIRImportJob", now),
		)
		f.start()
		f.queue.until(f.queue.empty)
		f.stop()
		require.Zero(t, f.opener.calls)
		for _, outcome := range []trigger.Outcome{trigger.OutcomeOtherSource, trigger.OutcomeReadOnly, trigger.OutcomeFailed,
			trigger.OutcomeUnknownStore, trigger.OutcomeUnconfiguredType, trigger.OutcomeImport} {
			require.Equal(t, 1, f.counts.outcomes[outcome], outcome)
		}
		require.Empty(t, f.counts.delays)
		require.Empty(t, f.opener.imports, "an import that was started has written nothing yet")
	})
}

func TestImportsAreAuditedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		now := time.Now().UTC().Truncate(time.Second)
		const jobID = "8a1f2f3c4d5e6f708192a3b4c5d6e7f8"
		job := `{"id":"event-1","source":"aws.healthlake","detail-type":"Import Job Completed","time":"` + now.Format(time.RFC3339) +
			`","detail":{"jobId":"` + jobID + `","datastoreId":"` + store + `"}}`
		f.queue.send(job, job, body("RestoreFHIRDatastore", now))
		f.start()
		f.queue.until(f.queue.empty)
		f.stop()
		require.Equal(t, map[string]int{store + "/" + jobID: 2}, f.opener.imports)
		require.Equal(t, 1, f.counts.of(EventImportOpened))
		require.Equal(t, 1, f.counts.of(EventImportJoined))
		require.Equal(t, 1, f.counts.outcomes[trigger.OutcomeRestore], "a restore starts nothing")
		require.Equal(t, 3, f.counts.of(EventAcknowledged))
		require.Zero(t, f.opener.calls)
	})
}

// A job is followed once, however often its record comes.
func TestJobsAreFollowedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		now := time.Now().UTC().Truncate(time.Second)
		job := strings.Replace(body("StartFHIRBulkPatchJob", now), "id-", "31feacd9-6646-4c4f-934b-83b0", 1)
		f.queue.send(job, job, body("StartFHIRBulkPatchJob", now.Add(time.Second)))
		f.start()
		f.queue.until(f.queue.empty)
		f.stop()
		require.Len(t, f.opener.jobs, 2)
		require.Equal(t, 2, f.counts.of(EventJobOpened))
		require.Equal(t, 1, f.counts.of(EventJobJoined))
		require.Equal(t, 3, f.counts.outcomes[trigger.OutcomeJob])
		require.Len(t, f.counts.delays, 3)
		require.Zero(t, f.opener.calls, "a job that has just begun has written nothing yet")
		require.Equal(t, 3, f.counts.of(EventAcknowledged))
	})
}

// A trigger whose time is long back opens its windows in the bulk lane.
func TestLateTriggersOpenInBulk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		windows := windowsBefore(1)
		old := cdc.WindowAt(store, time.Now().Add(-2*trigger.LateAfter))
		f.queue.send(update(windows[0]), update(old))
		f.start()
		f.queue.until(f.queue.empty)
		f.stop()
		require.Equal(t, map[cdc.Window]bool{windows[0]: false, old: true}, f.opener.bulk)
		require.Equal(t, 2, f.counts.windowsOpened["cloudtrail"])
		require.Len(t, f.counts.delays, 2)
	})
}

// A notification of two writes and two deletes, and CloudTrail's records of the
// writes in the same batch: each window is asked for once, and it is counted which
// source opened it.
func TestNotificationBesideRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		windows := windowsBefore(2)
		at := func(w cdc.Window) string { return w.Start.Add(6 * time.Second).UTC().Format(time.RFC3339Nano) }
		told := func(i int, w cdc.Window, change string) string {
			return fmt.Sprintf(`{"id":"0b9f3f1e-3a77-4b5c-8d0a-2f9f1c0a7e%02d","timestamp":%q,"focus":"Patient/p-%d","change":%q}`, i, at(w), i, change)
		}
		f.queue.send(
			`{"source":"healthlake","detail-type":"FHIR Subscription Notification","detail":{"subscriptionUrl":"https://x/datastore/`+store+
				`/r4/Subscription/1","notificationBundlePayload":{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"SubscriptionStatus",`+
				`"type":"event-notification","notificationEvent":[`+
				told(1, windows[0], "update")+","+told(2, windows[0], "delete")+","+told(3, windows[0], "delete")+`]}}]}}}`,
			update(windows[0]), update(windows[1]))
		f.start()
		f.queue.until(f.queue.empty)
		f.stop()
		require.Equal(t, map[cdc.Window]int{windows[0]: 1, windows[1]: 1}, f.opener.opened)
		require.Equal(t, 2, f.opener.calls)
		require.Len(t, f.opener.deletes, 2)
		opened := f.counts.windowsOpened["cloudtrail"]
		require.Equal(t, 2, opened+f.counts.windowsOpened["subscription"])
		require.Equal(t, 2-opened, f.counts.windowsCoalesced["cloudtrail"], "who did not open it joined it")
		require.Equal(t, 1, f.counts.windowsOpened["subscription"]+f.counts.windowsCoalesced["subscription"])
		require.Equal(t, 3, f.queue.deleted)
	})
}

func TestMalformedIsNeverDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.queue.maxReceives = 3
		f.queue.send(`{"patient":"pat-7"`, update(windowsBefore(1)[0]))
		f.start()
		f.queue.until(func() bool { return len(f.queue.dead) == 1 && f.queue.empty() })
		f.stop()
		require.Equal(t, 1, f.queue.deleted)
		require.Equal(t, 3, f.queue.dead[0].receives)
		require.Contains(t, f.log.String(), `message=m0 reason="body is not a JSON object" received=3`)
	})
}

func TestDeletesArePublished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		at := time.Now()
		f.queue.send(body("DeleteResource", at), body("DeleteResource", at.Add(time.Second)))
		f.start()
		f.queue.until(f.queue.empty)
		f.stop()
		require.Len(t, f.opener.deletes, 2)
		require.Equal(t, 2, f.counts.of(EventDeleteOpened))
		require.Zero(t, f.opener.calls)
	})
}

func TestUnknownEventNameIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		record := strings.Replace(update(windowsBefore(1)[0]), "UpdateResource", "MergeResource", 1)
		f.queue.send(record, record)
		f.start()
		f.queue.until(f.queue.empty)
		f.stop()
		require.Equal(t, 2, f.counts.of(EventUnknownName))
		require.Equal(t, 1, strings.Count(f.log.String(), "MergeResource"))
	})
	var names nameList
	for i := range 2 * maxNames {
		require.Equal(t, i < maxNames, names.isNew(strings.Repeat("x", i)))
	}
}

func TestVisibilityIsExtendedWhileOpenBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(l *limits) { l.visibility = 12 * time.Second })
		failures := 0
		f.queue.fail = func(op string) (int, string) {
			if op == "ChangeMessageVisibilityBatch" {
				if failures++; failures%3 == 1 { // one of three fails: the next tick is in time
					return http.StatusBadRequest, "SomethingElse"
				}
			}
			return 0, ""
		}
		f.opener.set(func(context.Context, cdc.Window) error {
			<-time.After(100 * time.Second)
			return nil
		})
		for _, window := range windowsBefore(8) {
			f.queue.send(update(window), update(window))
		}
		f.start()
		f.queue.until(func() bool {
			require.LessOrEqual(t, f.queue.mostReceives(), 1)
			return f.queue.empty()
		})
		f.stop()
		require.Equal(t, 8, f.opener.calls)
		require.Equal(t, 16, f.counts.of(EventReceived))
		require.GreaterOrEqual(t, f.counts.of(EventExtended), 16*100/12)
	})
}

func TestNoMorePolledThanFitsInHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, func(l *limits) { l.inHand = 20 })
		goOn := make(chan struct{})
		f.opener.set(func(context.Context, cdc.Window) error { <-goOn; return nil })
		for _, window := range windowsBefore(60) {
			f.queue.send(update(window))
		}
		f.start()
		synctest.Wait()
		require.Equal(t, 20, f.counts.of(EventReceived))
		close(goOn)
		f.queue.until(f.queue.empty)
		f.stop()
		require.Equal(t, 60, f.counts.of(EventReceived))
	})
}
