"""Canaille with a directory in its memory, in an environment of its own.

Reads commands as its admins type them, a JSON list a line; answers each with a JSON line: the exit
code, the output, and what canaille wrote to its log, as it does when SCIM fails. One more command,
`unlock user NAME`, is what its console can and its command line cannot do. With a port as argument
it serves its pages there, so that people can sign in.
"""

import json
import logging
import sys
import traceback
from threading import Thread

from canaille import create_app
from canaille.app import models
from canaille.backends import Backend
from canaille.commands import cli
from canaille.scim import casting
from canaille.scim import client as pushing
from werkzeug.serving import make_server

CONFIG = {
    "SECRET_KEY": "only for this run",
    "SERVER_NAME": "idp.example.com",
    "CANAILLE": {"DATABASE": "memory", "SMTP": None},
    # The addresses that it puts into what it sends are those of its own server.
    "CANAILLE_SCIM": {"ENABLE_CLIENT": True, "ENABLE_SERVER": True},
    # What is sent to needs no consent of each user.
    "CANAILLE_OIDC": {"TRUSTED_DOMAINS": ["127.0.0.1"]},
}


class Kept(logging.Handler):
    """Keeps messages for the answer."""

    def __init__(self):
        super().__init__()
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())

    def take(self):
        taken, self.messages = self.messages, []
        return taken


def main():
    # It takes the version of its own copy for the server's, and sends it as If-Match: no server
    # that has versions can accept that (RFC 7644 section 3.14).
    casting.make_etag = lambda _: None
    pushing.get_or_create_token = token_of_nobody
    server = None
    if len(sys.argv) > 1:
        # People sign in there as well.
        server = make_server("127.0.0.1", int(sys.argv[1]), None, threaded=True)
        CONFIG["SERVER_NAME"] = f"127.0.0.1:{sys.argv[1]}"
        CONFIG["PREFERRED_URL_SCHEME"] = "http"
    app = create_app(config=CONFIG)
    if server:
        server.app = app
        Thread(target=server.serve_forever, daemon=True).start()
    kept = Kept()
    app.logger.addHandler(kept)
    runner = app.test_cli_runner()
    for line in sys.stdin:
        arguments = json.loads(line)
        kept.take()
        if arguments[:2] == ["unlock", "user"]:
            with app.app_context(), Backend.instance.session():
                unlock(arguments[2])
            answer = {"code": 0, "output": ""}
        else:
            done = runner.invoke(cli, arguments)
            answer = {"code": done.exit_code, "output": done.output}
            if done.exception and not isinstance(done.exception, SystemExit):
                # What flask says of the end of a command hides why it ended.
                answer["output"] += "".join(traceback.format_exception(done.exception))
        print(json.dumps({**answer, "log": kept.take()}), flush=True)


def token_of_nobody(client):
    """The token that it pushes with. Its store in memory does not look for nobody, and finds those
    of people who signed in as well.
    """
    tokens = Backend.instance.query(models.Token, client=client)
    return next(token for token in tokens if token.subject is None)


def unlock(name):
    user = Backend.instance.get(models.User, name)
    user.lock_date = None
    Backend.instance.save(user)


if __name__ == "__main__":
    main()
