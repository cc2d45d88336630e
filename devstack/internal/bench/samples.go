package bench

import (
	"fmt"

	"healthlake-cdc/devstack/internal/fhirdata"
	"healthlake-cdc/devstack/internal/simulator/rawjson"
)

// allTypes are those that measurements use.
var allTypes = []string{
	"AllergyIntolerance", "Appointment", "CarePlan", "CareTeam", "Claim", "Communication", "Condition", "Consent", "Coverage",
	"Device", "DiagnosticReport", "DocumentReference", "Encounter", "ExplanationOfBenefit", "FamilyMemberHistory", "Goal",
	"ImagingStudy", "Immunization", "Location", "Medication", "MedicationRequest", "Observation", "Patient", "Procedure",
	"ServiceRequest", "Task",
}

// samplesOf are Synthea's resources, spread over n types: what
// Synthea does not have of a type is a resource of another one under that name, so that
// sizes are real.
func samplesOf(n int) (samples []fhirdata.Resource, types []string, err error) {
	bundles, err := fhirdata.LoadAll()
	if err != nil {
		return nil, nil, err
	}
	types = allTypes[:n]
	for _, bundle := range bundles {
		for _, resource := range bundle.Resources {
			sample, err := withType(resource, types[len(samples)%n])
			if err != nil {
				return nil, nil, err
			}
			samples = append(samples, sample)
		}
	}
	return samples, types, nil
}

// withType is a resource under the name of another type.
func withType(r fhirdata.Resource, name string) (fhirdata.Resource, error) {
	body, err := rawjson.Set(r.Body, "resourceType", []byte(`"`+name+`"`))
	if err != nil {
		return r, fmt.Errorf("making a sample of %s: %w", name, err)
	}
	return fhirdata.Resource{Type: name, ID: r.ID, Body: body}, nil
}

// meanSize is the samples' mean size, in bytes.
func meanSize(samples []fhirdata.Resource) float64 {
	sum := 0
	for _, s := range samples {
		sum += len(s.Body)
	}
	return float64(sum) / float64(len(samples))
}
