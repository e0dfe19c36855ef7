"""A shop's orders: a Flask service with SkyWalking's Python agent, which its SW_AGENT_* variables configure.

GET /order asks PostgreSQL twice, once for something slow, writes to Redis and reads from it, and tells RabbitMQ of the order:
its exchange APP_EXCHANGE, which is made here, hands it to every queue.
"""

import os
import time

from skywalking import agent

agent.start()

import pika  # noqa: E402  the agent instruments what is imported after it has started
import psycopg  # noqa: E402
import redis  # noqa: E402
from flask import Flask  # noqa: E402
from werkzeug.serving import make_server  # noqa: E402


def address(variable):
    host, port = os.environ[variable].split(":")
    return host, int(port)


app = Flask(__name__)
exchange = os.environ["APP_EXCHANGE"]
host, port = address("APP_POSTGRESQL")
database = psycopg.connect(host=host, port=port, user="skylark", dbname="postgres", autocommit=True)
host, port = address("APP_REDIS")
cache = redis.Redis(host=host, port=port)
broker = pika.ConnectionParameters(*address("APP_RABBITMQ"))
with pika.BlockingConnection(broker) as made:
    made.channel().exchange_declare(exchange, exchange_type="fanout")


@app.get("/order")
def order():
    cursor = database.cursor()
    cursor.execute("SELECT count(*) FROM pg_class WHERE relname <> %s", ["orders"])
    cursor.execute("SELECT pg_sleep(0.15)")
    cache.set("order", "placed")
    cache.get("order")
    # Such a connection is for one thread, and each request has its own.
    with pika.BlockingConnection(broker) as connection:
        sent = pika.BasicProperties(headers={"sent-ms": time.time_ns() // 1_000_000})
        connection.channel().basic_publish(exchange, "placed", b"one order", sent)
    return "ordered"


server = make_server("127.0.0.1", 0, app, threaded=True)
print(f"listening on {server.server_port}", flush=True)
server.serve_forever()
