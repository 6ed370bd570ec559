"""One line, one call, one trace. Needs ``spanwise serve`` on this machine and ``OPENAI_API_KEY``.

Run: python examples/quickstart.py "What is a span?"
"""

import sys

import spanwise

spanwise.instrument(service_name="quickstart")

from openai import OpenAI  # noqa: E402 - before or after instrument(): both work


def main() -> None:
    question = sys.argv[1] if len(sys.argv) > 1 else "What is a span?"
    answer = OpenAI().chat.completions.create(
        model="gpt-4.1-mini", messages=[{"role": "user", "content": question}]
    )
    print(answer.choices[0].message.content)


if __name__ == "__main__":
    main()
