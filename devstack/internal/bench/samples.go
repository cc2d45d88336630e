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
			name := types[len(samples)%n]
			body, err := rawjson.Set(resource.Body, "resourceType", []byte(`"`+name+`"`))
			if err != nil {
				return nil, nil, fmt.Errorf("making a sample of %s: %w", name, err)
			}
			samples = append(samples, fhirdata.Resource{Type: name, ID: resource.ID, Body: body})
		}
	}
	return samples, types, nil
}

// meanSize is the samples' mean size, in bytes.
func meanSize(samples []fhirdata.Resource) float64 {
	sum := 0
	for _, s := range samples {
		sum += len(s.Body)
	}
	return float64(sum) / float64(len(samples))
}
