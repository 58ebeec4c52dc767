"""Writes docs/reference/metrics.md: every figure at /metrics, from the registry that serves it.

python docs/generate_metrics.py            write the page
python docs/generate_metrics.py --check    exit 1 when the page is out of date
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "metrics.md"

_INTRODUCTION = """# Metrics

`GET /metrics` gives these in the text format of Prometheus, to this machine, to the networks of
`metrics.allow`, and to whoever has `metrics.token`. Labels hold names out of the configuration and words of
closed sets, nothing that a stranger chose.

| figure | kind | labels | what |
|---|---|---|---|
"""

_ALERTS = """
## What to be woken by

Forebay [alerts by itself](../how-to/alerts.md). Beside that, worth a rule of your own:

| rule | means |
|---|---|
| `up{job="forebay"} == 0` | the daemon is not there; nobody else can tell you |
| `forebay_backlog_age_seconds > 900` | something has waited longer than a quarter of an hour |
| `forebay_to_mend > 0` | something waits for a person |
| `forebay_channel_health{state="failing"} == 1` | a far side is down, or wants other credentials |
| `forebay_on_hold == 1` | a restored store sends nothing until it is released |
| `forebay_config_reload_success == 0` | the file on the disk is not the one at work |
"""


def page() -> str:
    """The whole page."""
    from prometheus_client.metrics import MetricWrapperBase

    from gateway.metrics import Metrics

    metrics = Metrics()
    # The library has no public word for the labels of a metric that nothing was counted in yet.
    labels = {
        one._name: one._labelnames for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)
    }
    rows = []
    for family in metrics.registry.collect():
        ending = {"counter": "_total", "info": "_info"}.get(family.type, "")
        named = ", ".join(f"`{label}`" for label in labels.get(family.name, ()))
        if family.type == "info":
            named = ", ".join(f"`{label}`" for sample in family.samples for label in sample.labels)
        rows.append(f"| `{family.name}{ending}` | {family.type} | {named} | {family.documentation} |\n")
    return _INTRODUCTION + "".join(sorted(rows)) + _ALERTS


def main() -> int:
    sys.path.insert(0, str(ROOT))
    text = page()
    if "--check" in sys.argv[1:]:
        return int(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
