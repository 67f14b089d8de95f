package iam

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/weir-data/weir/wire"
)

// getUser tells about the caller. Users come with the credentials file, so no other user can be seen, and the date of
// creation is not known: it is the start of 2011, when IAM began.
func (a *api) getUser(ctx context.Context, in *iam.GetUserInput) (*iam.GetUserOutput, error) {
	var v wire.Violations
	v.Length(in.UserName, "userName", 1, 128)
	v.Pattern(in.UserName, "userName", namePattern)
	if err := v.Err(); err != nil {
		return nil, err
	}
	who := wire.Caller(ctx)
	_, name, isUser := strings.Cut(who.ARN, ":user/")
	if in.UserName != nil && *in.UserName != name {
		return nil, wire.Errorf("NoSuchEntity", http.StatusNotFound, "The user with name %s cannot be found.", *in.UserName)
	}
	if strings.Contains(who.ARN, ":assumed-role/") {
		return nil, wire.Errorf("ValidationError", http.StatusBadRequest, "Must specify userName when calling with non-User credentials")
	}
	user := &types.User{
		Arn:        aws.String(who.ARN),
		UserId:     aws.String(who.UserID),
		CreateDate: aws.Time(time.Date(2011, 1, 1, 0, 0, 0, 0, time.UTC)),
	}
	if isUser {
		user.UserName, user.Path = aws.String(name), aws.String("/")
	}
	return &iam.GetUserOutput{User: user}, nil
}
