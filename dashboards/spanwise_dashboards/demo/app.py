"""The demo's application as a process of its own, as a user's would be.

Run by ``spanwise demo`` as ``python -m spanwise_dashboards.demo.app``.
"""

import argparse
import os
import sys
from contextlib import ExitStack

MARK = "demo: "


def main() -> int:
    """Runs all sessions against the server named on the command line; returns the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--base-url", default=None)
    parser.add_argument("--model", default=None)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()

    import spanwise

    spanwise.instrument(endpoint=options.endpoint, service_name="helpdesk", environment="demo")

    import openai

    from spanwise_dashboards.demo.assistant import HelpDesk
    from spanwise_dashboards.demo.provider import Provider
    from spanwise_dashboards.demo.texts import handbook
    from spanwise_dashboards.demo.traffic import run_sessions

    with ExitStack() as stack:
        is_real = bool(options.base_url or os.environ.get("OPENAI_API_KEY"))
        base_url = options.base_url if is_real else stack.enter_context(Provider()).url
        client = openai.OpenAI(
            base_url=base_url, api_key=os.environ.get("OPENAI_API_KEY") or "not-needed", max_retries=0
        )
        desk = HelpDesk(client, handbook(), server=options.endpoint)
        try:
            asked = run_sessions(desk, _tell, rounds=options.rounds, only_model=options.model)
        except openai.APIError as error:
            print(f"{MARK}{client.base_url} does not answer as needed: {error}", file=sys.stderr)
            print("  check --base-url, --model and OPENAI_API_KEY", file=sys.stderr)
            return 1
        spanwise.flush()
        _tell(f"asked {asked} questions")
    spanwise.shutdown()
    return 0


def _tell(words: str) -> None:
    print(MARK + words, flush=True)


if __name__ == "__main__":
    sys.exit(main())
