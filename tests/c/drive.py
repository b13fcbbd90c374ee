"""Runs a C test program, and plays the service's side for it: starts the emulator, signs in, changes how the service behaves.

The program asks on standard output with lines that begin with `?`, and reads one line of answer for each. Every other line is a result,
`ok NAME` or `not ok NAME`. Each becomes a line `ok VARIANT: NAME` or `FAIL VARIANT: NAME` here, for run.sh to count.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlencode

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import canary
from harness.emulator import Emulator
from harness.places import ROOT, logs

# What every language must say of every code.
EXPLAINED = json.loads((ROOT / "tests/scenarios/explain.golden.json").read_text(encoding="utf-8"))["cases"]


def answer(emulator: Emulator, question: str) -> str:
    verb, _, rest = question.partition(" ")
    if verb == "reset":
        post(emulator, "/reset")
    elif verb == "scenario":
        emulator.control(**json.loads(rest))
    elif verb == "forget-requests":
        post(emulator, "/requests/reset")
    elif verb == "requests":
        return str(len(emulator.requests()))
    elif verb == "sign-in":
        upn, url = rest.split(" ")
        return urlencode(emulator.sign_in(url, upn).fields)
    elif verb == "paste":
        upn, url = rest.split(" ")
        return emulator.sign_in(url, upn).pasted
    elif verb == "seed":
        token = emulator.seed_grants(rest)[0]["refresh_token"]
        canary.know("the C program", token)
        return token
    elif verb == "client-id":
        return str(emulator.app()["client_id"])
    elif verb == "certificate":
        return str(certificate_alone(emulator))
    elif verb == "sign":
        algorithm, message = rest.split(" ")
        return sign(emulator, algorithm, bytes.fromhex(message)).hex()
    elif verb == "federated":
        return emulator.federated_token()
    elif verb == "credentials":
        return " ".join(sorted({each["credential"] for each in emulator.requests()}))
    elif verb == "explain-count":
        return str(len(EXPLAINED))
    elif verb == "explain-text":
        return str(EXPLAINED[int(rest)]["text"]).encode().hex()
    elif verb == "explain-document":
        return json.dumps(EXPLAINED[int(rest)]["document"], ensure_ascii=False, separators=(",", ":"))
    else:
        raise AssertionError(f"the program asks for something unknown: {question}")
    return "ok"


def certificate_alone(emulator: Emulator) -> Path:
    """The sample app's certificate in a file of its own, without the key."""
    pem = Path(emulator.app()["certificates"][0]["pem_file"])
    file = pem.with_suffix(".certificate")
    certificate = x509.load_pem_x509_certificate(pem.read_bytes())
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return file


def sign(emulator: Emulator, algorithm: str, message: bytes) -> bytes:
    """What an HSM would: the key of that certificate."""
    key = serialization.load_pem_private_key(Path(emulator.app()["certificates"][0]["pem_file"]).read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    kind = padding.PSS(padding.MGF1(hashes.SHA256()), 32) if algorithm == "PS256" else padding.PKCS1v15()
    return key.sign(message, kind, hashes.SHA256())


def post(emulator: Emulator, path: str) -> None:
    """Without a body: a server that does not read one may close the connection after it, under the next request."""
    httpx.post(emulator.ready["control"] + path, verify=emulator.tls(), trust_env=False).raise_for_status()


def run(command: list[str], variant: str, emulator: Emulator, env: dict[str, str]) -> int:
    """Exit code of the program; its results are printed, its output is kept for the search for secrets."""
    folder = logs() / "outputs"
    folder.mkdir(exist_ok=True)
    stem = folder / f"c-{variant}-{os.getpid()}"
    with stem.with_suffix(".out").open("a") as out, stem.with_suffix(".err").open("a+") as err:
        said_before = err.tell()
        program = subprocess.Popen(
            ["/usr/bin/setpriv", "--pdeathsig", "KILL", "--", *command],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=err,
            text=True,
            start_new_session=True,
        )
        assert program.stdin is not None
        assert program.stdout is not None
        passed = 0
        for line in program.stdout:
            out.write(line)
            if line.startswith("?"):
                program.stdin.write(answer(emulator, line[1:].rstrip("\n")) + "\n")
                program.stdin.flush()
            elif line.startswith("ok "):
                passed += 1
                print(f"ok {variant}: {line[3:].rstrip()}", flush=True)
            elif line.startswith("not ok "):
                print(f"FAIL {variant}: {line[7:].rstrip()}", flush=True)
            else:
                print(line, end="", flush=True)
        code = program.wait()
        err.seek(said_before)
        said = err.read()
        # What valgrind and the sanitizers say of a child process does not reach the exit code.
        if not code and re.search(r"^==\d+==", said, re.MULTILINE):
            code = 1
        if code:
            print(said[-8000:], flush=True)
            print(f"FAIL {variant}: the program ended with {code} after {passed} good cases", flush=True)
    return code


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variant", help="what the results are called")
    parser.add_argument("--example", help="a second program: bindings/c/examples/hello.c")
    parser.add_argument("--library-path")
    parser.add_argument("command", nargs="+", help="the test program, and what it runs under")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="psam-c-") as work, Emulator() as emulator:
        env = {
            name: value
            for name, value in os.environ.items()
            if name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")
        }
        env |= {"PATH": "/usr/bin:/bin", "HOME": work, "TMPDIR": work, "PARTNERSAM_EMULATOR": str(emulator.ready_file)}
        if arguments.library_path:
            env["LD_LIBRARY_PATH"] = arguments.library_path
        code = run(arguments.command, arguments.variant, emulator, env)
        if arguments.example:
            code |= example(arguments, emulator, env, Path(work))
    return 1 if code else 0


def example(arguments: argparse.Namespace, emulator: Emulator, env: dict[str, str], work: Path) -> int:
    """The example says what to do where there is no grant, and gets a token where there is one."""
    key = work / "example.key"
    key.write_text("partnersam-key-1:YS1rZXktb2YtYS10ZXN0LWFuZC1ub3QtYS1yZWFsLTE\n")
    key.chmod(0o600)
    env = env | {"PARTNERSAM_STORE": f"sqlite:{work}/example/grants.db", "PARTNERSAM_KEY_FILE": str(key)}
    canary.know("the example", key.read_text().strip().partition(":")[2])
    post(emulator, "/reset")
    before = subprocess.run(
        [arguments.example, "fabrikam.com"], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    code = run([*arguments.command, "--prepare"], arguments.variant, emulator, env)
    after = subprocess.run(
        [arguments.example, "fabrikam.com"], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    told = (
        before.returncode == 1
        and before.stdout == ""
        and "ConsentRequired" in before.stderr
        and "hint: " in before.stderr
    )
    got = after.returncode == 0 and after.stdout.startswith("a token of ") and emulator.tenant()["id"] in after.stdout
    print(f"{'ok' if told else 'FAIL'} {arguments.variant}: the example says what to do without a grant")
    print(f"{'ok' if got else 'FAIL'} {arguments.variant}: the example gets a token")
    if not (told and got):
        print(before, after)
    return code | (not (told and got))


if __name__ == "__main__":
    sys.exit(main())
