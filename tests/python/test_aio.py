"""partnersam.aio: the same operations, awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
from azure.core.credentials import AccessToken, AccessTokenInfo
from azure.core.credentials_async import AsyncSupportsTokenInfo, AsyncTokenCredential
from azure.core.pipeline import AsyncPipeline
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy
from azure.core.rest import HttpRequest
from python.partner import GRAPH, REDIRECT, answer, environment, open_app, redemptions

from harness import canary
from harness.emulator import Emulator
from partnersam import CallerError, IdentityError, Token, TransportError
from partnersam.aio import PartnerApp

T = TypeVar("T")


def played(emulator: Emulator, home: Path, play: Callable[[PartnerApp], Awaitable[T]]) -> T:
    """Plays a scene with an app whose partner has consented, all of it in one event loop."""

    async def scene() -> T:
        async with PartnerApp(open_app(emulator, home)) as app:
            link = await app.begin_consent("fabrikam.com", redirect_uri=REDIRECT)
            reply = await asyncio.to_thread(emulator.sign_in, link.url)
            consented = await app.complete_consent(reply.fields)
            assert consented.mfa == "yes"
            return await play(app)

    return asyncio.run(scene(), debug=True)


def test_the_whole_story(emulator: Emulator, home: Path) -> None:
    async def play(app: PartnerApp) -> None:
        assert "aio.PartnerApp(" in repr(app)
        assert (app.authority, app.client_id) == ("emulator", emulator.app()["client_id"])
        assert app.store.startswith("sqlite:")
        token = await app.token("fabrikam.com", "graph", customer="contoso.com")
        assert token.tenant == emulator.customer()["id"]
        assert await app.token("fabrikam.com", "graph", customer="contoso.com") is token
        new = await app.token("fabrikam.com", "graph", customer="contoso.com", fresh=True)
        assert new.token != token.token
        assert await app.token("fabrikam.com", "graph", customer="contoso.com") is new
        (grant,) = await app.grants()
        assert (await app.grant("fabrikam.com")).partner == grant.partner
        assert await app.renew("fabrikam.com") >= grant.last_redeemed_on
        told: list[int] = []
        (renewed,) = await app.renew_due(within_days=365, progress=lambda done, found, one: told.append(found))
        assert (renewed.error, told) == (None, [1])
        assert await app.renew_due() == []
        assert await app.revoke("fabrikam.com") is True
        with pytest.raises(IdentityError) as raised:
            await app.token("fabrikam.com")
        assert raised.value.id == "ConsentRequired"
        with pytest.raises(CallerError, match="not a tenant"):
            await app.token("common")

    played(emulator, home, play)


def test_device_code_and_import(emulator: Emulator, home: Path) -> None:
    async def play(app: PartnerApp) -> None:
        device = await app.begin_device_consent("fabrikam.com", ["graph"])
        canary.know("the emulator", device.user_code)
        consented, _ = await asyncio.gather(
            app.complete_device_consent(device),
            asyncio.to_thread(emulator.enter_code, device.verification_uri, device.user_code),
        )
        assert consented.taints == ["device_code"]
        with pytest.raises(IdentityError):
            await app.import_grant("fabrikam.com", "0.emu-not-a-token-of-this-service")

    played(emulator, home, play)


def test_the_credential_is_what_azures_asynchronous_clients_ask_for(emulator: Emulator, home: Path) -> None:
    async def play(app: PartnerApp) -> None:
        credential = app.credential("fabrikam.com", customer="contoso.com")
        assert isinstance(credential, AsyncTokenCredential)
        assert isinstance(credential, AsyncSupportsTokenInfo)
        token = await credential.get_token(GRAPH)
        assert isinstance(token, AccessToken)
        assert await credential.get_token(GRAPH) is token
        info = await credential.get_token_info(GRAPH)
        assert isinstance(info, AccessTokenInfo)
        assert info.token == token.token
        assert (await credential.get_token(GRAPH, claims='{"access_token":{}}')).token != token.token
        with pytest.raises(CallerError, match="another tenant"):
            await credential.get_token(GRAPH, tenant_id="tailspin.example")
        with pytest.raises(CallerError):
            await credential.get_token()
        async with credential as same:
            assert same is credential
        await credential.close()
        assert "contoso.com" in repr(credential)

    played(emulator, home, play)


def test_an_azure_pipeline_signs_with_it(emulator: Emulator, home: Path) -> None:
    async def play(app: PartnerApp) -> None:
        seen: list[str] = []

        class Stop(Exception):
            """Nothing needs to be sent to see that it was signed."""

        class Transport:
            async def send(self, request: HttpRequest, **_: object) -> None:
                seen.append(request.headers["Authorization"])
                raise Stop

            async def __aenter__(self) -> Transport:
                return self

            async def __aexit__(self, *_: object) -> None:
                pass

        policy = AsyncBearerTokenCredentialPolicy(app.credential("fabrikam.com"), GRAPH)
        with pytest.raises(Stop):
            async with AsyncPipeline(Transport(), [policy]) as pipeline:  # type: ignore[arg-type]
                await pipeline.run(HttpRequest("GET", "https://graph.microsoft.com/v1.0/me"))
        assert seen == [f"Bearer {(await app.token('fabrikam.com')).token}"]

    played(emulator, home, play)


def test_httpx_signs_with_it(emulator: Emulator, home: Path) -> None:
    async def play(app: PartnerApp) -> None:
        auth = app.credential("fabrikam.com").auth("graph")
        assert "graph" in repr(auth)
        async with httpx.AsyncClient(verify=emulator.tls(), trust_env=False, auth=auth) as client:
            reply = await client.get(f"{emulator.ready['graph']}/v1.0/me")
            assert reply.json()["userPrincipalName"] == "admin@fabrikam.com"
            with pytest.raises(TransportError) as refused:
                await client.get(f"{emulator.ready['authority']}/")
            assert refused.value.id == "HostNotAllowed"
        with (
            httpx.Client(verify=emulator.tls(), trust_env=False) as client,
            pytest.raises(TypeError, match="AsyncClient"),
        ):
            client.get(f"{emulator.ready['graph']}/v1.0/me", auth=auth)

    played(emulator, home, play)


def test_the_loop_runs_on_while_calls_wait_and_many_share_one(emulator: Emulator, home: Path) -> None:
    async def play(app: PartnerApp) -> None:
        emulator.control(delay_ms=1000, path="token")
        before = redemptions(emulator)
        asked = [asyncio.create_task(app.token("fabrikam.com", "arm", "contoso.com")) for _ in range(64)]
        steps = 0
        while not all(task.done() for task in asked):
            steps += 1
            await asyncio.sleep(0.001)
        assert steps > 10
        assert len({(await task).token for task in asked}) == 1
        assert redemptions(emulator) == before + 1

    played(emulator, home, play)


def test_a_cancelled_task_loses_nothing_that_was_redeemed(emulator: Emulator, home: Path) -> None:
    async def play(app: PartnerApp) -> None:
        generation = (await app.grant("fabrikam.com")).generation
        emulator.control(strict_refresh=True, delay_ms=1000, path="token")
        for call in (app.renew("fabrikam.com"), app.token("fabrikam.com", "arm", "contoso.com")):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(call, 0.3)
            for _ in range(400):
                await asyncio.sleep(0.05)
                now = (await app.grant("fabrikam.com")).generation
                if now > generation:
                    break
            assert now > generation
            generation = now
        emulator.control(delay_ms=0, path="token")
        assert isinstance(await app.token("fabrikam.com", "arm", "contoso.com"), Token)
        assert await app.renew("fabrikam.com")
        assert all(each["status"] == 200 for each in emulator.requests())

    played(emulator, home, play)


LOOP_IS_GONE = """
import asyncio, json, time
from partnersam import aio

async def impatient(app):
    task = asyncio.ensure_future(app.token("fabrikam.com", "arm", "contoso.com"))
    await asyncio.sleep(0.3)

loop = asyncio.new_event_loop()
app = aio.PartnerApp.from_env()
loop.run_until_complete(impatient(app))
loop.close()
time.sleep(1.5)
print(json.dumps("ok"))
"""


def test_a_loop_that_was_closed_meanwhile_is_no_error(emulator: Emulator, home: Path) -> None:
    async def play(app: PartnerApp) -> None:
        pass

    played(emulator, home, play)
    emulator.control(delay_ms=1000, path="token")
    assert answer("loop-is-gone", LOOP_IS_GONE, environment(emulator, home), home) == "ok"


def test_a_closed_app_refuses(emulator: Emulator, home: Path) -> None:
    async def play(app: PartnerApp) -> None:
        await app.close()
        with pytest.raises(CallerError) as raised:
            await app.grants()
        assert raised.value.id == "HandleInvalid"

    played(emulator, home, play)
