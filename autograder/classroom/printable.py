"""Texts from submissions, made fit for a terminal, a log or a table. Names of files, and what an app answers, come from the
learner: a control character could move the cursor, and a line break could forge a line of ours."""

LINE_MAX = 600  # characters of a sentence that is shown as one line


def printable(text: str, kept: str = "") -> str:
    """Return ``text`` without control characters, except those in ``kept``."""
    return "".join(c if c.isprintable() or c in kept else "\ufffd" for c in text)


def one_line(text: str) -> str:
    """Return ``text`` as one printable line of at most about `LINE_MAX` characters; its ends are kept."""
    if len(text) > LINE_MAX:
        half = LINE_MAX // 2
        text = f"{text[:half]} ... {text[-half:]}"
    return printable(" ".join(line.strip() for line in text.splitlines()))
