"""The table of all routes."""

from gateway.api import (
    command_routes,
    control_routes,
    experiment_routes,
    finding_routes,
    model_routes,
    system_routes,
)
from gateway.api.learning import (
    agent_routes,
    learning_routes,
    recommendation_routes,
    training_routes,
)
from gateway.api.orchestrator import improvement_rate, orchestrator_routes
from gateway.web.route import Route

ROUTES: tuple[Route, ...] = (
    *system_routes.ROUTES,
    *command_routes.ROUTES,
    *experiment_routes.ROUTES,
    *model_routes.ROUTES,
    *finding_routes.ROUTES,
    *agent_routes.ROUTES,
    *learning_routes.ROUTES,
    *recommendation_routes.ROUTES,
    *training_routes.ROUTES,
    *control_routes.ROUTES,
    *orchestrator_routes.ROUTES,
    *improvement_rate.ROUTES,
)
