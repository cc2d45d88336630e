package preflight

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"healthlake-cdc/internal/cdc"
	"healthlake-cdc/internal/config"
	"healthlake-cdc/internal/healthlake"
)

// ResourceTypes returns the types to search of each datastore. With
// CDC_RESOURCE_TYPES=* it reads every store's CapabilityStatement.
func ResourceTypes(ctx context.Context, cfg *config.Config, stores func() (*healthlake.Client, error)) (map[string][]string, error) {
	types := make(map[string][]string, len(cfg.Datastores))
	for _, datastore := range cfg.Datastores {
		types[datastore] = cfg.ResourceTypes
	}
	if !cfg.AllResourceTypes() {
		return types, nil
	}
	store, err := stores()
	if err != nil {
		return nil, err
	}
	for _, datastore := range cfg.Datastores {
		if types[datastore], err = store.SearchableTypes(ctx, datastore); err != nil {
			return nil, fmt.Errorf("reading the searchable types of datastore %s (CDC_RESOURCE_TYPES=*): %w", datastore, err)
		}
	}
	return types, nil
}

// datastore makes one small search of each type, at the pace of live searches. A type
// that the store does not know ends the start at once: waiting does not help. Where
// no type is known, it is the store that is not there.
func (p *Probes) datastore(ctx context.Context, datastore string) (string, error) {
	types := p.Types[datastore]
	if len(types) == 0 {
		return "", errors.New(datastore + " has no resource types to search")
	}
	searched := p.searched[datastore]
	pace := rate.NewLimiter(rate.Limit(p.cfg.LiveRate()), 1)
	span := cdc.WindowAt(datastore, time.Now().Add(-time.Minute)).Span()
	var date time.Time
	var rejected []string
	failed := make(map[string][]string) // types by the error of their searches
	for _, name := range types {
		if searched[name] {
			continue
		}
		if err := pace.Wait(ctx); err != nil {
			return "", fmt.Errorf("%s: no time left to search every type: %w", datastore, err)
		}
		page, err := p.stores.Search(ctx, cdc.SearchRequest{Datastore: datastore, Type: name, Span: span, IDsOnly: true})
		var store *cdc.Error
		switch {
		case err == nil:
			searched[name], date = true, page.Date
		case errors.As(err, &store) && store.Class == cdc.ClassInvalidRequest:
			rejected = append(rejected, name)
			failed[err.Error()] = append(failed[err.Error()], name)
		case errors.As(err, &store) && store.Class == cdc.ClassUnavailable:
			// The others would hang as long.
			return "", fmt.Errorf("%s does not let us search %s: %w", datastore, name, err)
		default:
			failed[err.Error()] = append(failed[err.Error()], name)
		}
	}
	switch {
	case len(rejected) > 0 && len(rejected) < len(types):
		return "", permanent{fmt.Errorf("%s does not know %s: take them out of CDC_RESOURCE_TYPES", datastore, strings.Join(rejected, ", "))}
	case len(failed) > 0:
		return "", fmt.Errorf("%s does not let us search %s", datastore, failedText(failed, len(types)))
	}
	return fmt.Sprintf("%s answers a search of each of %d types%s", datastore, len(types), clockText(date)), nil
}

// failedText lists each error with its types; "any of N types" where all share it.
func failedText(failed map[string][]string, all int) string {
	var texts []string
	for text, types := range failed {
		names := strings.Join(types, ", ")
		if len(types) == all && all > 1 {
			names = fmt.Sprintf("any of %d types", all)
		}
		texts = append(texts, names+": "+text)
	}
	slices.Sort(texts)
	return strings.Join(texts, "; ")
}

// searchTimeout is how long an attempt of searching every type of a datastore may take.
func (p *Probes) searchTimeout(datastore string) time.Duration {
	return checkTimeout + time.Duration(float64(len(p.Types[datastore]))/p.cfg.LiveRate()*float64(time.Second))
}
