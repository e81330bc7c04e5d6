// The AWS SDK for Go as a process: a call for each line of JSON that it reads, and its output as a line of JSON.
//
// The official provider makes its calls with this SDK, whose requests differ from those of boto3.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/firehose"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3control"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

var httpClient = awshttp.NewBuildableClient()

type call struct {
	Service     string
	Operation   string
	Region      string
	Credentials aws.Credentials
	Input       json.RawMessage
	Body        []byte // of an object
}

type result struct {
	Output any    `json:",omitempty"`
	Error  string `json:",omitempty"`
	Code   string `json:",omitempty"`
}

func client(service string, config aws.Config) any {
	switch service {
	case "athena":
		return athena.NewFromConfig(config)
	case "cloudwatch":
		return cloudwatch.NewFromConfig(config)
	case "events":
		return eventbridge.NewFromConfig(config)
	case "firehose":
		return firehose.NewFromConfig(config)
	case "glue":
		return glue.NewFromConfig(config)
	case "iam":
		return iam.NewFromConfig(config)
	case "kms":
		return kms.NewFromConfig(config)
	case "lambda":
		return lambda.NewFromConfig(config)
	case "logs":
		return cloudwatchlogs.NewFromConfig(config)
	case "s3":
		return s3.NewFromConfig(config)
	case "s3control":
		return s3control.NewFromConfig(config)
	case "sns":
		return sns.NewFromConfig(config)
	case "sqs":
		return sqs.NewFromConfig(config)
	case "sts":
		return sts.NewFromConfig(config)
	}
	panic("no client of " + service)
}

func perform(c call) (any, error) {
	config := aws.Config{
		BaseEndpoint: aws.String(os.Getenv("AWS_ENDPOINT_URL")),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return c.Credentials, nil
		}),
		HTTPClient: httpClient,
		Region:     c.Region,
	}
	method := reflect.ValueOf(client(c.Service, config)).MethodByName(c.Operation)
	if !method.IsValid() {
		return nil, fmt.Errorf("%s has no operation %s", c.Service, c.Operation)
	}
	input := reflect.New(method.Type().In(1).Elem())
	decoder := json.NewDecoder(bytes.NewReader(c.Input))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(input.Interface()); err != nil {
		return nil, err
	}
	if c.Body != nil {
		input.Elem().FieldByName("Body").Set(reflect.ValueOf(bytes.NewReader(c.Body)))
	}
	out := method.Call([]reflect.Value{reflect.ValueOf(context.Background()), input})
	if err, failed := out[1].Interface().(error); failed {
		return nil, err
	}
	return out[0].Interface(), nil
}

func main() {
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var c call
		if err := json.Unmarshal(line, &c); err != nil {
			panic(err)
		}
		var r result
		if r.Output, err = perform(c); err != nil {
			r.Error = err.Error()
			var of smithy.APIError
			if errors.As(err, &of) {
				r.Code = of.ErrorCode()
			}
		}
		if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
			panic(err)
		}
	}
}
