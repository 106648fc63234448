"""Where data is looked for, and downloads from a server of our own."""

import contextlib
import hashlib
import http.server
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from ibjax.datasets import download as module
from ibjax.datasets.download import (
    cache_directory,
    data_directories,
    download,
    find_file,
)

CONTENT = np.random.default_rng(0).bytes(200_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server:
    """What it was asked for, and how it behaves."""

    def __init__(self):
        self.content = CONTENT
        self.break_off_after = None
        self.status = 200
        self.length = True
        self.pause = 0.0
        self.num_requests = 0

    def answer(self, handler):
        self.num_requests += 1
        if self.status != 200:
            handler.send_error(self.status)
            return
        handler.send_response(200)
        if self.length:
            handler.send_header("Content-Length", str(len(self.content)))
        handler.end_headers()
        body = self.content[: self.break_off_after]
        with contextlib.suppress(ConnectionError):  # A reader may leave early.
            for start in range(0, len(body), 50_000):
                handler.wfile.write(body[start : start + 50_000])
                time.sleep(self.pause)


@pytest.fixture
def server():
    behaviour = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            behaviour.answer(self)

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        behaviour.url = f"http://127.0.0.1:{running.server_port}/file"
        yield behaviour
        running.shutdown()
        thread.join()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "file"


def get(server, path):
    return download(server.url, path, size=len(CONTENT), sha256=SHA256)


def only_the_file(path):
    return path.read_bytes() == CONTENT and list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("length", [True, False])
def test_whole_file(server, path, length):
    server.length = length
    assert get(server, path) == path and only_the_file(path)
    get(server, path)  # It is there: nobody is asked.
    assert server.num_requests == 1


def test_file_is_readable_by_others(server, path):
    assert get(server, path).stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("length", [True, False])
def test_interrupted_and_begun_anew(server, path, length):
    server.length, server.break_off_after = length, 70_000
    # Without a length a connection that broke off looks like the end of the file.
    with pytest.raises(OSError if length else ValueError, match="70000|hash") as error:
        get(server, path)
    assert "\n" not in str(error.value) and list(path.parent.iterdir()) == []
    server.break_off_after = None
    get(server, path)
    assert only_the_file(path) and server.num_requests == 2


def test_wrong_content(server, path):
    server.content = bytes(len(CONTENT))
    with pytest.raises(ValueError, match=f"hash .*file.* expected {SHA256} but got"):
        get(server, path)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("length", [True, False])
def test_content_without_end(server, path, length):
    server.content, server.length = CONTENT + bytes(3_000_000), length
    with pytest.raises(ValueError, match="/file has more than the 200000 bytes"):
        get(server, path)
    assert list(path.parent.iterdir()) == []


def test_content_that_does_not_come_in_time(server, path, monkeypatch):
    monkeypatch.setattr(module, "_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(module, "_LEAST_BYTES_PER_SECOND", 1e9)
    server.pause = 0.15  # Shorter than the timeout of a connection.
    with pytest.raises(OSError, match="only .* of 200000 bytes came in time"):
        get(server, path)
    assert list(path.parent.iterdir()) == []


def test_what_the_server_says_is_told(server, path):
    server.status = 404
    with pytest.raises(OSError, match="could not be downloaded: 404 .*Not Found"):
        get(server, path)
    assert not path.exists()


def test_no_server(path):
    # Nothing listens on port 9 of this machine; a port of our own might be reused.
    with pytest.raises(OSError, match="could not be downloaded") as error:
        download("http://127.0.0.1:9/file", path, size=1, sha256="")
    assert "\n" not in str(error.value)


def test_another_file_is_not_overwritten(server, path):
    path.parent.mkdir()
    path.write_bytes(b"mine")
    with pytest.raises(ValueError, match="is not the file at"):
        get(server, path)
    assert path.read_bytes() == b"mine" and server.num_requests == 0


def test_other_protocols_are_refused(path):
    with pytest.raises(ValueError, match="https:// or http://"):
        download("file:///etc/hostname", path, size=1, sha256="")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    return tmp_path


def test_order_of_directories(home, monkeypatch):
    cache = home / ".cache" / "ibjax"
    monkeypatch.setenv("IBJAX_DATA", "/data")
    assert data_directories() == [Path("/data"), cache]
    assert data_directories("here") == [Path("here"), Path("/data"), cache]


@pytest.mark.parametrize("value", [None, ""])
def test_variable_that_is_not_set(home, monkeypatch, value):
    monkeypatch.delenv("IBJAX_DATA", raising=False)
    if value is not None:
        monkeypatch.setenv("IBJAX_DATA", value)
    assert data_directories() == [cache_directory()]
    assert cache_directory() == home / ".cache" / "ibjax"


def test_first_directory_then_first_name(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for directory, name in ((first, "b"), (second, "a"), (second, "b")):
        directory.mkdir(exist_ok=True)
        (directory / name).touch()
    (first / "a").mkdir()  # A directory is no file.
    directories = [tmp_path / "nowhere", first, second]
    assert find_file(["a", "b"], directories) == first / "b"
    assert find_file(["a", "b"], [second]) == second / "a"
    assert find_file(["c"], directories) is None
