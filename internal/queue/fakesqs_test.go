package queue

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

const queueURL = "http://queue.example/111122223333/secret-queue"

// fakeSQS answers the SDK's JSON calls for one queue, with visibility timeouts,
// receive counts, long polls and a dead-letter queue.
type fakeSQS struct {
	mu          sync.Mutex
	changed     chan struct{} // closed and replaced at every change
	maxReceives int           // more move a message to dead; 0 is never
	messages    []*fakeMessage
	dead        []*fakeMessage
	deleted     int
	calls       map[string]int
	cancelled   int // polls whose client went away
	polling     int // polls at work
	deletes     [][]string
	// fail is asked before every call; a status that is not 0 is the answer.
	fail func(op string) (status int, code string)
	// failEntry is asked for every entry of a batch, by message id.
	failEntry func(op, id string) (code string, senderFault bool)
}

type fakeMessage struct {
	id, body, receipt string
	visible           time.Time
	receives          int
}

func newFakeSQS() *fakeSQS {
	return &fakeSQS{
		changed: make(chan struct{}),
		calls:   make(map[string]int),
	}
}

func (f *fakeSQS) send(bodies ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, body := range bodies {
		f.messages = append(f.messages, &fakeMessage{id: fmt.Sprintf("m%d", len(f.messages)+f.deleted+len(f.dead)), body: body})
	}
	f.signal()
}

// do changes or reads the fake's state under its lock.
func (f *fakeSQS) do(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	f.signal()
}

func (f *fakeSQS) signal() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// until waits for a condition on the fake's state; one that has not come about
// after hours of a bubble's time never will.
func (f *fakeSQS) until(condition func() bool) {
	for started := time.Now(); time.Since(started) < 12*time.Hour; {
		f.mu.Lock()
		met, changed := condition(), f.changed
		f.mu.Unlock()
		if met {
			return
		}
		<-changed
	}
	panic("condition was not met")
}

func (f *fakeSQS) empty() bool { return len(f.messages) == 0 }

func (f *fakeSQS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")
	var in struct {
		MaxNumberOfMessages, WaitTimeSeconds, VisibilityTimeout int
		Entries                                                 []struct {
			ID                string `json:"Id"`
			ReceiptHandle     string
			VisibilityTimeout int
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, "no JSON", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	f.mu.Lock()
	defer f.mu.Unlock()
	defer f.signal()
	f.calls[op]++
	if f.fail != nil {
		if status, code := f.fail(op); status != 0 {
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(map[string]string{"__type": "com.amazonaws.sqs#" + code, "message": "refused " + queueURL})
			return
		}
	}
	answer := map[string]any{}
	switch op {
	case "ReceiveMessage":
		f.polling++
		f.signal()
		answer["Messages"] = f.receive(r, in.MaxNumberOfMessages, time.Duration(in.WaitTimeSeconds)*time.Second, time.Duration(in.VisibilityTimeout)*time.Second)
		f.polling--
	default:
		var successful, failed []map[string]any
		var ids []string
		for _, entry := range in.Entries {
			m := f.byReceipt(entry.ReceiptHandle)
			code, sender := "ReceiptHandleIsInvalid", true
			if m != nil {
				ids = append(ids, m.id)
				code = ""
				if f.failEntry != nil {
					code, sender = f.failEntry(op, m.id)
				}
			}
			if code != "" {
				failed = append(failed, map[string]any{"Id": entry.ID, "Code": code, "SenderFault": sender})
				continue
			}
			successful = append(successful, map[string]any{"Id": entry.ID})
			if op == "DeleteMessageBatch" {
				f.remove(m)
				f.deleted++
			} else {
				m.visible = time.Now().Add(time.Duration(entry.VisibilityTimeout) * time.Second)
			}
		}
		if op == "DeleteMessageBatch" {
			f.deletes = append(f.deletes, ids)
		}
		answer["Successful"], answer["Failed"] = successful, failed
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// receive is a long poll; it holds the lock but while it waits.
func (f *fakeSQS) receive(r *http.Request, most int, wait, visibility time.Duration) []map[string]any {
	deadline := time.Now().Add(wait)
	for {
		now := time.Now()
		var got []map[string]any
		next := deadline
		for _, m := range append([]*fakeMessage(nil), f.messages...) {
			switch {
			case m.visible.After(now):
				if m.visible.Before(next) {
					next = m.visible
				}
			case f.maxReceives > 0 && m.receives >= f.maxReceives:
				f.remove(m)
				f.dead = append(f.dead, m)
			case len(got) < most:
				m.receives++
				m.receipt = fmt.Sprintf("%s-%d", m.id, m.receives)
				m.visible = now.Add(visibility)
				sum := md5.Sum([]byte(m.body))
				got = append(got, map[string]any{
					"MessageId": m.id, "ReceiptHandle": m.receipt, "Body": m.body, "MD5OfBody": hex.EncodeToString(sum[:]),
					"Attributes": map[string]string{"ApproximateReceiveCount": strconv.Itoa(m.receives)},
				})
			}
		}
		if len(got) > 0 || !now.Before(deadline) {
			return got
		}
		changed := f.changed
		f.mu.Unlock()
		timer := time.NewTimer(time.Until(next))
		select {
		case <-changed:
		case <-timer.C:
		case <-r.Context().Done():
		}
		timer.Stop()
		f.mu.Lock()
		if r.Context().Err() != nil {
			f.cancelled++
			return nil
		}
	}
}

func (f *fakeSQS) byReceipt(receipt string) *fakeMessage {
	for _, m := range f.messages {
		if m.receipt == receipt {
			return m
		}
	}
	return nil
}

func (f *fakeSQS) remove(gone *fakeMessage) {
	for i, m := range f.messages {
		if m == gone {
			f.messages = append(f.messages[:i], f.messages[i+1:]...)
			return
		}
	}
}

// mostReceives is the highest receive count of all messages that are left.
func (f *fakeSQS) mostReceives() int {
	most := 0
	for _, m := range f.messages {
		most = max(most, m.receives)
	}
	return most
}

// RoundTrip lets an SDK client talk to the fake without a network, so that time
// in a synctest bubble can go on during a long poll.
func (f *fakeSQS) RoundTrip(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	f.ServeHTTP(recorder, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if recorder.Code == statusNoConnection {
		return nil, errors.New("connection refused")
	}
	return recorder.Result(), nil
}

// statusNoConnection makes RoundTrip fail.
const statusNoConnection = 599

func (f *fakeSQS) client() *sqs.Client {
	return sdkClient("http://queue.example", &http.Client{Transport: f})
}

func sdkClient(endpoint string, client *http.Client) *sqs.Client {
	return sqs.New(sqs.Options{
		Region:       "us-west-2",
		BaseEndpoint: aws.String(endpoint),
		Credentials:  credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
		HTTPClient:   client,
	})
}
