"""Visits the shop at SHOP, VISITS times a second on average, for ever. Says once a minute how it went."""

import collections
import os
import random
import threading
import time
import urllib.error
import urllib.request

shop = os.environ["SHOP"]
mean = 1 / float(os.environ.get("VISITS", "5"))
seen = collections.Counter()


def visit():
    product = random.choice(["apple", "pear", "plum", "cherry"])
    try:
        with urllib.request.urlopen(f"{shop}/buy/{product}", timeout=10) as answer:
            seen[answer.status] += 1
    except urllib.error.HTTPError as error:
        seen[error.code] += 1
    except OSError as error:
        seen[str(error)] += 1


told = time.monotonic()
while True:
    time.sleep(random.expovariate(1 / mean))
    # No more at once than a shop has room for: a slow one is visited less.
    if threading.active_count() <= 20:
        threading.Thread(target=visit, daemon=True).start()
    if time.monotonic() - told >= 60:
        told = time.monotonic()
        print(dict(seen), flush=True)
        seen.clear()
