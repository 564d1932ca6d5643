"""`ptctl` for a PATH: hands its words, streams and directory to a loaded process (`tests.warm`) and ends as the command ends.

Copied beside that process's socket. Signals go on to the command; where this is killed, the command is killed, too.
Imports next to nothing: starting is all it costs.
"""

import marshal
import os
import signal
import socket
import struct
import sys
from contextlib import suppress

__all__ = ["main"]

NUMBER = struct.Struct("!i")
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def main(words: list[str], folder: str) -> None:
    """Run the command; ends this process."""
    ignored = [int(number) for number in PASSED_ON if signal.getsignal(number) is signal.SIG_IGN]
    asked = {
        "arguments": words,
        "cwd": os.getcwd(),  # noqa: PTH109  # pathlib is slower than the rest of this
        "env": dict(os.environ),
        "ignored": ignored,
        "session": True,
    }
    request = marshal.dumps(asked)
    with socket.socket(socket.AF_UNIX) as told:
        told.connect(f"{folder}/socket")
        socket.send_fds(told, [b"!"], [0, 1, 2])  # "!": it dies with this
        told.sendall(NUMBER.pack(len(request)) + request)
        command = NUMBER.unpack(told.recv(NUMBER.size))[0]

        def pass_on(number: int, _: object) -> None:
            with suppress(ProcessLookupError):
                os.kill(command, number)

        for number in PASSED_ON:
            if number not in ignored:
                signal.signal(number, pass_on)
        code = os.waitstatus_to_exitcode(NUMBER.unpack(told.recv(NUMBER.size))[0])
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    here, _, name = __file__.rpartition("/")
    if name == "python":
        assert sys.argv[1:3] == ["-m", "reconciler"], f"this one cannot {sys.argv[1:]}"
        del sys.argv[1:3]
    main(sys.argv[1:], here)
