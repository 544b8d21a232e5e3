"""An error reporter sends its report inside the logging call."""

import logging
import time

from fastapi import FastAPI

app = FastAPI()


class Reporter(logging.Handler):
    def emit(self, record):
        time.sleep(0.12)  # blocks


logger = logging.getLogger("shop")
logger.addHandler(Reporter())


@app.get("/work")
async def work():
    logger.error("the payment failed")  # blocks
