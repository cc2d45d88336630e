package payload

import (
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
)

// NewDataConverter returns the plain converter behind the codec. Every
// program that reads or writes our executions needs it in its client options.
func NewDataConverter(codec converter.PayloadCodec) converter.DataConverter {
	return converter.NewCodecDataConverter(NewPlainConverter(), codec)
}

// NewPlainConverter returns the converter without a codec: the SDK's own converters, and
// one for what has bodies.
func NewPlainConverter() converter.DataConverter {
	return converter.NewCompositeDataConverter(
		converter.NewNilPayloadConverter(), bodiesConverter{}, converter.NewByteSlicePayloadConverter(),
		converter.NewProtoJSONPayloadConverter(), converter.NewProtoPayloadConverter(), converter.NewJSONPayloadConverter(),
	)
}

// NewFailureConverter puts the message and the stack trace of every failure through the
// data converter. Error types and activity IDs stay readable.
func NewFailureConverter(dc converter.DataConverter) converter.FailureConverter {
	return temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
		DataConverter:          dc,
		EncodeCommonAttributes: true,
	})
}
