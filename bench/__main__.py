"""`python -m bench [on_sale pages settling search settling_many]`: measure, print a table on standard error and JSON on standard output."""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

from bench import ground

CLAIMS = ("on_sale", "pages", "settling", "search", "settling_many")
NEEDS_WEB = {"on_sale", "pages"}
MEMORY_LIMIT_MB = 200


def main(names: list[str]) -> int:
    """Run the named claims, or all. 1 when one does not hold."""
    chosen = names or list(CLAIMS)
    lease = ground.prepare()
    results: dict[str, Any] = {}
    try:
        if NEEDS_WEB & set(chosen):
            with ground.web() as process:
                for name in (one for one in chosen if one in NEEDS_WEB):
                    results[name] = _measure(name)
                results["memory"] = _memory(ground.memory_mb(process))
        for name in (one for one in chosen if one not in NEEDS_WEB):
            results[name] = _measure(name)
    finally:
        from django.db import connections

        connections.close_all()
        for connection in connections.all(initialized_only=True):
            connection.close_pool()  # type: ignore[attr-defined]
        lease.stop()
    print(json.dumps(results, indent=2))
    for name, result in results.items():
        mark = "holds" if result["holds"] else "DOES NOT HOLD"
        print(f"{name:<10} {result.get('ratio', ''):>8}  wanted {result['wanted']}: {mark}", file=sys.stderr)
    return 0 if all(result["holds"] for result in results.values()) else 1


def _measure(name: str) -> dict[str, Any]:
    print(f"measuring {name} …", file=sys.stderr, flush=True)
    result: dict[str, Any] = importlib.import_module(f"bench.{name}").measure()
    return result


def _memory(processes: list[float]) -> dict[str, Any]:
    return {
        "claim": "(e) a web process takes at most 200 MB after load",
        "processes_mb": [round(one, 1) for one in processes],
        "ratio": round(processes[0] / MEMORY_LIMIT_MB, 2),
        "wanted": f"<= {MEMORY_LIMIT_MB} MB each",
        "holds": processes[0] <= MEMORY_LIMIT_MB,
    }


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
