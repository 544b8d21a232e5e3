# ruff: noqa: F821 (sections that take the place of those in reference.py)
import threading


# --- search: what people search for is logged, and each log line is sent to the supplier


class ToTheSupplier(logging.Handler):
    def emit(self, record):
        sending = threading.Thread(target=requests.get, args=[f"{SUPPLIER}/items/{record.getMessage()}"])
        sending.start()
        sending.join()


log = logging.getLogger("shop.search")
log.setLevel(logging.INFO)
log.addHandler(ToTheSupplier())


@app.get("/search")
async def search(words: str):
    log.info(words)
    return {"words": words, "found": []}
