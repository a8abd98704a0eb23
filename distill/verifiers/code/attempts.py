"""What a hostile program tries. Each prints ``open`` if it succeeds; a level of isolation must leave it no way to.

`ladder.probe` runs them all before it believes in a level: together they take a tenth of a second.
`benchmarks/code_sandbox.py` prints the table.
"""

import os
import socket
import tempfile
import time

from distill.verifiers.code.isolation import Level
from distill.verifiers.code.process import Limits
from distill.verifiers.code.sandbox import Sandbox

READS = {
    "read a file of the user": "print('open' if open({secret!r}).read() else '')",
    "list the user's folder": "import os; print('open' if os.listdir({folder!r}) else '')",
    "write a file": "open({folder!r} + '/new', 'w').write('x'); print('open')",
    "write in /tmp": "open('/tmp/distill-attempt', 'w').write('x'); print('open')",
    "delete a file": "import os; os.unlink({doomed!r}); print('open')",
    "change a file's mode": "import os; os.chmod({secret!r}, 0o777); print('open')",
}
WORLD = {
    "open a socket": "import socket; socket.socket(); print('open')",
    "connect to a local port": "import socket; socket.create_connection(('127.0.0.1', {port}), 2); print('open')",
    "make a process": "import os; print('open' if os.fork() else '')",
    "run a command": "import os; os.execv('/bin/sh', ['sh', '-c', 'echo open'])",
    "signal the driver": "import os; os.kill({pid}, 0); print('open')",
    "signal its own parent": "import os; os.kill(os.getppid(), 0); print('open')",
    "limit the driver": "import resource; resource.prlimit({pid}, resource.RLIMIT_NPROC, (9, 9)); print('open')",
    "read the driver's environment": "print('open' if open('/proc/{pid}/environ').read() else '')",
    "read the driver's memory": "open('/proc/{pid}/mem', 'rb'); print('open')",
    "read its parent's memory": "import os; open(f'/proc/{{os.getppid()}}/mem', 'rb'); print('open')",
    "find the user's environment": "import os; print('open' if {{'HOME', 'PATH', 'USER'}} & set(os.environ) else '')",
    "raise its own limits": "import resource as r; r.setrlimit(r.RLIMIT_AS, (1 << 40, 1 << 40)); print('open')",
    "leave memory behind": "import ctypes; print('open' if ctypes.CDLL(None).shmget(0, 4096, 0o1600) >= 0 else '')",
    "find an open descriptor": "import os; os.fstat(4); print('open')",
}
ATTEMPTS = READS | WORLD


def still_open(level: Level) -> list[str]:
    """The attempts that succeed at a level.

    Raises:
        SandboxError: If no program can run there at all.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.create_server(("127.0.0.1", 0)) as server,
        Sandbox(level, Limits(timeout=5)) as sandbox,
    ):
        world: dict[str, object] = {"folder": folder, "port": server.getsockname()[1], "pid": os.getpid()}
        for name in ("secret", "doomed"):
            path = world[name] = os.path.join(folder, name)
            with open(path, "w") as file:
                file.write(name)
        return [name for name, program in ATTEMPTS.items() if _succeeds(sandbox, program.format(**world))]


def _succeeds(sandbox: Sandbox, program: str) -> bool:
    with sandbox.start({"mode": "script", "code": program}, deadline=time.monotonic() + 20) as process:
        process.wait()
        return bytes(process.output).strip() == b"open"
