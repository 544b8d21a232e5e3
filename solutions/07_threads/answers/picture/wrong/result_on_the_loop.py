from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI

from workshop import thumbnail

app = FastAPI()
painters = ThreadPoolExecutor(max_workers=8)


@app.get("/pictures/{token}")
async def picture(token: str):
    future = painters.submit(thumbnail, token)
    number = future.result()
    return {"picture": token, "thumbnail": number}
