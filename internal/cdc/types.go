package cdc

import (
	"slices"
	"strings"
)

// ResourceTypes are the names of FHIR R4's resource types, sorted: those of the code
// system http://hl7.org/fhir/resource-types in version 4.0.1
// (https://hl7.org/fhir/R4/resourcelist.html), without the abstract Resource and
// DomainResource.
var ResourceTypes = strings.Fields(`
	Account ActivityDefinition AdverseEvent AllergyIntolerance Appointment AppointmentResponse AuditEvent
	Basic Binary BiologicallyDerivedProduct BodyStructure Bundle
	CapabilityStatement CarePlan CareTeam CatalogEntry ChargeItem ChargeItemDefinition Claim ClaimResponse
	ClinicalImpression CodeSystem Communication CommunicationRequest CompartmentDefinition Composition ConceptMap
	Condition Consent Contract Coverage CoverageEligibilityRequest CoverageEligibilityResponse
	DetectedIssue Device DeviceDefinition DeviceMetric DeviceRequest DeviceUseStatement DiagnosticReport
	DocumentManifest DocumentReference
	EffectEvidenceSynthesis Encounter Endpoint EnrollmentRequest EnrollmentResponse EpisodeOfCare EventDefinition
	Evidence EvidenceVariable ExampleScenario ExplanationOfBenefit
	FamilyMemberHistory Flag
	Goal GraphDefinition Group GuidanceResponse
	HealthcareService
	ImagingStudy Immunization ImmunizationEvaluation ImmunizationRecommendation ImplementationGuide InsurancePlan
	Invoice
	Library Linkage List Location
	Measure MeasureReport Media Medication MedicationAdministration MedicationDispense MedicationKnowledge
	MedicationRequest MedicationStatement MedicinalProduct MedicinalProductAuthorization
	MedicinalProductContraindication MedicinalProductIndication MedicinalProductIngredient
	MedicinalProductInteraction MedicinalProductManufactured MedicinalProductPackaged
	MedicinalProductPharmaceutical MedicinalProductUndesirableEffect MessageDefinition MessageHeader
	MolecularSequence
	NamingSystem NutritionOrder
	Observation ObservationDefinition OperationDefinition OperationOutcome Organization OrganizationAffiliation
	Parameters Patient PaymentNotice PaymentReconciliation Person PlanDefinition Practitioner PractitionerRole
	Procedure Provenance
	Questionnaire QuestionnaireResponse
	RelatedPerson RequestGroup ResearchDefinition ResearchElementDefinition ResearchStudy ResearchSubject
	RiskAssessment RiskEvidenceSynthesis
	Schedule SearchParameter ServiceRequest Slot Specimen SpecimenDefinition StructureDefinition StructureMap
	Subscription Substance SubstanceNucleicAcid SubstancePolymer SubstanceProtein SubstanceReferenceInformation
	SubstanceSourceMaterial SubstanceSpecification SupplyDelivery SupplyRequest
	Task TerminologyCapabilities TestReport TestScript
	ValueSet VerificationResult VisionPrescription`)

// subscriptionTopic is the one resource type beside R4's that HealthLake stores: R4's
// subscriptions borrow it from FHIR R5
// (https://hl7.org/fhir/R5/subscriptiontopic.html).
const subscriptionTopic = "SubscriptionTopic"

// KnownType reports whether a HealthLake datastore stores resources of the type.
func KnownType(name string) bool {
	if name == subscriptionTopic {
		return true
	}
	_, found := slices.BinarySearch(ResourceTypes, name)
	return found
}
