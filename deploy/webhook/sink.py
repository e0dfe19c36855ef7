"""Prints whatever is posted to it, and answers 200: something for notifications to go to while one tries things out."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# No notification is longer; what claims to be is not read.
MAX_BYTES = 1024 * 1024


class Sink(BaseHTTPRequestHandler):
    timeout = 10

    def do_POST(self):
        length = int(self.headers.get("content-length") or 0)
        if not 0 <= length <= MAX_BYTES:
            self.send_error(413)
            return
        body = self.rfile.read(length)
        try:
            shown = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
        except ValueError:
            shown = body.decode(errors="replace")
        print(f"{self.command} {self.path}\n{shown}", flush=True)
        self.answer()

    do_PUT = do_POST

    def do_GET(self):
        self.answer()

    def answer(self):
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("0.0.0.0", 8080), Sink).serve_forever()
