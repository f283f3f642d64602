package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// holdPort gives a free port of 127.0.0.1 that stays ours until this process ends: bound, so that nobody else gets it, and
// not listening, so that it takes no connections from the child that listens there. A child can end and start again.
func holdPort() (int, error) {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err := unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return 0, err
	}
	if err := unix.Bind(socket, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, err
	}
	address, err := unix.Getsockname(socket)
	if err != nil {
		return 0, err
	}
	inet, is := address.(*unix.SockaddrInet4)
	if !is {
		return 0, fmt.Errorf("not an address of IPv4: %T", address)
	}
	return inet.Port, nil
}
