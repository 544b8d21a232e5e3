# ruff: noqa: F821 (sections that take the place of those in reference.py)


# --- search: what people search for is logged, and each log line is sent to the supplier


class ToTheSupplier(logging.Handler):
    def emit(self, record):
        requests.get(f"{SUPPLIER}/items/{record.getMessage()}")


log = logging.getLogger("shop.search")
log.setLevel(logging.INFO)
log.addHandler(ToTheSupplier())


@app.get("/search")
def search(words: str):
    log.info(words)
    return {"words": words, "found": []}
