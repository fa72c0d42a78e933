package seawall

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// Problem is a rendered application/problem+json body (RFC 9457), for a
// Rejection that has more to say than its reason. It is made once and sent many
// times.
type Problem struct {
	body   []byte
	length []string
}

// NewProblem renders what encoding/json makes an object of.
func NewProblem(of any) (*Problem, error) {
	body, err := json.Marshal(of)
	if err != nil {
		return nil, fmt.Errorf("seawall: a problem must be JSON: %w", err)
	}
	if len(body) == 0 || body[0] != '{' {
		return nil, fmt.Errorf("seawall: a problem must be a JSON object (got %.32q)", body)
	}
	body = append(body, '\n')
	return &Problem{body: body, length: []string{strconv.Itoa(len(body))}}, nil
}

// String is the body.
func (p *Problem) String() string {
	if p == nil {
		return ""
	}
	return string(p.body)
}
