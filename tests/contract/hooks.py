"""How schemathesis proves who it is: a session of its own for each request, so
that a request which ends sessions does not shut the next ones out."""

import json
import os
import urllib.error
import urllib.request

import schemathesis

LOGIN = json.dumps(
    {
        "userName": "contract",
        "password": os.environ["TILLGATE_PASSWORD"],
        "deviceName": "Contract",
    }
).encode()


@schemathesis.auth(refresh_interval=None)
class Token:
    def get(self, case, context):
        request = urllib.request.Request(
            os.environ["TILLGATE_ADDRESS"] + "/api/auth",
            data=LOGIN,
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)["tokenId"]
        except urllib.error.HTTPError:
            # Somebody has found this user among all and changed it: from here on
            # the requests are a stranger's.
            return "nobody"

    def set(self, case, data, context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {data}"
