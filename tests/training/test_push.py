"""`distill export --push`: what the Hub is sent, over HTTP; private unless told otherwise, the token in one header."""

import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from distill.assets import PACKAGE
from tests.conftest import command, quiet_environment
from tests.test_cli import error_of
from tests.training.fake_hub import FakeHub, fake_hub

TOKEN = "hf_thisMustStayInOneHeader"
COMMIT = "/api/models/me/small/commit/main"


@pytest.fixture
def hub() -> Generator[FakeHub]:
    with fake_hub() as running:
        yield running


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with a student, as far as export looks."""
    folder = tmp_path / "runs/small"
    shutil.copytree(PACKAGE / "models/tiny-base", folder / "student")
    (folder / "student/README.md").write_text("---\nlibrary_name: transformers\n---\n# small\n")
    (folder / "train.jsonl").touch()
    return folder


def export(tmp_path: Path, hub: FakeHub, *options: str, token: str | None = TOKEN) -> subprocess.CompletedProcess[str]:
    environment = {
        **quiet_environment(), "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "0", "NO_PROXY": "127.0.0.1",
    }  # fmt: skip
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_DEBUG"):
        environment.pop(name, None)
    if token:
        environment["HF_TOKEN"] = token
    done = subprocess.run(
        command("export", "small", "--push", "me/small", *options),
        capture_output=True, text=True, cwd=tmp_path, env=environment,
    )  # fmt: skip
    assert TOKEN not in done.stdout + done.stderr
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes(), path
    return done


def test_the_folder_is_uploaded_to_a_private_repository(tmp_path: Path, run: Path, hub: FakeHub):
    done = export(tmp_path, hub)
    assert done.returncode == 0, done.stderr
    assert "uploaded to me/small" in done.stderr
    (created,) = hub.to("/api/repos/create")
    assert created.json["visibility"] == "private"
    assert (created.json["organization"], created.json["name"]) == ("me", "small")
    sent = hub.committed()
    assert sent == {path.name: path.read_bytes() for path in (run / "export").iterdir()}
    assert {"README.md", "model.safetensors", "chat_template.jinja"} <= sent.keys()


def test_public_is_said_in_full(tmp_path: Path, run: Path, hub: FakeHub):
    assert export(tmp_path, hub, "--public").returncode == 0
    assert hub.to("/api/repos/create")[0].json["visibility"] == "public"


def test_the_token_goes_into_one_header_to_the_hub_alone(tmp_path: Path, run: Path, hub: FakeHub):
    export(tmp_path, hub)
    for asked in hub.asked:
        told = [value for name, value in asked.headers.items() if name.lower() == "authorization"]
        others = [value for name, value in asked.headers.items() if name.lower() != "authorization"]
        assert TOKEN not in asked.path + str(others)
        assert TOKEN.encode() not in asked.body
        if asked.path.startswith(("/api/repos/", "/api/models/", "/me/small")):
            assert told == [f"Bearer {TOKEN}"], asked.path
    # The address of the storage is signed; the storage itself is another's machine.
    assert hub.to("/storage/")
    assert not any(name.lower() == "authorization" for asked in hub.to("/storage/") for name in asked.headers)


@pytest.mark.parametrize(
    ("start", "status"), [("/api/repos/create", 401), ("/api/repos/create", 500), (COMMIT, 403), (COMMIT, 500)]
)
def test_a_refusal_is_one_paragraph_that_says_what_to_do(
    tmp_path: Path, run: Path, hub: FakeHub, start: str, status: int
):
    hub.failures[start] = status
    message = error_of(export(tmp_path, hub))
    assert str(status) in message
    assert "the Hub does not take" in message
    assert "hf auth login" in message
    assert "hf upload me/small runs/small/export" in message
    assert (run / "export/model.safetensors").exists()


def test_without_a_token_nobody_is_asked_for_one(tmp_path: Path, run: Path, hub: FakeHub):
    hub.failures["/api/repos/create"] = 401
    assert "hf auth login" in error_of(export(tmp_path, hub, token=None))
    assert not any("authorization" in map(str.lower, asked.headers) for asked in hub.asked)


def test_a_hub_that_is_not_there_is_an_error(tmp_path: Path, run: Path, hub: FakeHub):
    hub.server.server_close()
    assert "the Hub does not take" in error_of(export(tmp_path, hub))
