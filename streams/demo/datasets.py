"""The data sets that ship, as records in event time; data/README.md says where they come from."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from schemas.catalog import METRICS, RESULTS
from schemas.ids import event_uuid
from schemas.records import ExperimentResult, ModelMetric
from streams.files.tabular import Row, rows_of
from streams.runtime.errors import MendstreamError

DATA = Path(__file__).parents[2] / "data"
EMPLOYMENT, CAR_LOAN, SHOP = "employment", "car-loan", ("shop-men", "shop-women", "shop-all")
CONTROL = "random"  # the shop's policy that shows items by chance
SUBJECTS = (EMPLOYMENT, CAR_LOAN, *SHOP)

# RELP of the Census Bureau's public use microdata, 2010 to 2018: relation to the reference person
# of the household.
_GROUP_QUARTERS = "group quarters"
RELATIONS = {
    "0": "reference person",
    "1": "spouse",
    "2": "biological child",
    "3": "adopted child",
    "4": "stepchild",
    "5": "sibling",
    "6": "parent",
    "7": "grandchild",
    "8": "parent-in-law",
    "9": "child-in-law",
    "10": "other relative",
    "11": "roomer or boarder",
    "12": "housemate or roommate",
    "13": "unmarried partner",
    "14": "foster child",
    "15": "other nonrelative",
    "16": _GROUP_QUARTERS,  # institutional
    "17": _GROUP_QUARTERS,  # other, such as student halls
}


@dataclass(frozen=True, slots=True)
class DemoEvent:
    """A record and where it goes."""

    topic: str
    record: ExperimentResult | ModelMetric


def events() -> list[DemoEvent]:
    """All records; each subject's in event time, all subjects from their first to their last record
    side by side.
    """
    sets = [list(employment()), list(shop()), list(car_loan())]
    placed = [
        ((at + 0.5) / len(each), number, event)
        for number, each in enumerate(sets)
        for at, event in enumerate(each)
    ]
    placed.sort(key=lambda place: place[:2])
    return [event for _, _, event in placed]


def employment() -> Iterator[DemoEvent]:
    """The error of an employment model on 80 000 people, by relation to the household's reference
    person.

    The file has only a year: the rows of each are spread evenly over it, in file order.
    """
    rows = _rows("employment_predictions.csv.xz")
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["year"]] = counts.get(row["year"], 0) + 1
    met = dict.fromkeys(counts, 0)
    for number, row in enumerate(rows, 1):
        year = row["year"]
        start, end = (datetime(int(year) + more, 1, 1, tzinfo=UTC).timestamp() for more in (0, 1))
        occurred_at = start + (end - start) * met[year] / counts[year]
        met[year] += 1
        wrong = row["prediction"] != row["employed"]
        yield _metric(
            EMPLOYMENT,
            number,
            "lightgbm-2018",
            wrong,
            int(occurred_at * 1_000),
            RELATIONS[row["RELP"]],
        )


def car_loan() -> Iterator[DemoEvent]:
    """The error of a car loan model; the first 50 000 records are its reference, by the demo's
    policy.
    """
    for number, row in enumerate(_rows("car_loan_predictions.csv.xz"), 1):
        wrong = float(row["y_pred"]) != float(row["repaid"])
        yield _metric(CAR_LOAN, number, "v1", wrong, _milliseconds(row["timestamp"]), None)


def shop() -> Iterator[DemoEvent]:
    """Clicks on 60 000 recommendations: three campaigns, each under a random policy (control) and a
    learning one.
    """
    rows = _rows("obd_policy_ab.csv.gz")
    timed = sorted(
        (_milliseconds(row["timestamp"]), number, row) for number, row in enumerate(rows, 1)
    )
    for occurred_at, number, row in timed:
        result = ExperimentResult(
            event_id=event_uuid("demo", "shop", number),
            subject=f"shop-{row['campaign']}",
            experiment_id="policy-bts",
            variant=row["policy"],
            metric="conversion",
            sum=float(row["click"]),
            occurred_at=occurred_at,
        )
        yield DemoEvent(RESULTS, result)


def _metric(
    subject: str, number: int, version: str, wrong: bool, occurred_at: int, segment: str | None
) -> DemoEvent:
    metric = ModelMetric(
        event_id=event_uuid("demo", subject, number),
        subject=subject,
        model_version=version,
        metric="error",
        sum=float(wrong),
        segment=segment,
        occurred_at=occurred_at,
    )
    return DemoEvent(METRICS, metric)


def _rows(name: str) -> list[Row]:
    path = DATA / name
    if not path.is_file():
        raise MendstreamError(
            f"The demo's data are not there: {path}.",
            "Run the demo from a clone of the repository.",
        )
    with rows_of(path) as rows:
        return list(rows)


def _milliseconds(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)
