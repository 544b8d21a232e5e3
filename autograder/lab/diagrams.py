"""Diagrams of the ideas behind the measurements: the event loop, the two thread pools, the GIL, processes.

Each function returns a `Diagram`, which a notebook shows as a picture with a text alternative. A diagram has a light
background, so it looks the same in JupyterLab's light and dark themes.
"""

import base64
import html
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from autograder.lab import live_plot

INK, SOFT, CARD = "#22272e", "#5d6673", "#fbfbf8"
BLUE, GREEN, RED, AMBER = "#4c78a8", "#3d8b3d", "#c8452d", "#b3730f"
FONT = "system-ui, 'Segoe UI', Helvetica, Arial, sans-serif"
CODE = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
WIDTH = 760  # pixels
MAX_ROWS = 5  # entries of a list that are drawn; the others are only counted


@dataclass(frozen=True)
class Diagram:
    """An SVG picture and its text alternative."""

    svg: str
    text: str

    def show(self) -> None:
        """Display the picture in the notebook. Outside a notebook, do nothing."""
        live_plot.show(self._repr_mimebundle_())

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        data = base64.b64encode(self.svg.encode()).decode()
        said = html.escape(self.text)
        picture = f'<img alt="{said}" style="display:block;width:100%;max-width:{WIDTH}px" src="data:image/svg+xml;base64,{data}">'
        return {"text/html": f'<figure style="margin:0">{picture}</figure>', "text/plain": self.text}


def loop(
    running: str = "",
    ready: Sequence[str] = (),
    waiting: Sequence[str] = (),
    blocked: bool = False,
    note: str = "",
) -> Diagram:
    """Draw the event loop at one moment: its ready queue, the callback that is running, and what waits for I/O.

    Args:
        running: The code that is running, or "" if the loop is idle.
        ready: Callbacks that could run now, in order.
        waiting: What waits for a socket or a timer.
        blocked: Whether the running code blocks the thread although it only waits.
        note: One sentence below the picture.
    """
    color = RED if blocked else GREEN
    parts = [
        _box(20, 50, 200, 190, "Ready queue", BLUE, "runs when the thread is free"),
        *_rows(34, 106, ready, BLUE),
        _box(280, 50, 200, 190, "Running: one thread", color, "one callback at a time"),
        _box(540, 50, 200, 190, "Waiting (I/O, timers)", AMBER, "costs no thread"),
        *_rows(554, 106, waiting, AMBER),
        _arrow(222, 120, 278, 120, "next"),
        _arrow(482, 120, 538, 120, "await"),
        _path("M 640 242 C 640 300, 120 300, 120 244", "the reply arrived, or the time is up: ready again", 380, 302),
    ]
    if running:
        parts += [
            f'<rect x="294" y="106" width="172" height="46" rx="6" fill="{color}"/>',
            _text(380, 134, running, 13, "#ffffff", CODE, "middle", 164),
        ]
    state = "blocks: nothing else runs" if blocked else ("returns at its next await" if running else "idle")
    parts.append(_text(380, 182, state, 13, color, FONT, "middle", 0, bold=True))
    text = (
        f"The event loop has one thread. Running: {running or 'nothing'}{' (blocking)' if blocked else ''}. "
        f"Ready queue: {', '.join(ready) or 'empty'}. Waiting for I/O or a timer: {', '.join(waiting) or 'nothing'}."
    )
    return _card("The event loop", parts, 320, text, note)


