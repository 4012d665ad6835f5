"""Measure the pages of the built site in a headless browser that can reach this process alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import TypedDict

HERE = Path(__file__).parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
#: Widths of a window in pixels: a laptop's and a telephone's.
WIDTHS = (1280, 500)
#: Size in pixels below which letters of tables, formulas and code are hard to read.
LEAST_LETTERS = 9


class Measured(TypedDict):
    """The measurements of one page at one width.

    ``cut`` are blocks wider than their place, ``raw`` texts with TeX, ``images`` pictures that did not load,
    ``small`` blocks with letters below :data:`LEAST_LETTERS`; ``formulas`` elements should be ``typeset`` at
    least as often.
    """

    page: str
    width: int
    formulas: int
    typeset: int
    cut: list[str]
    raw: list[str]
    images: list[str]
    small: list[str]


class _Handler(SimpleHTTPRequestHandler):
    """Serve the site, the measuring page and the list of pages; receive the measurements."""

    pages: list[str]
    results: Queue[list[Measured]]

    def log_message(self, *arguments: object) -> None:
        """Skip the line that each request would log."""

    def _answer(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        if self.path == "/measure.html":
            self._answer((HERE / "measure.html").read_bytes(), "text/html")
        elif self.path == "/pages.json":
            asked = {"pages": self.pages, "widths": WIDTHS, "least": LEAST_LETTERS}
            self._answer(json.dumps(asked).encode(), "application/json")
        else:
            super().do_GET()

    def do_POST(self) -> None:
        self.results.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self._answer(b"", "text/plain")


def browser() -> str | None:
    """Find a browser, or return None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def pages_of(site: Path) -> list[str]:
    """List the pages of a site by their paths; there is at least one."""
    pages = sorted(
        path.relative_to(site).as_posix() for path in site.rglob("*.html") if "_static" not in path.parts
    )
    assert pages, f"{site} has no page"
    return pages


def measure(program: str, site: Path, seconds: float = 240) -> list[Measured]:
    """Measure every page of a site at every width.

    Raises
    ------
    TimeoutError
        If the browser has not posted the measurements within the time.
    """
    results: Queue[list[Measured]] = Queue()
    handler = type(
        "Handler", (_Handler,), {"pages": ["/" + page for page in pages_of(site)], "results": results}
    )
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(site))) as server,
        tempfile.TemporaryDirectory() as profile,
    ):
        Thread(target=server.serve_forever, daemon=True).start()
        command = [
            program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", f"--user-data-dir={profile}",
            "--remote-debugging-port=0", "--window-size=1400,1000",
            f"http://127.0.0.1:{server.server_port}/measure.html",
        ]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                return results.get(timeout=seconds)
            except Empty:
                raise TimeoutError(f"{program} did not measure the site within {seconds:g} s") from None
            finally:
                process.terminate()
                process.wait(30)
                server.shutdown()
