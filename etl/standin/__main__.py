"""``python -m etl.standin``: run the stand-in; prints ``{"url": ...}`` once it listens."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from etl.standin.app import App
from etl.standin.faults import Settings
from etl.standin.ledger import Ledger


def main() -> None:
    """Parse the command line and serve."""
    options = _parser().parse_args()
    try:
        from etl.standin import server
    except ModuleNotFoundError as error:
        sys.exit(f"The Metronome stand-in needs {error.name}: pip install 'segment-metronome-etl[standin]'")
    token = options.token or os.environ.get("METRONOME_BEARER_TOKEN")
    if not token:
        sys.exit("The Metronome stand-in needs a token: give --token or set METRONOME_BEARER_TOKEN")
    app = App(token, _settings(options), Ledger(options.record))
    if options.stop_with_stdin:
        server.stop_with_stdin()
    if options.max_lifetime:
        server.stop_after(options.max_lifetime)
    listener = server.listening(options.port)
    print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}"}), flush=True)  # noqa: T201 - its output
    server.serve(app, listener)


def _settings(options: argparse.Namespace) -> Settings:
    values = json.loads(options.settings)
    if options.faults:
        values["faults"] = json.loads(options.faults)
    try:
        return Settings().changed(values)
    except (TypeError, ValueError) as error:
        sys.exit(f"The Metronome stand-in's settings: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m etl.standin", description=__doc__)
    parser.add_argument("--port", type=int, default=8765, help="0 picks a free one")
    parser.add_argument("--token", help="the accepted bearer token; default: $METRONOME_BEARER_TOKEN")
    parser.add_argument("--record", type=Path, metavar="FILE", help="keep accepted events here")
    parser.add_argument("--faults", metavar="JSON", help="a list of faults (etl/standin/faults.py)")
    parser.add_argument("--settings", metavar="JSON", default="{}", help="see etl/standin/settings.py")
    parser.add_argument("--max-lifetime", type=float, metavar="SECONDS", help="stop after this time")
    parser.add_argument("--stop-with-stdin", action="store_true", help="stop when standard input ends")
    return parser


if __name__ == "__main__":
    main()