def pools(
    in_tokens: int = 0, in_threads: int = 0, tokens: int = 40, threads: int | None = None, note: str = ""
) -> Diagram:
    """Draw the two thread pools of a FastAPI app and how full each is.

    Args:
        in_tokens: Tokens in use.
        in_threads: Threads in use; no more than there are.
        tokens: Size of AnyIO's thread limiter.
        threads: Largest number of threads of asyncio's default executor; None for this machine's and this Python's.
        note: One sentence below the picture.
    """
    if threads is None:
        threads = ThreadPoolExecutor()._max_workers  # it has no public name, and the default changed in 3.13
    in_threads = min(in_threads, threads)
    parts = [
        _box(20, 50, 350, 210, "AnyIO's thread limiter", BLUE, "def endpoints and dependencies,"),
        _text(36, 116, "run_in_threadpool, file responses, uploads", 12, SOFT),
        *_cells(36, 134, tokens, in_tokens, BLUE),
        _text(36, 246, f"{in_tokens} of {tokens} tokens in use", 13, INK, bold=True),
        _box(390, 50, 350, 210, "asyncio's default executor", AMBER, "asyncio.to_thread, run_in_executor(None, …),"),
        _text(406, 116, "aiofiles, getaddrinfo (DNS)", 12, SOFT),
        *_cells(406, 134, threads, in_threads, AMBER),
        _text(406, 246, f"{in_threads} of {threads} threads in use", 13, INK, bold=True),
    ]
    text = (
        f"Two separate thread pools. AnyIO's limiter has {tokens} tokens ({in_tokens} in use): def endpoints and "
        "dependencies, run_in_threadpool, file responses, uploads, sync streaming. asyncio's default executor has up to "
        f"{threads} threads ({in_threads} in use): asyncio.to_thread, aiofiles, DNS look-ups. A full pool makes the next call wait."
    )
    return _card("The two thread pools", parts, 280, text, note)


def gil(note: str = "") -> Diagram:
    """Draw how threads share the GIL: Python code takes turns, and a C call stops the others unless it releases the GIL."""
    rows = [
        (
            "Python code in a thread",
            [(0, 5, "loop"), (5, 10, "job"), (10, 15, "loop"), (15, 20, "job"), (20, 25, "loop")],
        ),
        ("one C call that keeps the GIL", [(0, 5, "loop"), (5, 25, "job")]),
        ("a C call that releases the GIL", [(0, 25, "loop")]),
    ]
    parts: list[str] = []
    for number, (title, slices) in enumerate(rows):
        y = 66 + number * 84
        parts.append(_text(20, y - 8, title, 13, INK, bold=True))
        for start, end, who in slices:
            x, width = 20 + start * 28.8, (end - start) * 28.8
            color = GREEN if who == "loop" else RED
            parts.append(f'<rect x="{x}" y="{y}" width="{width - 2}" height="26" rx="3" fill="{color}"/>')
            parts.append(
                _text(x + width / 2, y + 18, "loop" if who == "loop" else "thread", 12, "#ffffff", anchor="middle")
            )
        if number == 2:
            parts.append(
                f'<rect x="164" y="{y + 30}" width="574" height="16" rx="3" fill="none" stroke="{AMBER}" stroke-dasharray="4 3"/>'
            )
            parts.append(
                _text(451, y + 42, "the thread computes at the same time, without the GIL", 11, AMBER, anchor="middle")
            )
    parts.append(
        _text(
            20,
            300,
            "time: each slot is 5 ms, the interval after which Python code is asked to hand on the GIL",
            12,
            SOFT,
        )
    )
    text = (
        "Who holds the GIL over 25 ms. With Python code in a thread, the loop and the thread take turns of 5 ms. With one C "
        "call that keeps the GIL, the loop waits until the call ends. With a C call that releases the GIL, the loop runs all "
        "the time while the thread computes next to it."
    )
    return _card("The GIL: one thread runs Python at a time", parts, 316, text, note)


