"""A shop in two services, observed by SkyWalking's Python agent, which its SW_AGENT_* variables configure.

The same program is both: with SHOP_STOCK it is the shop and asks that other service whether there is any left; without it is the
stock. Some requests are slow and some fail, so that there is something to see.
"""

import logging
import os
import random
import time

from skywalking import agent

agent.start()

import requests  # noqa: E402  the agent instruments what is imported after it has started
from flask import Flask, abort  # noqa: E402
from werkzeug.serving import make_server  # noqa: E402

app = Flask(__name__)
log = logging.getLogger("shop")
stock = os.environ.get("SHOP_STOCK")


@app.get("/health")
def health():
    return "well"


@app.get("/stock/<product>")
def left(product):
    time.sleep(random.expovariate(1 / 0.02))
    if random.random() < 0.02:
        log.error("cannot count %s", product)
        abort(500)
    return {"product": product, "left": random.randrange(10)}


@app.get("/buy/<product>")
def buy(product):
    answer = requests.get(f"{stock}/stock/{product}", timeout=10)
    if answer.status_code != 200:
        log.error("no answer about %s", product)
        abort(502)
    if answer.json()["left"] == 0:
        log.warning("%s is sold out", product)
        abort(409)
    return f"{product} is yours\n"


server = make_server("0.0.0.0", int(os.environ.get("PORT", "8000")), app, threaded=True)
print(f"listening on {server.server_port}", flush=True)
server.serve_forever()
