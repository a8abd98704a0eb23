"""A process that behaves as a model server does, with a child of its own, and with faults that its flags ask for.

Each start is a life. The faults can begin with a later one, or end with an earlier one.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FAULTS = (
    "die_at_start",
    "never_healthy",
    "die_when_asked",
    "ignore_sigterm",
    "never_answer",
    "die_slowly_when_asked",
)


def read_flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--pids", type=Path, required=True)
    parser.add_argument("--first-faulty-life", type=int, default=1)
    parser.add_argument("--last-faulty-life", type=int, default=1000)
    for fault in FAULTS:
        parser.add_argument(f"--{fault.replace('_', '-')}", action="store_true")
    flags = parser.parse_known_args()[0]  # a real server's flags mean nothing here
    if not flags.first_faulty_life <= count_lives(flags.pids.with_name("lives")) <= flags.last_faulty_life:
        vars(flags).update(dict.fromkeys(FAULTS, False))
    return flags


def count_lives(path: Path) -> int:
    with path.open("a+") as lives:
        lives.write(f"{os.getpid()}\n")
        lives.seek(0)
        return len(lives.readlines())


class Handler(BaseHTTPRequestHandler):
    flags: argparse.Namespace

    def do_GET(self) -> None:
        self.answer(503 if self.flags.never_healthy else 200, {})

    def do_POST(self) -> None:
        print("stub: asked", flush=True)
        if self.flags.die_when_asked:
            print("stub: CUDA error", flush=True)
            os._exit(7)
        if self.flags.never_answer:
            time.sleep(600)
        if self.flags.die_slowly_when_asked:
            self.die_slowly()
            return
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != f"Bearer {os.environ['VLLM_API_KEY']}":
            self.answer(401, {"error": {"message": "wrong key"}})
            return
        message = {"role": "assistant", "content": f"{body['model']} heard {body['messages'][-1]['content']}"}
        usage = {"prompt_tokens": 1, "completion_tokens": 2}
        self.answer(200, {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage})

    def die_slowly(self) -> None:
        """As vLLM's API server does when its engine has died: it refuses for a while."""
        self.flags.never_healthy = True
        self.answer(500, {"error": {"message": "the engine is dead"}})
        time.sleep(1)
        os._exit(1)

    def answer(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    flags = Handler.flags = read_flags()
    print("stub: loading", flags.model, flush=True)
    if flags.die_at_start:
        sys.exit(f"stub: no such quantization; my key is {os.environ['VLLM_API_KEY']}")
    if flags.ignore_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    http = ThreadingHTTPServer((flags.host, flags.port), Handler)
    if not flags.ignore_sigterm:
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=http.shutdown).start())
    flags.pids.write_text(json.dumps({"server": os.getpid(), "worker": worker.pid}))
    http.serve_forever()


if __name__ == "__main__":
    main()
