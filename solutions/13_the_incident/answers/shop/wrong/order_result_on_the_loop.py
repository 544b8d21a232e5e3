# ruff: noqa: F821 (sections that take the place of those in reference.py)
from concurrent.futures import ThreadPoolExecutor


# --- order: accepted at once; the supplier is informed after the response


supplier = ThreadPoolExecutor(max_workers=10)


async def tell_the_supplier(token):
    told = supplier.submit(requests.get, f"{SUPPLIER}/items/{token}")
    told.result()


@app.post("/orders/{token}")
async def order(token: str, background: BackgroundTasks):
    background.add_task(tell_the_supplier, token)
    return {"order": token, "accepted": True}