def processes(workers: int = 2, note: str = "") -> Diagram:
    """Draw a process pool: the app's process with its loop and GIL, and ``workers`` processes with a GIL each."""
    parts = [
        _box(20, 60, 260, 150, "The app's process", GREEN, "event loop, its own GIL"),
        _text(150, 150, "stays free", 13, GREEN, anchor="middle", bold=True),
    ]
    height = max(64 * workers + 50, 230)
    for number in range(workers):
        y = 60 + number * 64
        parts.append(_box(500, y, 240, 54, f"Worker process {number + 1}", BLUE, "its own GIL"))
        parts.append(_arrow(282, 120, 496, y + 22, ""))
        parts.append(_arrow(496, y + 36, 282, 142, ""))
    parts.append(_text(390, 78, "arguments, pickled", 12, SOFT, anchor="middle"))
    parts.append(_text(390, 200, "result, pickled", 12, SOFT, anchor="middle"))
    text = (
        f"The app's process has the event loop and its own GIL. {workers} worker processes have a GIL each, so their work "
        "never stops the loop. Arguments and results are pickled and copied between the processes."
    )
    return _card("A process pool", parts, height, text, note)


def _card(title: str, parts: Sequence[str], height: int, text: str, note: str) -> Diagram:
    full = height + (26 if note else 0)
    body = [
        f'<rect width="{WIDTH}" height="{full}" rx="8" fill="{CARD}" stroke="#d8d8d2"/>',
        _text(20, 30, title, 16, INK, bold=True),
        *parts,
    ]
    if note:
        body.append(_text(20, height + 10, note, 13, INK))
    marker = (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0 L8 4 L0 8 z" fill="{SOFT}"/></marker></defs>'
    )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {full}" width="{WIDTH}" height="{full}" role="img">'
        f"<title>{html.escape(title)}</title>{marker}{''.join(body)}</svg>"
    )
    return Diagram(svg, f"{text} {note}".strip())


def _text(
    x: float, y: float, words: str, size: int, color: str, font: str = FONT, anchor: str = "start",
    room: float = 0.0, bold: bool = False,
) -> str:  # fmt: skip
    """Return a line of text, cut if it would be wider than ``room`` pixels."""
    if room and len(words) > (most := int(room / (size * 0.6))):
        words = words[: most - 1] + "…"
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x}" y="{y}" font-family="{html.escape(font)}" font-size="{size}" fill="{color}" text-anchor="{anchor}"{weight}>'
        f"{html.escape(words)}</text>"
    )


def _box(x: float, y: float, width: float, height: float, title: str, color: str, line: str) -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="#ffffff" stroke="{color}" stroke-width="2"/>'
        + _text(x + 16, y + 24, title, 13, color, bold=True)
        + _text(x + 16, y + 42, line, 11 if width < 300 else 12, SOFT)
    )


def _rows(x: float, y: float, names: Sequence[str], color: str) -> list[str]:
    shown = list(names[:MAX_ROWS])
    parts = []
    step = 22
    for number, name in enumerate(shown):
        parts.append(
            f'<rect x="{x}" y="{y + number * step}" width="172" height="18" rx="4" fill="{color}" fill-opacity="0.14"/>'
        )
        parts.append(_text(x + 8, y + number * step + 13, name, 11, INK, CODE, room=160))
    if len(names) > MAX_ROWS:
        parts.append(_text(x + 8, y + MAX_ROWS * step + 10, f"and {len(names) - MAX_ROWS} more", 11, SOFT))
    return parts


def _cells(x: float, y: float, count: int, used: int, color: str) -> list[str]:
    columns, size = 20, 15
    return [
        f'<rect x="{x + (number % columns) * (size + 1)}" y="{y + number // columns * (size + 5)}" width="{size - 2}" height="{size}" rx="2" '
        f'fill="{color if number < used else "#ffffff"}" stroke="{color}"/>'
        for number in range(count)
    ]


def _arrow(x1: float, y1: float, x2: float, y2: float, label: str) -> str:
    line = f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{SOFT}" stroke-width="2" marker-end="url(#tip)"/>'
    return line + (_text((x1 + x2) / 2, y1 - 8, label, 12, SOFT, anchor="middle") if label else "")


def _path(path: str, label: str, x: float, y: float) -> str:
    return f'<path d="{path}" fill="none" stroke="{SOFT}" stroke-width="2" marker-end="url(#tip)"/>' + _text(
        x, y, label, 12, SOFT, anchor="middle"
    )
