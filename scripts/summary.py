"""One page that compares all experiments: every claims table, and one that counts them.

    python scripts/summary.py results --output results

The directory holds what ``ibjax reproduce`` wrote, at any depth. Written:
``claims.html``, which opens without a network and holds the figures too, and
``summary.md``, one row for each experiment, which is printed.
"""

import argparse
from pathlib import Path

from ibjax import claims
from ibjax.report import claims_page
from ibjax.results.files import ResultsError, write_atomically


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, nargs="+", help="directories or files")
    parser.add_argument(
        "--output", type=Path, default=Path("summary"), help="directory to write to"
    )
    args = parser.parse_args(arguments)
    try:
        collection = claims.collect_claims(args.results)
    except ResultsError as error:
        raise SystemExit(f"error: {error}") from error
    table = claims.collection_markdown(collection)
    write_atomically(args.output / "claims.html", claims_page(collection))
    write_atomically(args.output / "summary.md", table)
    print(table)


if __name__ == "__main__":
    main()
