"""What docs/deploy.md and docs/operations.md say of costs, worked out anew from the template's defaults, from what
operations take (the document's own table, which tests/costs counts), and from the prices below. A row that differs is
printed as it should be."""

import re
from pathlib import Path

from cloudformation import of_type, require

ROOT = Path(__file__).resolve().parent.parent
TELEMETRY = ROOT / "shared" / "src" / "telemetry"

# Prices of us-east-1 in dollars, most of them per million.
REQUEST = FRAME = 1.00
FRAME_BEYOND_A_BILLION = 0.80
INVOCATION, LOGS = 0.30, 0.80
LAMBDA_SECOND = 0.25 * 13.33
MINUTE = 0.25
UNIT = 0.0023
STORED_GB_HOUR = 0.084
ALARM, DASHBOARD, METRIC = 0.10, 3.00, 0.30
# Data to the internet: so many GB at so much, the rest at the last price.
DATA_TIERS = [(10_000, 0.09), (40_000, 0.085), (100_000, 0.07)]
DATA_BEYOND = 0.05
DATA = DATA_TIERS[0][1]

MONTH = 30 * 24 * 3600 / 1e6
HOURS = 30 * 24
# What an answer and a pushed frame hold in use, and the largest, in KB; a frame is paid for by 32 KB.
ANSWER, PUSHED, LARGEST = 20, 0.5, 128
PARTS = LARGEST // 32
DEVICES, MOST_DEVICES = 2, 20
WEBSOCKET_MINUTES = 120
PUSH_SECONDS = 2


def check_price(template):
    deploy, operations = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("deploy.md", "operations.md"))
    alarms = len(of_type(template["Resources"], "AWS::CloudWatch::Alarm"))
    require(f"| alarms | {alarms} × $0.10 " in deploy, f"docs/deploy.md: the price is not that of {alarms} alarms")

    limits = {name: template["Parameters"][name]["Default"] for name in ("RateLimit", "ConnectLimit", "CacheGigabytes")}
    limits["units"] = template["Resources"]["Cache"]["Properties"]["CacheUsageLimits"]["ECPUPerSecond"]["Maximum"]
    fixed = alarms * ALARM + DASHBOARD + len(counted_metrics()) * METRIC
    check_table(deploy, "### The worst month", summed(worst_month(limits, fixed)))
    check_table(deploy, "### A month of abuse", summed(month_of_abuse(limits)))
    check_table(deploy, "### A thousand active users", thousand_users(deploy, fixed))

    per_rate, per_connect = (further(limits, fixed, name) for name in ("RateLimit", "ConnectLimit"))
    said = f"Each further request and frame a second of `RateLimit` adds ${per_rate}, each WebSocket of `ConnectLimit` ${per_connect}"
    require(said in one_line(deploy), f"docs/deploy.md does not say: {said}")
    connects = round(limits["ConnectLimit"] * MONTH * (FRAME + INVOCATION + LOGS))
    require(f"**${connects} a month**" in operations, f"docs/operations.md: a flood of connects costs ${connects} a month")
    requests = round(limits["RateLimit"] * MONTH * REQUEST)
    require(f"**${requests} a month**" in operations, f"docs/operations.md: a flood of requests costs ${requests} a month")


def worst_month(limits, fixed):
    """All limits used up, by people who chat."""
    rate, connects, gigabytes, units = limits.values()
    pushes = f"({rate} × {2 * DEVICES} + {rate} × {DEVICES})/s"
    pushed = rate * 3 * DEVICES
    rows = [
        ("HTTP API", f"{rate} requests/s × {{}} × $1.00 per million", rate * REQUEST),
        ("frames in", f"{rate} frames/s × {{}} × $1.00 per million", rate * FRAME),
        ("invocations and their logs", f"{2 * rate}/s × {{}} × $1.10 per million", 2 * rate * (INVOCATION + LOGS)),
        ("pushes to two devices a user", f"{pushes} × {{}} × $1.00 per million", pushed * FRAME),
        (
            "data to clients",
            f"({rate} × {ANSWER} KB + {pushed} × {PUSHED} KB)/s × {{}} × $0.09 per GB",
            (rate * ANSWER + pushed * PUSHED) * DATA,
        ),
        ("opening WebSockets", f"{connects}/s × {{}} × $2.10 per million", connects * (FRAME + INVOCATION + LOGS)),
        (
            "open WebSockets",
            f"{connects}/s × {{}} × {WEBSOCKET_MINUTES} min × $0.25 per million",
            connects * WEBSOCKET_MINUTES * MINUTE,
        ),
        ("cache, units", f"{units:,}/s, its limit, × {{}} × $0.0023 per million", units * UNIT),
    ]
    rows = [(name, how.format("2.6 M s"), rate_of * MONTH) for name, how, rate_of in rows]
    rows.append(("cache, memory", f"{gigabytes} GB, its limit, × $0.084 × {HOURS} h", gigabytes * STORED_GB_HOUR * HOURS))
    return [*rows, ("alarms, dashboard, metrics", "", fixed)]


