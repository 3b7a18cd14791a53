"""Answers on every address of this network, by TCP and UDP: listener.py PORT."""
import socket
import sys
import threading

port = int(sys.argv[1])
stream = socket.socket()
stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
stream.bind(("0.0.0.0", port))
stream.listen(64)
packets = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
packets.bind(("0.0.0.0", port))


def answer():
    while True:
        _, sender = packets.recvfrom(64)
        packets.sendto(b"here", sender)


threading.Thread(target=answer, daemon=True).start()
while True:
    stream.accept()[0].close()
