"""A Flask service with SkyWalking's Python agent, which its SW_AGENT_* variables configure.

GET /work writes a log line and answers; when APP_NEXT names the URL of another service, it is called first. APP_PORT is where it
listens; without one, anywhere.
"""

import logging
import os

from skywalking import agent

agent.start()

import requests  # noqa: E402  the agent instruments what is imported after it has started
from flask import Flask  # noqa: E402
from werkzeug.serving import make_server  # noqa: E402

app = Flask(__name__)
following = os.environ.get("APP_NEXT")
log = logging.getLogger("app")


@app.get("/work")
def work():
    log.warning("asked for work")
    if following:
        requests.get(following, timeout=30).raise_for_status()
    return "done"


server = make_server("127.0.0.1", int(os.environ.get("APP_PORT", "0")), app, threaded=True)
print(f"listening on {server.server_port}", flush=True)
server.serve_forever()
