"""Many async streams at once: each is a span of its own, with its time to the first token.

Run: python examples/async_streams.py
"""

import asyncio

from openai import AsyncOpenAI

import spanwise

spanwise.instrument(service_name="streams")


@spanwise.step
async def ask(client: AsyncOpenAI, number: int) -> str:
    stream = await client.chat.completions.create(
        model="gpt-4.1-mini",
        messages=[{"role": "user", "content": f"Count to {number}."}],
        stream=True,
        stream_options={"include_usage": True},
    )
    pieces = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
    return "".join(pieces)


@spanwise.workflow
async def main() -> None:
    async with AsyncOpenAI() as client:
        answers = await asyncio.gather(*(ask(client, number) for number in range(1, 6)))
    print(f"{len(answers)} answers")


if __name__ == "__main__":
    asyncio.run(main())
