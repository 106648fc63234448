"""Downloads from a server of our own: whole, in parts, interrupted, wrong."""

import hashlib
import http.server
import re
import threading

import numpy as np
import pytest

from ibjax.datasets.download import download

CONTENT = np.random.default_rng(0).bytes(200_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server:
    """What it is asked for, and how it behaves."""

    def __init__(self):
        self.content = CONTENT
        self.ranges = True
        self.break_off_after = None
        self.status = 200
        self.place = None
        self.requests = []

    def answer(self, handler):
        asked = handler.headers.get("Range")
        self.requests.append(asked)
        if self.status != 200:
            handler.send_error(self.status)
            return
        start = 0
        if asked and self.ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            if start >= len(self.content):
                handler.send_error(416)
                return
            handler.send_response(206)
            last = len(self.content) - 1
            place = self.place or f"bytes {start}-{last}/{len(self.content)}"
            handler.send_header("Content-Range", place)
        else:
            handler.send_response(200)
        body = self.content[start:]
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: self.break_off_after])


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


@pytest.fixture
def part(path):
    path.parent.mkdir()
    return path.with_name("file.part")


def get(server, path):
    return download(server.url, path, size=len(CONTENT), sha256=SHA256)


def only_the_file(path):
    return path.read_bytes() == CONTENT and list(path.parent.iterdir()) == [path]


def test_whole_file(server, path):
    assert get(server, path) == path and only_the_file(path)
    get(server, path)  # It is there: nobody is asked.
    assert server.requests == [None]


@pytest.mark.parametrize("ranges", [True, False])
def test_interrupted_and_resumed(server, path, ranges):
    server.ranges, server.break_off_after = ranges, 70_000
    with pytest.raises(OSError, match="70000 of 200000 bytes"):
        get(server, path)
    assert not path.exists()
    server.break_off_after = None
    get(server, path)
    assert only_the_file(path) and server.requests == [None, "bytes=70000-"]


def test_rest_is_really_taken_from_what_was_there(server, path, part):
    part.write_bytes(CONTENT[:150_000])
    server.content = bytes(150_000) + CONTENT[150_000:]
    get(server, path)
    assert only_the_file(path) and server.requests == ["bytes=150000-"]


@pytest.mark.parametrize("size", [1000, 200_000])
def test_starts_over_when_the_part_was_wrong(server, path, part, size):
    part.write_bytes(bytes(size))
    get(server, path)
    assert only_the_file(path) and server.requests[-1] is None


def test_starts_over_when_the_part_is_too_long(server, path, part):
    part.write_bytes(bytes(200_001))
    get(server, path)
    assert only_the_file(path) and server.requests == [None]


def test_complete_part_needs_no_server(server, path, part):
    part.write_bytes(CONTENT)
    get(server, path)
    assert only_the_file(path) and server.requests == []


def test_range_that_the_server_does_not_have(server, path, part):
    part.write_bytes(CONTENT[:150_000])
    server.content = CONTENT[:100_000]
    with pytest.raises(OSError, match="after 100000 of 200000"):
        get(server, path)
    assert server.requests == ["bytes=150000-", None] and not path.exists()


def test_range_that_was_not_asked_for(server, path, part):
    part.write_bytes(CONTENT[:150_000])
    server.place = "bytes 0-99/100"
    with pytest.raises(OSError, match="asked for bytes 150000-"):
        get(server, path)
    assert part.stat().st_size == 150_000 and not path.exists()


def test_wrong_content(server, path):
    server.content = bytes(len(CONTENT))
    with pytest.raises(ValueError, match="has sha256 .* expected " + SHA256):
        get(server, path)
    assert list(path.parent.iterdir()) == []


def test_content_without_end(server, path):
    server.content = CONTENT + bytes(3_000_000)
    with pytest.raises(ValueError, match="more than the 200000 bytes"):
        get(server, path)
    assert list(path.parent.iterdir()) == []


def test_what_the_server_says_is_told(server, path):
    server.status = 404
    with pytest.raises(OSError, match="404 Not Found.* 0 of 200000"):
        get(server, path)
    assert not path.exists()


def test_no_server(path):
    # Nothing listens on port 9 of this machine; a port of our own might be reused.
    with pytest.raises(OSError, match="could not be downloaded"):
        download("http://127.0.0.1:9/file", path, size=1, sha256="")


def test_another_file_is_not_overwritten(server, path):
    path.parent.mkdir()
    path.write_bytes(b"mine")
    with pytest.raises(ValueError, match="is not the file at"):
        get(server, path)
    assert path.read_bytes() == b"mine" and server.requests == []


def test_other_protocols_are_refused(path):
    with pytest.raises(ValueError, match="https:// or http://"):
        download("file:///etc/hostname", path, size=1, sha256="")
