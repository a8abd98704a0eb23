"""What keeps a program that nobody has read from this machine: three levels, the strongest first.

``bubblewrap`` gives it namespaces of its own: no network, no other processes, no file but Python's, nothing writable.
``landlock`` leaves it among the other processes, but the kernel refuses it every file but Python's. Both add a list of
allowed system calls and limits (`inside.confine`). ``unsafe`` has these two only: a program can read your files.
"""

import errno
import functools
import json
import os
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Literal, get_args

Level = Literal["bubblewrap", "landlock", "unsafe"]
LEVELS: tuple[Level, ...] = get_args(Level)
REMEDIES: dict[Level, str] = {
    "bubblewrap": "install it (apt install bubblewrap, dnf install bubblewrap) and allow user namespaces: on Ubuntu "
    "sysctl kernel.apparmor_restrict_unprivileged_userns=0, in Docker --security-opt seccomp=unconfined "
    "--security-opt apparmor=unconfined",
    "landlock": "a kernel from Linux 5.13 on, x86_64 or aarch64, with landlock among the modules of its lsm= option",
    "unsafe": "Linux",
}
INSIDE = Path(__file__).parent / "inside"
ENVIRONMENT = {"PYTHONHASHSEED": "0"}
"""All of the environment that a program sees. A fixed seed: a set is then printed in the same order every time."""

_MAIN = "import sys; sys.path.append(sys.argv[1]); from inside.zygote import main; sys.path.pop(); main(sys.argv[2])"


def command(level: Level, settings: dict[str, object]) -> list[str]:
    """The command that starts the sandbox's Python at a level, with settings for `inside.zygote.main`.

    Raises:
        FileNotFoundError: If it needs a program that is not installed.
    """
    python = [os.path.realpath(sys.executable), "-P", "-s", "-S", "-c", _MAIN]
    told = json.dumps({"level": level, "readable": readable(), **settings})
    if level != "bubblewrap":
        return [*python, str(INSIDE.parent), told]
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise FileNotFoundError(errno.ENOENT, "it is not installed", "bwrap")
    binds = [argument for path in (*readable(), python[0]) for argument in ("--ro-bind-try", path, path)]
    return [
        *(bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
        *(*binds, "--ro-bind", str(INSIDE), "/distill/inside", "--remount-ro", "/", "--chdir", "/"),
        *(*python, "/distill", told),
    ]


@functools.cache
def readable() -> list[str]:
    """The folders and files that Python needs to import its standard library, and nothing of the user's."""
    libraries = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), f"{sys.base_prefix}/lib"]
    return [*dict.fromkeys([*libraries, "/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache"])]
