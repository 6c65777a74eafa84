"""Where the exposures of well-known programs hold what an exposure is, by JMESPath.

Names of fields follow the documents that each preset names. None of them knows the subject, which
the map states.
"""

from collections.abc import Mapping
from typing import Any

PRESETS: Mapping[str, Mapping[str, Any]] = {
    # The event "Experiment Viewed" that GrowthBook's tracking callback sends through Segment:
    # https://docs.growthbook.io/event-trackers/segment. The envelope is Segment's.
    "growthbook": {
        "where": "event == 'Experiment Viewed'",
        "fields": {
            "unit_id": "userId || anonymousId",
            "experiment_id": "properties.experimentId",
            "variant": "properties.variationId",
            "occurred_at": "timestamp",
            "event_id": "messageId",
        },
    },
    # The semantic event "Experiment Viewed" of Segment's track calls, in the words of
    # https://docs.customer.io/cdp/sources/semantic-events/a-b-test, which takes the same calls.
    "segment": {
        "where": "event == 'Experiment Viewed'",
        "fields": {
            "unit_id": "userId || anonymousId",
            "experiment_id": "properties.experiment_id",
            "variant": "properties.variation_id",
            "occurred_at": "timestamp",
            "event_id": "messageId",
        },
    },
    # https://posthog.com/docs/experiments/exposures. The response of a flag of two values is a
    # boolean, the variant then "true" or "false".
    "posthog": {
        "where": "event == '$feature_flag_called' && "
        'properties."$feature_flag_response" != `null`',
        "fields": {
            "unit_id": "distinct_id",
            "experiment_id": 'properties."$feature_flag"',
            "variant": 'to_string(properties."$feature_flag_response")',
            "occurred_at": "timestamp",
            "event_id": "uuid",
        },
    },
    # https://docs.statsig.com/api-reference/events/log-custom-exposure-events. One request holds
    # several exposures.
    "statsig": {
        "records": "exposures",
        "fields": {
            "unit_id": "user.userID",
            "experiment_id": "experimentName",
            "variant": "group",
        },
    },
    # A feature event of Data Export, schema version 2, which is told to be of an experiment:
    # https://launchdarkly.com/docs/integrations/data-export/schema-reference. The context is a
    # user; the variation is its number.
    "launchdarkly": {
        "where": "kind == 'feature' && reason.inExperiment && variation != `null`",
        "fields": {
            "unit_id": "contextKeys.user",
            "experiment_id": "key",
            "variant": "to_string(variation)",
            "occurred_at": "creationDate",
        },
    },
    # What OpenTelemetry's conventions for feature flags, which OpenFeature's hooks follow, call
    # the attributes of an evaluation: https://openfeature.dev/specification/appendix-d
    "openfeature": {
        "where": 'attributes."feature_flag.result.variant"',
        "fields": {
            "unit_id": 'attributes."feature_flag.context.id"',
            "experiment_id": 'attributes."feature_flag.key"',
            "variant": 'attributes."feature_flag.result.variant"',
        },
    },
}