def month_of_abuse(limits):
    """What the dearest use of the same limits costs, by people with a token."""
    rate, _, _, units = limits.values()
    pushes = rate * 3 * MOST_DEVICES
    millions = pushes * PARTS * MONTH
    read, pushed = units * MONTH, pushes * LARGEST * MONTH
    return [
        (
            "frames in of 128 KB",
            f"{rate} frames/s × {PARTS} × 2.6 M s × $1.00 per million",
            rate * PARTS * MONTH * FRAME,
        ),
        (
            "pushes of 128 KB to 20 devices a user",
            f"({rate} × {2 * MOST_DEVICES} + {rate} × {MOST_DEVICES})/s × {PARTS} × 2.6 M s × $1.00, beyond a billion $0.80 per million",
            1000 * FRAME + (millions - 1000) * FRAME_BEYOND_A_BILLION,
        ),
        (
            "data to clients",
            f"{units:,} KB/s that the cache lets be read, {pushes} × {LARGEST} KB/s of pushes: {(read + pushed) / 1000:.0f} TB × $0.09 to $0.05 per GB",
            data_price(read + pushed),
        ),
        (
            "invocations that wait for slow clients",
            f"{2 * rate}/s × {PUSH_SECONDS} s × 2.6 M s × 0.25 GB × $13.33 per million GB-s",
            2 * rate * PUSH_SECONDS * MONTH * LAMBDA_SECOND,
        ),
    ]


def thousand_users(document, fixed):
    """A month of a thousand people, in each row by what one of them does a day."""
    units_of = units(document)
    opens, sends, marks, lists, typing, calls = (0.03 * a_day for a_day in (6, 30, 10, 20, 30, 0.5))
    frames, minutes = calls * 40 / 2, 0.03 * DEVICES * 120
    kept = sends * 0.8
    taken = (
        sends * units_of["send"]
        + marks * units_of["mark as read"]
        + lists * units_of["list of messages"]
        + typing * units_of["typing"]
        # A frame of a call is no dearer than a typing.
        + frames * units_of["typing"]
        # Opening and closing a WebSocket takes what three tickets do.
        + opens * (units_of["events since"] + units_of["list of conversations"] + 4 * units_of["ticket"])
    )
    pushed = sends * 4 + marks * 4 + typing * 2 + frames
    gigabytes = (lists + opens * 2) * ANSWER + pushed * PUSHED
    rows = [
        ("sends", f"{sends:.2f}", "$1 + 4 × $1 + $1.10", sends * 6.10),
        (
            "opening the app: ticket, events, conversations, `$connect`, `register` and its answer, `$disconnect`",
            f"{opens:.2f}",
            "3 × $1 + 2 × $1 + 6 × $1.10",
            opens * 11.60,
        ),
        ("lists", f"{lists:.2f}", "$1 + $1.10", lists * 2.10),
        ("marks", f"{marks:.2f}", "$1 + 4 × $1 + $1.10", marks * 6.10),
        ("`typing`", f"{typing:.2f}", "$1 + 2 × $1 + $1.10", typing * 4.10),
        ("calls, 15 for each user, 40 frames each of which two users share", f"{frames:.2f}", "$1 + $1 + $1.10", frames * 3.10),
        ("`ping` and `pong`, two devices", f"{minutes:.2f}", "2 × $1", minutes * 2),
        ("minutes of WebSockets, two devices", f"{minutes:.2f}", "$0.25", minutes * MINUTE),
        ("processing units", f"{taken:.0f}", "$0.0023", taken * UNIT),
        ("data to clients, 20 KB an answer with a list, 0.5 KB a push", "", f"{gigabytes:.0f} GB × $0.09", gigabytes * DATA),
        (f"messages of the month kept, {sends:.1f} million", "", f"{kept:.2f} GB × $0.084 × 730 h", kept * STORED_GB_HOUR * 730),
        ("idle, and metrics", "", "$0.90 + $3.00 + $3.00", fixed),
    ]
    together = sum(round(row[-1], 2) for row in rows)
    said = f"Together **${together:.0f} for a thousand users**"
    require(said in document, f"docs/deploy.md does not say: {said}")
    return [(*cells, f"${price:.2f}") for *cells, price in rows]


def further(limits, fixed, name):
    """What one more of a limit adds to the worst month."""
    total = lambda limits: sum(price for *_, price in worst_month(limits, fixed))
    return round(total({**limits, name: limits[name] + 1}) - total(limits))


def summed(rows):
    prices = [round(price) for *_, price in rows]
    rows = [(*cells, f"${round(price):,}") for *cells, price in rows]
    return [*rows, ("**together**", "", f"**${sum(prices):,}**")]


def data_price(gigabytes):
    price = 0
    for size, of_gigabyte in DATA_TIERS:
        step = min(gigabytes, size)
        price, gigabytes = price + step * of_gigabyte, gigabytes - step
    return price + gigabytes * DATA_BEYOND


def units(document):
    """The processing units of each operation."""
    table = document.split("| Operation | units | bytes logged |\n", 1)[1].split("\n\n", 1)[0]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[1:]]
    return {name: float(count) for name, count, _ in rows}


def check_table(document, heading, rows):
    require(f"\n{heading}\n" in document, f"docs/deploy.md has no heading {heading}")
    table = re.search(r"\n\|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", document.split(f"\n{heading}\n", 1)[1])
    expected = ["| " + " | ".join(cells) + " |" for cells in rows]
    found = table[1].replace("|  |", "| |").splitlines()
    expected = [row.replace("|  |", "| |") for row in expected]
    require(found == expected, f"docs/deploy.md: {heading.strip('# ')} costs by the template\n" + "\n".join(expected))


def one_line(text):
    return re.sub(r"\s+", " ", text)


def counted_metrics():
    """The metrics that functions count, each of which is paid for."""
    variants = re.findall(r"^    ([A-Z]\w+),$", (TELEMETRY / "count.rs").read_text(encoding="utf-8"), re.MULTILINE)
    return {*variants, "StoreTime"}
