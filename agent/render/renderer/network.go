package main

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
)

// errRemote is what every attempt to reach a network ends with.
var errRemote = errors.New("remote sources are disabled")

// refuseNetwork makes every client that the libraries create fail before it resolves a name.
func refuseNetwork() {
	http.DefaultTransport = refusal{}
	http.DefaultClient = &http.Client{Transport: refusal{}}
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: nil}
	// Kustomize starts `git` for remote bases; without a search path there is none.
	_ = os.Unsetenv("PATH")
}

type refusal struct{}

// RoundTrip refuses the request.
func (refusal) RoundTrip(request *http.Request) (*http.Response, error) {
	return nil, &url.Error{Op: "fetch", URL: request.URL.Redacted(), Err: errRemote}
}
