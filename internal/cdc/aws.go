package cdc

// awsCodes are the error codes of AWS's APIs that we know, with the class of those that
// decide it whatever the HTTP status: AWS answers some of them with 400. Sources: the
// API references of AWS HealthLake and Amazon EventBridge, "Common Error Types"; the
// SDK's lists of throttling and timeout codes (aws-sdk-go-v2, aws/retry).
var awsCodes = map[string]Class{
	"BandwidthLimitExceeded":                 ClassThrottled,
	"EC2ThrottledException":                  ClassThrottled,
	"LimitExceededException":                 ClassThrottled,
	"PriorRequestNotComplete":                ClassThrottled,
	"ProvisionedThroughputExceededException": ClassThrottled,
	"RequestLimitExceeded":                   ClassThrottled,
	"RequestThrottled":                       ClassThrottled,
	"RequestThrottledException":              ClassThrottled,
	"SlowDown":                               ClassThrottled,
	"ThrottledException":                     ClassThrottled,
	"Throttling":                             ClassThrottled,
	"ThrottlingException":                    ClassThrottled,
	"TooManyRequestsException":               ClassThrottled,
	"TransactionInProgressException":         ClassThrottled,

	"AccessDenied":                        ClassForbidden,
	"AccessDeniedException":               ClassForbidden,
	"ExpiredToken":                        ClassForbidden,
	"ExpiredTokenException":               ClassForbidden,
	"IncompleteSignature":                 ClassForbidden,
	"IncompleteSignatureException":        ClassForbidden,
	"InvalidClientTokenId":                ClassForbidden,
	"InvalidSignatureException":           ClassForbidden,
	"MissingAuthenticationToken":          ClassForbidden,
	"MissingAuthenticationTokenException": ClassForbidden,
	"NotAuthorized":                       ClassForbidden,
	"OptInRequired":                       ClassForbidden,
	"RequestExpired":                      ClassForbidden,
	"SignatureDoesNotMatch":               ClassForbidden,
	"UnauthorizedOperation":               ClassForbidden,
	"UnrecognizedClientException":         ClassForbidden,

	"RequestTimeout":          ClassUnavailable,
	"RequestTimeoutException": ClassUnavailable,

	"ConflictException":             "",
	"InternalFailure":               "",
	"InternalServerException":       "",
	"ResourceNotFoundException":     "",
	"ServiceQuotaExceededException": "",
	"ServiceUnavailable":            "",
	"UnknownOperationException":     "",
	"ValidationError":               "",
	"ValidationException":           "",
}

// ClassOfAWSCode is the class that an AWS error code decides, empty where the HTTP status
// does. A code that is not known may hold any text.
func ClassOfAWSCode(code string) (class Class, known bool) {
	class, known = awsCodes[code]
	return class, known
}
