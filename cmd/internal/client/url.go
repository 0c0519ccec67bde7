package client

import (
	"cmp"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// URL is where and how a server is reached.
type URL struct {
	scheme
	target *url.URL // its host has a port
}

// scheme is what the first part of a URL means.
type scheme struct {
	port   string // where none is named
	secure bool
	sockjs bool
	raw    bool // STOMP alone
}

func schemes() map[string]scheme {
	return map[string]scheme{
		"ws":    {port: "80"},
		"wss":   {port: "443", secure: true},
		"http":  {port: "80", sockjs: true},
		"https": {port: "443", secure: true, sockjs: true},
		"tcp":   {port: "61613", raw: true},
		"tcps":  {port: "61614", secure: true, raw: true},
	}
}

// ParseURL reads ws://HOST:PORT/PATH or wss:// for WebSocket, http:// or https:// for SockJS, and
// tcp://HOST:PORT or tcps:// for STOMP alone. The error is a *URLError.
func ParseURL(text string) (*URL, error) {
	u, err := url.Parse(text)
	if err != nil { // which repeats the text
		return nil, &URLError{"this is not a URL: want one like ws://127.0.0.1:13001/stomp"}
	}
	s, known := schemes()[u.Scheme]
	if !known {
		return nil, &URLError{"want a URL that begins with ws://, wss:// (WebSocket), http://, https:// (SockJS), tcp:// or tcps:// (STOMP alone)"}
	}
	return s.parse(u)
}

func (s scheme) parse(u *url.URL) (*URL, error) {
	switch {
	case u.User != nil:
		return nil, &URLError{"a URL with a name or password is not taken: log in with a token"}
	case u.Hostname() == "":
		return nil, &URLError{"the URL names no host: want one like " + u.Scheme + "://127.0.0.1:13001"}
	case s.raw && (strings.Trim(u.Path, "/") != "" || u.RawQuery != ""):
		return nil, &URLError{u.Scheme + ":// has no path: want " + u.Scheme + "://HOST:PORT"}
	}
	port := cmp.Or(u.Port(), s.port)
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return nil, &URLError{"the URL has no port from 1 to 65535: want one like " + u.Scheme + "://127.0.0.1:13001"}
	}
	if u.Host = net.JoinHostPort(u.Hostname(), port); !s.raw {
		u.Path = cmp.Or(u.Path, "/")
	}
	return &URL{s, u}, nil
}

// String is the URL without its query, in which people put secrets.
func (u *URL) String() string {
	return u.target.Scheme + "://" + u.target.Host + u.target.EscapedPath()
}

// Advice is what may help after an error of Dial: the same kind of URL with TLS, or without. It is empty for
// an error that has to do with neither.
func (u *URL) Advice(err error) string {
	op, ofNetwork := errors.AsType[*net.OpError](err)
	handshake := errors.Is(err, io.EOF) || errors.As(err, new(tls.RecordHeaderError))
	switch {
	case ofNetwork && op.Op == "dial", u.secure && !handshake:
		return ""
	case u.secure:
		return "if it speaks no TLS there, try " + strings.TrimSuffix(u.target.Scheme, "s") + "://"
	}
	return "if it speaks TLS there, try " + u.target.Scheme + "s://"
}

// Hostname is that of the server, and Raw whether it speaks STOMP alone there, without WebSocket.
func (u *URL) Hostname() string { return u.target.Hostname() }
func (u *URL) Raw() bool        { return u.raw }
