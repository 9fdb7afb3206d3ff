"""What users of nats-py do, with that client as it is: each behaviour prints a line when it is as it should be.

Arguments: the address, and the name of a part. Environment: what the part needs.
"""

import asyncio
import os
import ssl
import sys

import nats
from nats.errors import Error, MaxPayloadError, NoRespondersError

DEADLINE = 60


def ok(name):
    print(f"ok {name}", flush=True)


async def connect(**options):
    # One attempt and no more: the client would go on for ever if it could not even begin.
    usual = {"allow_reconnect": False, "connect_timeout": DEADLINE, "max_reconnect_attempts": 1, "reconnect_time_wait": 0.01}
    options = {**usual, **options}
    return await nats.connect(sys.argv[1], **options)


async def soon(event):
    return await asyncio.wait_for(event, DEADLINE)


async def payloads(subscription, count):
    return [(await subscription.next_msg(DEADLINE)).data for _ in range(count)]


async def settle(client):
    """Waits until the server has done all that this client said, and what it sent before has come. The client's own
    `flush` does not do: it may write its PING before what waits to be sent."""
    inbox = client.new_inbox()
    own = await client.subscribe(inbox)
    await client.publish(inbox, b"settled")
    assert await payloads(own, 1) == [b"settled"]
    await own.unsubscribe()


async def behaviours():
    one, two = await connect(), await connect()

    heard = await two.subscribe("talk")
    await settle(two)
    for number in range(100):
        await one.publish("talk", str(number).encode())
    assert await payloads(heard, 100) == [str(number).encode() for number in range(100)]
    ok("publish and subscribe")

    tokens, tails = await two.subscribe("w.*.c"), await two.subscribe("w.>")
    await settle(two)
    for subject in ["w.a.c", "w.b.c", "w.b.d", "w"]:
        await one.publish(subject, subject.encode())
    assert await payloads(tails, 3) == [b"w.a.c", b"w.b.c", b"w.b.d"]
    assert await payloads(tokens, 2) == [b"w.a.c", b"w.b.c"]
    assert tokens.pending_msgs == 0 and tails.pending_msgs == 0
    ok("wildcards")

    members = [await client.subscribe("work", queue="red") for client in (one, two)]
    await settle(one)
    await settle(two)
    for number in range(200):
        await one.publish("work", str(number).encode())
    await settle(one)
    await settle(two)
    shares = [await payloads(member, member.pending_msgs) for member in members]
    assert all(shares) and sorted(map(int, sum(shares, []))) == list(range(200)), shares
    ok("queue groups")

    async def double(message):
        await message.respond(message.data * 2)

    await two.subscribe("double", cb=double)
    await settle(two)
    for number in range(20):
        answer = await one.request("double", str(number).encode(), timeout=DEADLINE)
        assert answer.data == str(number).encode() * 2
    answer = await one.request("double", b"x", timeout=DEADLINE, old_style=True)
    assert answer.data == b"xx"
    ok("request and reply")

    try:
        await one.request("nobody", b"", timeout=DEADLINE)
        raise AssertionError("somebody answered")
    except NoRespondersError:
        ok("no responders")

    letters = await two.subscribe("letter")
    await settle(two)
    await one.publish("letter", b"dear", headers={"Colour": "red", "Size": "10"})
    message = await letters.next_msg(DEADLINE)
    assert message.headers == {"Colour": "red", "Size": "10"} and message.data == b"dear", message
    await one.publish("letter", b"", headers={"Alone": "yes"})
    message = await letters.next_msg(DEADLINE)
    assert message.headers == {"Alone": "yes"} and message.data == b"", message
    ok("headers")

    count = await two.subscribe("count")
    await count.unsubscribe(limit=3)
    await settle(two)
    for number in range(5):
        await one.publish("count", str(number).encode())
    await settle(one)
    await settle(two)
    assert await payloads(count, 3) == [b"0", b"1", b"2"] and count.pending_msgs == 0
    ok("unsubscribe after")

    most = one.max_payload
    large = await two.subscribe("large")
    await settle(two)
    await one.publish("large", b"x" * most)
    assert len((await large.next_msg(DEADLINE)).data) == most
    try:
        await one.publish("large", b"x" * (most + 1))
        raise AssertionError("it was not too large")
    except MaxPayloadError:
        ok("max payload")

    deaf = await connect(no_echo=True)
    own = await deaf.subscribe("shout")
    await deaf.publish("shout", b"from me")
    # It cannot hear itself; before its second PING everything else has been written.
    await deaf.flush()
    await deaf.flush()
    await one.publish("shout", b"from you")
    assert await payloads(own, 1) == [b"from you"]
    ok("no echo")

    strict = await connect(verbose=True, pedantic=True)
    own = await strict.subscribe("strict")
    await strict.publish("strict", b"yes")
    assert await payloads(own, 1) == [b"yes"]
    await soon(strict.close())
    ok("verbose and pedantic")

    last = []

    async def keep(message):
        last.append(message.data)

    await two.subscribe("last", cb=keep)
    await settle(two)
    for number in range(50):
        await one.publish("last", str(number).encode())
    await settle(one)
    await settle(two)
    await soon(two.drain())
    assert last == [str(number).encode() for number in range(50)] and two.is_closed, last
    ok("drain")

    await soon(one.close())
    await soon(deaf.close())
    ok("close")


async def permissions():
    errors = asyncio.Queue()

    async def tell(error):
        await errors.put(str(error).lower())

    token = os.environ.get("NATS_TOKEN")
    login = {"token": token} if token else {"user": "alice", "password": "wonderland"}
    client = await connect(**login, error_cb=tell)
    await client.subscribe("closed")
    assert 'permissions violation for subscription to "closed"' in await soon(errors.get())
    ok("may not subscribe")
    await client.publish("closed", b"")
    assert 'permissions violation for publish to "closed"' in await soon(errors.get())
    ok("may not publish")
    opened = await client.subscribe("open.*")
    await client.publish("open.door", b"welcome")
    assert await payloads(opened, 1) == [b"welcome"]
    ok("may do the rest")
    await client.close()


async def credentials():
    """Comes in with what the environment says, or is refused."""
    options = {}
    for name in ["user", "password", "token", "nkeys_seed_str"]:
        if value := os.environ.get(f"NATS_{name.upper()}"):
            options[name] = value
    if authority := os.environ.get("NATS_AUTHORITY"):
        options["tls"] = ssl.create_default_context(cafile=authority)
        options["tls_hostname"] = "localhost"
    if os.environ.get("NATS_TLS_FIRST"):
        options["tls_handshake_first"] = True
    try:
        client = await connect(**options)
    except (Error, OSError) as error:
        print("refused:", error, file=sys.stderr)
        ok("refused")
        return
    own = await client.subscribe("own")
    await client.publish("own", b"in")
    assert await payloads(own, 1) == [b"in"]
    await client.close()
    ok("let in")


async def comes_back():
    """Publishes until it hears itself again after its server went away, which the test does when it is told to."""
    back = asyncio.Event()

    async def tell():
        back.set()

    options = {"allow_reconnect": True, "reconnect_time_wait": 0.05, "max_reconnect_attempts": -1}
    client = await connect(reconnected_cb=tell, **options)
    own = await client.subscribe("still.*")
    await settle(client)
    ok("ready")
    await soon(back.wait())
    await client.publish("still.here", b"after")
    assert await payloads(own, 1) == [b"after"]
    await client.close()
    ok("came back")


PARTS = {part.__name__: part for part in [behaviours, permissions, credentials, comes_back]}
asyncio.run(PARTS[sys.argv[2]]())
