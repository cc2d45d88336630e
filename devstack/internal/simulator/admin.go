package simulator

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// The admin endpoints are unsigned and no part of the service:
//
//	GET    /_devstack/writelog?datastore=ID&since=N
//	GET    /_devstack/stats
//	GET    /_devstack/faults
//	POST   /_devstack/faults   a Fault as JSON
//	DELETE /_devstack/faults
func (s *Server) adminRoutes(m *http.ServeMux) {
	m.HandleFunc("GET /_devstack/writelog", s.adminWriteLog)
	m.HandleFunc("GET /_devstack/stats", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.Stats()) })
	m.HandleFunc("GET /_devstack/faults", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.Faults()) })
	m.HandleFunc("POST /_devstack/faults", s.adminInject)
	m.HandleFunc("DELETE /_devstack/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearFaults()
		w.WriteHeader(http.StatusNoContent)
	})
}

func (s *Server) adminWriteLog(w http.ResponseWriter, r *http.Request) {
	id := or(r.URL.Query().Get("datastore"), s.cfg.Datastores[0])
	since, err := strconv.Atoi(or(r.URL.Query().Get("since"), "0"))
	if s.stores[id] == nil || err != nil || since < 0 {
		http.Error(w, "name a data store of this simulator, and since as a position in its log", http.StatusBadRequest)
		return
	}
	writes := s.WritesSince(id, since)
	if writes == nil {
		writes = []Write{}
	}
	writeJSON(w, writes)
}

func (s *Server) adminInject(w http.ResponseWriter, r *http.Request) {
	var f Fault
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		http.Error(w, "send one fault as JSON with kind and count", http.StatusBadRequest)
		return
	}
	if err := s.InjectFault(f); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
