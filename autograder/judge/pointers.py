"""Which lesson shows what a diagnosis speaks of, where the call can be recognised by its words."""

import re

# the first that fits; the code of the line, then the name of the function that it has called
SHOWN = [
    (1, r"\btime\.sleep\b|\bsleep\("),
    (4, r"\bredis\b|\bRedis\.|\bb[lr]pop\b|\brpush\b"),
    (3, r"psycopg|pymysql|sqlite3|\bcursor\b|\.execute\(|\.fetch(one|all|many)\("),
    (6, r"\bsubprocess\b|\bos\.(system|popen)\b|\bPopen\b|\bcheck_output\b|\bcommunicate\b|\bprocess\.|\bpipe\."),
    (2, r"\brequests\b|\burllib\b|\burlopen\b|\bhttpx\b|\bsocket\b|\bClient\.|\bSession\.(get|post|request)\b"),
    (5, r"(?<!\.)\bopen\(|\bread_(text|bytes)\b|\bPath\(|\bfile\.read|\breadlines\("),
    (8, r"\bsorted\(|\bjson\.(dumps|loads)\b|\bre\.\w+\(|\b(ranking|route)\b"),
    (7, r"\bhashlib\b|\bbcrypt\b|\bpbkdf2|\bscrypt\b|\bImage\b|\bresize\(|\b(thumbnail|stamp)\b"),
]


def pointer(lesson):
    """The sentence that sends a learner to a lesson."""
    return f" Lesson {lesson:02} shows this."


def recognised(code, callee=""):
    """The sentence for a blocking call, or nothing where it is not one of those that the lessons show."""
    text = f"{code} {callee}"
    return next((pointer(lesson) for lesson, words in SHOWN if re.search(words, text)), "")
