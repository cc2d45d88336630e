package trigger

import (
	"regexp"
	"strings"
)

// kind is what a CloudTrail event name means for us.
type kind int

const (
	unknownWrite kind = iota // not in our list: counts as a write, and is reported
	read
	write
	bundle
	deletion
	bulkDelete
	asyncWrite
	importJob
	restore
	control // changes something, but no version comes of it
)

// kinds are the event names that we know: IAM's action names of HealthLake
// (Service Authorization Reference), which its records use as eventName, and
// those of group membership.
var kinds = map[string]kind{
	"CreateResource": write,
	"UpdateResource": write,
	"PatchResource":  write,
	"MemberAdd":      write,
	"MemberRemove":   write,
	"ProcessBundle":  bundle,

	"DeleteResource":         deletion,
	"StartFHIRBulkDeleteJob": bulkDelete,
	"StartFHIRBulkPatchJob":  asyncWrite,
	"StartFHIRImportJob":     importJob,
	"RestoreFHIRDatastore":   restore,

	"CreateFHIRDatastore":           control,
	"DeleteFHIRDatastore":           control,
	"StartFHIRExportJob":            control,
	"StartFHIRExportJobWithGet":     control,
	"StartFHIRExportJobWithPost":    control,
	"CancelFHIRExportJobWithDelete": control,
	"TagResource":                   control,
	"UntagResource":                 control,

	// What the reference lists as Read or List, and calls that only compute: the same
	// as in the template's rule.
	"DescribeDataTransformationJob":         read,
	"DescribeFHIRBulkDeleteJob":             read,
	"DescribeFHIRBulkMemberMatchJob":        read,
	"DescribeFHIRBulkPatchJob":              read,
	"DescribeFHIRDatastore":                 read,
	"DescribeFHIRExportJob":                 read,
	"DescribeFHIRExportJobWithGet":          read,
	"DescribeFHIRImportJob":                 read,
	"ExpandValueSetWithGet":                 read,
	"ExpandValueSetWithPost":                read,
	"GetCapabilities":                       read,
	"GetDataTransformationProfile":          read,
	"GetExportedFile":                       read,
	"GetHistoryByResourceId":                read,
	"InquirePreAuthClaim":                   read,
	"ListDataTransformationJobs":            read,
	"ListDataTransformationProfileVersions": read,
	"ListDataTransformationProfiles":        read,
	"ListFHIRDatastores":                    read,
	"ListFHIRExportJobs":                    read,
	"ListFHIRImportJobs":                    read,
	"ListTagsForResource":                   read,
	"LookupCodeSystemWithGet":               read,
	"LookupCodeSystemWithPost":              read,
	"QuestionnairePackage":                  read,
	"ReadResource":                          read,
	"SearchEverything":                      read,
	"SearchWithGet":                         read,
	"SearchWithPost":                        read,
	"TranslateConceptMapWithGet":            read,
	"TranslateConceptMapWithPost":           read,
	"ValidateResource":                      read,
	"ValidateSource":                        read,
	"VersionReadResource":                   read,
}

// foldedKinds are the kinds by their names in small letters. A read is known by its exact
// name only.
var foldedKinds = func() map[string]kind {
	folded := make(map[string]kind)
	for name, k := range kinds {
		if k != read {
			folded[strings.ToLower(name)] = k
		}
	}
	return folded
}()

// dated is how some services' event names end, with the date of the API's version:
// CreateFunction20150331, UpdateFunctionCode20150331v2.
var dated = regexp.MustCompile(`[0-9]{8}(v[0-9]+)?$`)

// kindOf returns what an event name means and whether we know it. A name that
// we don't know and that starts a job counts as an asynchronous write.
func kindOf(name string) (k kind, known bool) {
	if k, known = kinds[name]; known {
		return k, true
	}
	name = strings.ToLower(name)
	if k, known = foldedKinds[name]; known {
		return k, true
	}
	name = dated.ReplaceAllString(name, "")
	if k, found := foldedKinds[name]; found {
		return k, false
	}
	if rest, found := strings.CutPrefix(name, "start"); found && strings.Contains(rest, "job") {
		return asyncWrite, false
	}
	return unknownWrite, false
}

var namePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,63}$`)

// shownName is an event name for logs.
func shownName(name string) string {
	if namePattern.MatchString(name) {
		return name
	}
	return "unprintable"
}
