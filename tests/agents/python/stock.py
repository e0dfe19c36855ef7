"""A shop's stock: takes orders from RabbitMQ, with SkyWalking's Python agent, which its SW_AGENT_* variables configure.

For each order it asks PostgreSQL and reads from Redis. The agent does not tell how long a message was under way; the service
does, as the agent's interface allows.
"""

import os
import time

from skywalking import agent

agent.start()

import pika  # noqa: E402  the agent instruments what is imported after it has started
import psycopg  # noqa: E402
import redis  # noqa: E402
from skywalking.trace.context import get_context  # noqa: E402
from skywalking.trace.tags import Tag  # noqa: E402


class TransmissionLatency(Tag):
    key = "transmission.latency"


def address(variable):
    host, port = os.environ[variable].split(":")
    return host, int(port)


host, port = address("APP_POSTGRESQL")
database = psycopg.connect(host=host, port=port, user="skylark", dbname="postgres", autocommit=True)
host, port = address("APP_REDIS")
cache = redis.Redis(host=host, port=port)
channel = pika.BlockingConnection(pika.ConnectionParameters(*address("APP_RABBITMQ"))).channel()
queue = channel.queue_declare("", exclusive=True).method.queue
channel.queue_bind(queue, os.environ["APP_EXCHANGE"])


def take(_channel, _method, properties, _body):
    latency = time.time_ns() // 1_000_000 - properties.headers["sent-ms"]
    get_context().active_span.tag(TransmissionLatency(str(latency)))
    database.cursor().execute("SELECT 1")
    cache.get("stock")


channel.basic_consume(queue, take, auto_ack=True)
print("taking orders", flush=True)
channel.start_consuming()
