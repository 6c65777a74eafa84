"""What was measured: as a table for people, as JSON for programs, and as a picture."""

import os
import platform
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from bench.case import Figure
from bench.peers.pace import Pace
from bench.peers.peers import PEERS
from streams.bench.latency import P50_MS, P99_MS, RATES, Latency

TITLES = {peer.name: peer.title for peer in PEERS}
LEAST, FULL, PLAIN = "mendstream_same_job", "mendstream", "plain_consume"
STREAMS = "kafka_streams_memory"
# Ours, over whom, how many times at least. As many workers as Kafka Streams has threads, which is
# taken as it was faster,
# with several or with one; who runs as one process is compared with one worker.
RATIOS: tuple[tuple[str, tuple[str, ...], float], ...] = (
    (LEAST, (STREAMS, f"{STREAMS}_alone"), 3.0),
    (f"{LEAST}_alone", ("quix_streams",), 8.0),
    (f"{LEAST}_alone", ("faust",), 100.0),
    (f"{LEAST}_alone", (PLAIN,), 0.4),
    (FULL, (STREAMS, f"{STREAMS}_alone"), 2.0),
    (f"{FULL}_alone", (PLAIN,), 0.3),
)


@dataclass(slots=True)
class Report:
    """left_out: why, by the peer's name. paces: of each round, by the peer's name."""

    left_out: dict[str, str]
    versions: dict[str, str] = field(default_factory=dict)
    paces: dict[str, list[Pace]] = field(default_factory=lambda: defaultdict(list))
    latencies: list[Latency] = field(default_factory=list)

    def add(self, peer: str, pace: Pace) -> None:
        self.paces[peer].append(pace)

    def rate(self, peer: str) -> float | None:
        """Records a second, the median of the rounds."""
        return median(pace.rate for pace in self.paces[peer]) if self.paces.get(peer) else None

    def ratio(self, ours: str, *theirs: str) -> float | None:
        """The median of the rounds' ratios, to the fastest of them in each round."""
        mine, others = (
            self.paces.get(ours, ()),
            [self.paces[name] for name in theirs if self.paces.get(name)],
        )
        rounds = list(zip(mine, *others, strict=True)) if mine and others else []
        return (
            median(one.rate / max(other.rate for other in rest) for one, *rest in rounds)
            if rounds
            else None
        )

    def bars(self) -> Iterator[Figure]:
        """What was promised of what was measured."""
        for ours, theirs, least in RATIOS:
            ratio = self.ratio(ours, *theirs)
            if ratio is not None:
                yield Figure(
                    f"{ours} / {' or '.join(theirs)}, at least",
                    round(ratio, 3),
                    least,
                    ratio >= least,
                )
        for late in self.latencies:
            if late.peer == FULL and late.rate == max(RATES):
                yield Figure(
                    f"p50 ms at {late.rate:,}/s, at most",
                    round(late.p50, 1),
                    P50_MS,
                    late.p50 <= P50_MS,
                )
                yield Figure(
                    f"p99 ms at {late.rate:,}/s, at most",
                    round(late.p99, 1),
                    P99_MS,
                    late.p99 <= P99_MS,
                )

    def as_json(self) -> dict[str, Any]:
        rates = {name: round(rate) for name in TITLES if (rate := self.rate(name)) is not None}
        ours = [late for late in self.latencies if late.peer == FULL and late.rate == max(RATES)]
        return {
            **rates,
            **(
                {"latency_ms": {"p50": round(ours[0].p50, 1), "p99": round(ours[0].p99, 1)}}
                if ours
                else {}
            ),
            "cpu_us": {
                name: round(median(p.cpu_us for p in paces), 3)
                for name, paces in self.paces.items()
            },
            "latencies": [asdict(late) for late in self.latencies],
            "bars": [asdict(bar) for bar in self.bars()],
            "left_out": self.left_out,
            "versions": self.versions,
            "machine": f"{os.cpu_count()} cores, the broker on them, {platform.system()} "
            f"{platform.machine()}",
        }


def table(report: Report) -> str:
    lines = [
        f"{'records a second, median of the rounds':42} {'rate':>11} {'of plain':>9} {'CPU us':>7}"
    ]
    for name, paces in sorted(
        report.paces.items(), key=lambda pair: -(report.rate(pair[0]) or 0.0)
    ):
        share = report.ratio(name, PLAIN)
        of_plain = f"{share:.1%}" if share is not None else ""
        cost = median(pace.cpu_us for pace in paces)
        lines.append(
            f"{TITLES[name]:42} {report.rate(name) or 0.0:>11,.0f} {of_plain:>9} {cost:>7.2f}"
        )
    lines += [f"{TITLES[name]:42} left out: it {why}" for name, why in report.left_out.items()]
    lines += ["", *(f"{name}: {said}" for name, said in report.versions.items()), ""]
    lines += [str(late) for late in report.latencies]
    lines += [
        f"{one.case:90} {one.value:>9g} {one.bar:>6g}  {'yes' if one.holds else 'NO'}"
        for one in report.bars()
    ]
    return "\n".join(lines)


_WIDTH, _ROW, _LEFT, _BAR = 860, 34, 290, 430  # pixels


def picture(report: Report) -> str:
    """Bars on a linear scale, the fastest first; the figure stands beside each, for the slow are
    hardly to be seen.
    """
    rates = {name: rate for name in TITLES if (rate := report.rate(name)) is not None}
    most = max(rates.values(), default=1.0)
    rows = []
    for at, (name, rate) in enumerate(sorted(rates.items(), key=lambda pair: -pair[1])):
        y, width = 56 + at * _ROW, max(1.0, _BAR * rate / most)
        colour = "#0b7a75" if name.startswith(FULL) else "#9aa5b1"
        rows.append(
            f'<text x="{_LEFT - 10}" y="{y + 16}" text-anchor="end">{TITLES[name]}</text>'
            f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="22" fill="{colour}"/>'
            f'<text x="{_LEFT + width + 8:.1f}" y="{y + 16}">{rate:,.0f}</text>'
        )
    height = 70 + len(rates) * _ROW
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        'font-family="sans-serif" '
        f'font-size="14"><rect width="100%" height="100%" fill="#ffffff"/>'
        '<text x="20" y="30" font-size="16" font-weight="bold">Records a second, exactly once '
        "unless said otherwise "
        f"({os.cpu_count()} cores, with the broker)</text>" + "".join(rows) + "</svg>\n"
    )
