// Package queue is the trigger queue with its dead letters: polling, dedup, outages,
// visibility, acknowledging and redrive. It knows nothing of Temporal: an [Opener]
// stands for it.
//
// A message goes poll → parse → start → acknowledge. It is acknowledged, which deletes
// it, only when everything it asks for runs or ran already; until then its visibility is
// extended. While Temporal is unavailable no poll begins and the messages in hand are
// kept: no receive count rises and nothing drains into the dead-letter queue.
package queue
