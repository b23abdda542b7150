"""A small HTTP service that answers images, or fails as it is told."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

HANG, DROP = "hang", "drop"


class Service:
    """Answers by the script, then with [1 - p, p], p the brightness.

    Attributes:
      script: what to do next: `HANG`, `DROP` (the connection) or a tuple
        (status, headers, body).
      seen: the headers and images of each request.
      url: where it listens.
    """

    def __init__(self):
        self.script, self.seen = [], []
        self._ended = threading.Event()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                service.answer(self)

            def do_GET(self):
                service.seen.append((dict(self.headers), None))
                self.send_error(405)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/predict"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self._thread.start()

    def close(self):
        self._ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, handler):
        size = int(handler.headers["Content-Length"])
        images = decoded(json.loads(handler.rfile.read(size)))
        self.seen.append((dict(handler.headers), images))
        step = self.script.pop(0) if self.script else good(images)
        if step == HANG:
            self._ended.wait(10)
        if step in (HANG, DROP):
            return
        status, headers, body = step
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


def decoded(request):
    """The images of a request, as docs/predictors.md says."""
    assert sorted(request) == ["dtype", "images", "shape"]
    assert request["dtype"] == "float32"
    raw = base64.b64decode(request["images"])
    return np.frombuffer(raw, "<f4").reshape(request["shape"])


def good(images):
    """The right reply."""
    p = brightness(images)
    rows = np.stack([1 - p, p], axis=1).tolist()
    return 200, {}, json.dumps({"probabilities": rows}).encode()


def brightness(images):
    return images.mean(axis=(1, 2, 3), dtype=np.float64)
