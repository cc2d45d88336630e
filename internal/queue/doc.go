// Package consumer is the loop between the trigger queue and whatever opens
// windows. It knows nothing of Temporal: an Opener stands for it.
//
// A message goes receive → parse → open → delete. It is deleted only when
// everything it asks for has been opened, or was open already; until then its
// visibility is extended. What makes a storm of triggers cheap: a window is
// opened once a batch, once at a time over all batches, and not again while it
// is remembered. What makes an outage of Temporal harmless: no poll begins while
// it lasts, and the messages in hand are kept, so that no receive count rises
// and nothing drains into the dead-letter queue.
package queue
