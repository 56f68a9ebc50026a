"""`manage.py audit`: known vulnerabilities in what we depend on."""

import json
import subprocess
import sys

from rally.launcher.places import PROJECT
from rally.launcher.terminal import say, shout


def run(_argv: list[str]) -> int:
    """1 if a pinned package is known to be vulnerable.

    0 if none is, and also where the database of vulnerabilities cannot be reached: then nothing is known, and that
    is said so that nobody takes it for a clean bill.
    """
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "--format",
        "json",
        "--progress-spinner",
        "off",
        "--disable-pip",
    ]
    asked = subprocess.run(
        [*command, "--require-hashes", "-r", str(PROJECT / "requirements-dev.txt")],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    try:
        packages = json.loads(asked.stdout)["dependencies"]
    except (ValueError, KeyError):
        shout(f"DEPENDENCIES NOT AUDITED: the database could not be asked.\n{asked.stderr.strip()[-400:]}")
        return 0
    known = [(package, flaw) for package in packages for flaw in package.get("vulns", ())]
    for package, flaw in known:
        fixed = ", ".join(flaw["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {flaw['id']}, fixed in {fixed}")
    if not known:
        say(f"No known vulnerability in {len(packages)} packages.")
    return 1 if known else 0
