"""Sends results from a file of visits: python produce.py BOOTSTRAP VISITS.csv"""

import csv
import sys
from datetime import datetime

from mendstream.client import Results

bootstrap, file = sys.argv[1:]
with Results(bootstrap) as results, open(file, encoding="utf-8") as visits:
    for visit in csv.DictReader(visits):
        results.observe(
            "shop",
            "checkout",
            visit["arm"],
            "conversion",
            float(visit["clicked"]),
            occurred_at=datetime.fromisoformat(visit["ts"]),
            event_id=visit["ts"] + visit["arm"],
        )
