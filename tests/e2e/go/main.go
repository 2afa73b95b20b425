// SPDX-License-Identifier: MIT

// relay: a TCP proxy whose two directions are io.Copy, which splices; it begins in one of three ways.
//
//	usage: relay LISTEN_PORT UPSTREAM_PORT copy|frames|late
//
//	copy    io.Copy from the first byte
//	frames  answers frames of 64 bytes itself, by Read and Write, until one begins with 'G'; then io.Copy
//	late    the same, but io.Copy begins only when 300 bytes more are waiting in the socket
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

const (
	frameSize = 64
	lateSize  = 300
)

func answerFrames(client *net.TCPConn) error {
	frame := make([]byte, frameSize)
	for {
		if _, err := io.ReadFull(client, frame); err != nil {
			return err
		}
		if _, err := client.Write(frame); err != nil {
			return err
		}
		if frame[0] == 'G' {
			return nil
		}
	}
}

// awaitBytes returns when n bytes wait in the socket's queue, without taking them.
func awaitBytes(client *net.TCPConn, n int) error {
	raw, err := client.SyscallConn()
	if err != nil {
		return err
	}
	peeked := make([]byte, n)
	return raw.Read(func(fd uintptr) bool {
		got, _, err := syscall.Recvfrom(int(fd), peeked, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return got >= n || (err != nil && err != syscall.EAGAIN)
	})
}

func greet(client *net.TCPConn, shape string) error {
	if shape == "copy" {
		return nil
	}
	if err := answerFrames(client); err != nil {
		return err
	}
	if shape == "late" {
		return awaitBytes(client, lateSize)
	}
	return nil
}

func pump(to, from *net.TCPConn, done chan<- struct{}) {
	io.Copy(to, from)
	to.CloseWrite()
	done <- struct{}{}
}

func serve(client *net.TCPConn, upstream, shape string) {
	defer client.Close()
	if err := greet(client, shape); err != nil {
		return
	}
	server, err := net.Dial("tcp", upstream)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer server.Close()
	done := make(chan struct{}, 2)
	go pump(server.(*net.TCPConn), client, done)
	go pump(client, server.(*net.TCPConn), done)
	<-done
	<-done
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: relay LISTEN_PORT UPSTREAM_PORT copy|frames|late")
		os.Exit(2)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		go serve(client.(*net.TCPConn), "127.0.0.1:"+os.Args[2], os.Args[3])
	}
}
