package awslocal

import (
	"context"
	"regexp"
)

var batchEntryID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

type batchError struct {
	ID          string `json:"Id"`
	Code        string
	Message     string
	SenderFault bool
}

func batchErrorOf(id string, err error) batchError {
	e := asAPIError(err)
	return batchError{ID: id, Code: e.code, Message: e.message, SenderFault: e.status < 500}
}

type entryID struct {
	ID string `json:"Id"`
}

// checkBatch checks a batch as a whole, by the rules that all batches share.
func checkBatch[E any](entries []E, id func(E) string) error {
	if len(entries) == 0 {
		return apiErrorf("EmptyBatchRequest", "There should be at least one entry in the request.")
	}
	if len(entries) > maxBatch {
		return apiErrorf("TooManyEntriesInBatchRequest", "Maximum number of entries per request are %d. "+
			"You have sent %d.", maxBatch, len(entries))
	}
	seen := make(map[string]bool, len(entries))
	for _, e := range entries {
		switch {
		case !batchEntryID.MatchString(id(e)):
			return apiErrorf("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, "+
				"hyphens and underscores. It can be at most 80 letters long.")
		case seen[id(e)]:
			return apiErrorf("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.")
		}
		seen[id(e)] = true
	}
	return nil
}

type sendBatchInput struct {
	QueueURL string `json:"QueueUrl"`
	Entries  []sendEntry
}

type sendBatchOutput struct {
	Successful []sendResult `json:",omitempty"`
	Failed     []batchError `json:",omitempty"`
}

func (s *sqsService) sendMessageBatch(_ context.Context, in sendBatchInput) (sendBatchOutput, error) {
	var out sendBatchOutput
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return out, err
	}
	if err := checkBatch(in.Entries, func(e sendEntry) string { return e.ID }); err != nil {
		return out, err
	}
	var total int64
	for _, e := range in.Entries {
		total += messageSize(e.MessageBody, e.MessageAttributes)
	}
	if total > maxMessageBytes {
		return out, apiErrorf("BatchRequestTooLong", "Batch requests cannot be longer than %d bytes. "+
			"You have sent %d bytes.", maxMessageBytes, total)
	}
	for _, e := range in.Entries {
		result, err := s.send(q, e)
		if err != nil {
			out.Failed = append(out.Failed, batchErrorOf(e.ID, err))
			continue
		}
		out.Successful = append(out.Successful, result)
	}
	return out, nil
}

type handleEntry struct {
	ID            string `json:"Id"`
	ReceiptHandle string
}

type deleteBatchInput struct {
	QueueURL string `json:"QueueUrl"`
	Entries  []handleEntry
}

type entriesOutput struct {
	Successful []entryID    `json:",omitempty"`
	Failed     []batchError `json:",omitempty"`
}

func (o *entriesOutput) add(id string, err error) {
	if err != nil {
		o.Failed = append(o.Failed, batchErrorOf(id, err))
		return
	}
	o.Successful = append(o.Successful, entryID{ID: id})
}

// eachEntry runs one operation of a queue for each entry of a batch.
func eachEntry[E any](s *sqsService, queueURL string, entries []E, id func(E) string, run func(*queue, E) error) (out entriesOutput, err error) {
	q, err := s.byURL(queueURL)
	if err != nil {
		return out, err
	}
	if err := checkBatch(entries, id); err != nil {
		return out, err
	}
	for _, e := range entries {
		out.add(id(e), run(q, e))
	}
	return out, nil
}

func (s *sqsService) deleteMessageBatch(_ context.Context, in deleteBatchInput) (entriesOutput, error) {
	return eachEntry(s, in.QueueURL, in.Entries, func(e handleEntry) string { return e.ID },
		func(q *queue, e handleEntry) error { return q.delete(e.ReceiptHandle) })
}

type visibilityBatchInput struct {
	QueueURL string `json:"QueueUrl"`
	Entries  []visibilityEntry
}

func (s *sqsService) changeMessageVisibilityBatch(_ context.Context, in visibilityBatchInput) (entriesOutput, error) {
	return eachEntry(s, in.QueueURL, in.Entries, func(e visibilityEntry) string { return e.ID }, (*queue).change)
}
