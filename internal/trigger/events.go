package trigger

import "strings"

// kind is what a CloudTrail event name means for us.
type kind int

const (
	unknownWrite kind = iota // not in our list: taken for a write, and reported
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
	"StartFHIRImportJob":     importJob,
	"RestoreFHIRDatastore":   restore,

	"ReadResource":                 read,
	"VersionReadResource":          read,
	"GetHistoryByResourceId":       read,
	"SearchWithGet":                read,
	"SearchWithPost":               read,
	"SearchEverything":             read,
	"GetCapabilities":              read,
	"GetExportedFile":              read,
	"DescribeFHIRDatastore":        read,
	"DescribeFHIRImportJob":        read,
	"DescribeFHIRExportJob":        read,
	"DescribeFHIRExportJobWithGet": read,
	"DescribeFHIRBulkDeleteJob":    read,
	"ListFHIRDatastores":           read,
	"ListFHIRImportJobs":           read,
	"ListFHIRExportJobs":           read,
	"ListTagsForResource":          read,

	"CreateFHIRDatastore":           control,
	"DeleteFHIRDatastore":           control,
	"StartFHIRExportJob":            control,
	"StartFHIRExportJobWithGet":     control,
	"StartFHIRExportJobWithPost":    control,
	"CancelFHIRExportJobWithDelete": control,
	"TagResource":                   control,
	"UntagResource":                 control,
}

// kindOf returns what an event name means and whether we know it. A name that
// we don't know and that starts a job is taken for an asynchronous write ($bulk-
// patch, for one: what its records are called is not documented).
func kindOf(name string) (k kind, known bool) {
	if k, known = kinds[name]; known {
		return k, true
	}
	if rest, found := strings.CutPrefix(name, "Start"); found && strings.Contains(rest, "Job") {
		return asyncWrite, false
	}
	return unknownWrite, false
}
