"""What docs/deploy.md says of costs, compared with the template: alarms, and the worst month at the default limits."""

import re
from pathlib import Path

from cloudformation import of_type, require, require_same

ROOT = Path(__file__).resolve().parent.parent
TELEMETRY = ROOT / "shared" / "src" / "telemetry"


def check_price(template):
    document = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    alarms = len(of_type(template["Resources"], "AWS::CloudWatch::Alarm"))
    require(f"| alarms | {alarms} × $0.10 " in document, f"docs/deploy.md: the price is not that of {alarms} alarms")

    # The worst month, by the template's own limits.
    default = lambda name: template["Parameters"][name]["Default"]
    units = template["Resources"]["Cache"]["Properties"]["CacheUsageLimits"]["ECPUPerSecond"]["Maximum"]
    rate, million_seconds, hours = default("RateLimit"), 30 * 24 * 3600 / 1e6, 30 * 24
    rows = {
        "HTTP API": rate * million_seconds * 1.00,
        "frames in": rate * million_seconds * 1.00,
        "invocations and their logs": 2 * rate * million_seconds * (0.30 + 0.80),
        "pushes to two devices a user": (rate * 4 + rate * 2) * million_seconds * 1.00,
        "cache, units": units * million_seconds * 0.0023,
        "cache, memory": default("CacheGigabytes") * 0.084 * hours,
        "open WebSockets": 1000 * hours * 60 / 1e6 * 0.25,
        "alarms, dashboard, metrics": alarms * 0.10 + 3.00 + len(counted_metrics()) * 0.30,
    }
    rows = {name: round(price) for name, price in rows.items()}
    rows["**together**"] = sum(rows.values())
    table = document.split("### The worst month", 1)[1].split("\n\n", 3)[2]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]
    found = {name: price.strip("*$") for name, _, price in cells}
    require_same(found, {name: str(price) for name, price in rows.items()}, "docs/deploy.md: the worst month")


def counted_metrics():
    """The metrics that functions count, each of which is paid for."""
    variants = re.findall(r"^    ([A-Z]\w+),$", (TELEMETRY / "count.rs").read_text(encoding="utf-8"), re.MULTILINE)
    return {*variants, "StoreTime"}
