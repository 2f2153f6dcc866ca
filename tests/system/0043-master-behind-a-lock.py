#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A master behind TLS, HTTP basic, and the login of a DC/OS service account:
let in with the right secret, told why with a wrong one, tokens renewed."""
import base64
import json
import http.server
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from front import Devcluster, Front, self_signed
from suite import FOLDER, Suite, check, done, wait_for

SPEC = "examples/data-store/svc.yml"
PRINCIPAL = "data-store-principal"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Login(http.server.BaseHTTPRequestHandler):
    """The login endpoint: checks the signature, gives tokens that end soon."""
    public = os.path.join(FOLDER, "account.pub")
    tokens, faults = [], []
    life = 4

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        head, claims, signature = body["token"].split(".")
        said = json.loads(unb64(claims))
        with open(os.path.join(FOLDER, "sig"), "wb") as f:
            f.write(unb64(signature))
        good = subprocess.run(
            ["openssl", "dgst", "-sha256", "-verify", self.public,
             "-signature", f.name], input=f"{head}.{claims}".encode(),
            capture_output=True).returncode == 0
        if not good or body["uid"] != "svc" or said["uid"] != "svc" or \
                json.loads(unb64(head))["alg"] != "RS256" or \
                not time.time() < said["exp"] < time.time() + 3600:
            self.faults.append(body)
            self.send_error(401)
            return
        end = json.dumps({"exp": int(time.time()) + self.life, "n": len(self.tokens)})
        self.tokens.append(f"x.{b64(end.encode())}.y")
        out = json.dumps({"token": self.tokens[-1]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(out)))
        self.end_headers()
        self.wfile.write(out)

    def log_message(self, *_):
        pass


def log_of(s):
    return "".join(text for _, text in s.logs("offer-broker"))


def basic(secret):
    want = "Basic " + base64.b64encode(
        f"{PRINCIPAL}:{secret}".encode()).decode()
    return lambda value: value == want


suite = Suite()
pem, cert = self_signed()
secret = os.path.join(FOLDER, "secret")
with open(secret, "w") as f:
    f.write("hush~?>\n")
key = os.path.join(FOLDER, "account.key")
subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True,
               capture_output=True)
subprocess.run(["openssl", "rsa", "-in", key, "-pubout", "-out", Login.public],
               check=True, capture_output=True)

with Devcluster(suite.ports) as d, suite as s:
    # TLS and HTTP basic together.
    with Front(d.port, tls=pem, wanted=basic("hush~?>")) as front:
        url = f"https://127.0.0.1:{front.port}"
        p = s.reeve("up", "--detach", "--run-dir", s.run_dir, "--port", "0",
                    "--master", url, SPEC, ok_codes=None)
        check("an unknown certificate is refused before anything starts",
              p.returncode == 1 and "certificate" in p.stderr, p)
        s.env.update(REEVE_CA_FILE=cert, REEVE_PRINCIPAL_SECRET_FILE=secret)
        s.up(SPEC, "--master", url)
        check("with --ca-file and the secret it runs", len(s.tasks()) == 5)
        with open(f"/proc/{s.pid('offer-broker')}/cmdline") as f:
            line = f.read()
        check("no secret is on a command line or in a log",
              "hush" not in line and
              not any("hush" in text for _, text in s.logs()))
        ids, framework = s.task_ids(), s.get("/v1/state/frameworkId")
        s.down()
        s.env.pop("REEVE_CA_FILE")
        s.env["REEVE_INSECURE"] = "true"
        with open(secret, "w") as f:
            f.write("wrong")
        s.up(SPEC, "--master", url, wait=False)
        wait_for("it says 401", lambda: "answered 401" in log_of(s))
        check("a wrong secret is told", front.refused > 0)
        s.down()
    # A service account; its tokens are good until the front forgets them.
    login = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Login)
    threading.Thread(target=login.serve_forever, daemon=True).start()
    good = set()
    with Front(d.port, wanted=lambda v: v[:6] == "token=" and
               v[6:] in Login.tokens[-2:]) as front:
        for name in ("REEVE_INSECURE", "REEVE_PRINCIPAL_SECRET_FILE"):
            s.env.pop(name)
        with open(key) as f:
            s.env["DCOS_SERVICE_ACCOUNT_CREDENTIAL"] = json.dumps(
                {"scheme": "RS256", "uid": "svc", "private_key": f.read(),
                 "login_endpoint":
                 f"http://127.0.0.1:{login.server_address[1]}/login"})
        s.up(SPEC, "--master", f"http://127.0.0.1:{front.port}")
        check("a service account logs in and the service runs",
              len(s.tasks()) == 5 and not Login.faults, Login.faults)
        check("it is the same framework with its tasks",
              s.get("/v1/state/frameworkId") == framework)
        wait_for("renewed before the end", lambda: len(Login.tokens) >= 3)
        check("renewal does not break the stream",
              log_of(s).rsplit("event=started", 1)[1]
              .count("event=subscribed ") == 1)
        # A token that lasts: from here on only a refusal renews it.
        Login.life = 3600
        n = len(Login.tokens)
        wait_for("a token for an hour", lambda: len(Login.tokens) > n)
        n = len(Login.tokens)
        Login.tokens += ["forgotten", "forgotten too"]
        before, seen = s.task_ids(), front.refused
        s.post("/v1/pod/data-0/restart")
        wait_for("data-0 again", lambda: s.task_ids()["data-0"] !=
                 before["data-0"] and
                 s.tasks()["data-0"]["status"] == "RUNNING")
        check("a refused token is renewed at once", front.refused > seen and
              len(Login.tokens) > n + 2, (front.refused, seen, Login.tokens))
        check("no level=bad line", not s.bad_lines(), s.bad_lines())
        check("the key is in no log",
              not any("PRIVATE KEY" in text for _, text in s.logs()))
        s.down()
    login.shutdown()
done()
