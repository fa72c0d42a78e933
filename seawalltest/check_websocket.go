package seawalltest

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// The few lines of RFC 6455 that an upgrade and an echo need.

const websocketGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // RFC 6455, section 1.3

func websocketAccept(key string) string {
	sum := sha1.Sum([]byte(key + websocketGUID))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// textFrame returns one whole text message of less than 126 bytes. Clients must
// mask what they send.
func textFrame(text string, masked bool) []byte {
	if !masked {
		return append([]byte{0x81, byte(len(text))}, text...)
	}
	mask := []byte{1, 2, 3, 4}
	frame := append([]byte{0x81, 0x80 | byte(len(text))}, mask...)
	for i := range len(text) {
		frame = append(frame, text[i]^mask[i%4])
	}
	return frame
}

// readFrame reads what textFrame made.
func readFrame(r io.Reader) (string, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", err
	}
	if head[0] != 0x81 || head[1]&0x7f > 125 {
		return "", fmt.Errorf("not a short text frame: % x", head)
	}
	var mask [4]byte
	if head[1]&0x80 != 0 {
		if _, err := io.ReadFull(r, mask[:]); err != nil {
			return "", err
		}
	}
	text := make([]byte, head[1]&0x7f)
	if _, err := io.ReadFull(r, text); err != nil {
		return "", err
	}
	for i := range text {
		text[i] ^= mask[i%4]
	}
	return string(text), nil
}

// websocket upgrades a connection, sends messages to and fro, and has the client
// end it.
func (c *check) websocket(hijack hijackFunc) {
	ended := make(chan error, 1)
	s := c.serve(func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := hijack(w)
		if err != nil {
			c.errorf("%w", err)
			http.Error(w, "cannot upgrade", http.StatusInternalServerError)
			return
		}
		defer conn.Close()
		ended <- echoFrames(conn, rw, r)
	})
	conn := s.dial()
	const key = "dGhlIHNhbXBsZSBub25jZQ==" // of RFC 6455, with the answer below
	s.send(conn, "GET /chat HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: "+key)
	resp := s.answer(conn, http.StatusSwitchingProtocols)
	if got := resp.Header.Get("Sec-WebSocket-Accept"); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		c.errorf("Sec-WebSocket-Accept %q", got)
	}
	for i := range 10 {
		text := fmt.Sprintf("message %d", i)
		_, err := conn.Write(textFrame(text, true))
		c.must(err, "send a frame")
		got, err := readFrame(conn.r)
		c.must(err, "read a frame")
		if got != text {
			c.errorf("got %q, want %q", got, text)
		}
	}
	conn.Close()
	if err := await(c, ended, "the handler sees the end"); !errors.Is(err, io.EOF) {
		c.errorf("the handler ends with %v, want EOF", err)
	}
}

func echoFrames(conn net.Conn, rw *bufio.ReadWriter, r *http.Request) error {
	_, err := fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Accept: %s\r\n\r\n", websocketAccept(r.Header.Get("Sec-WebSocket-Key")))
	for err == nil {
		var text string
		if text, err = readFrame(rw); err == nil {
			_, err = conn.Write(textFrame(text, false))
		}
	}
	return err
}

func checkWebsocket(c *check)   { c.websocket(hijackByAssertion) }
func checkWebsocketRC(c *check) { c.websocket(hijackByController) }
