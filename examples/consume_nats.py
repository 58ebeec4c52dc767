"""Reads records and their updates from NATS JetStream: python examples/consume_nats.py [nats://127.0.0.1:4222]"""

import asyncio
import json
import sys

import nats


async def main(server, handle=print):
    """Handle every event, in order within a conversation, from where this consumer stopped the last time."""
    async with await nats.connect(server) as client:
        events = await client.jetstream().pull_subscribe("forebay.>", durable="example", stream="FOREBAY")
        while True:
            (message,) = await events.fetch(1, timeout=None)
            event = json.loads(message.data)
            handle(event["id"], event["type"], event["subject"])  # keep the ids: a replay brings them again
            await message.ack_sync()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "nats://127.0.0.1:4222"))
