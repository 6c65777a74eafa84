"""Tells Faust who we are at Kafka, from the same settings as everything else."""

import ssl

from faust import SASLCredentials, SSLCredentials
from faust.auth import Credentials

from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings


def credentials(settings: Settings) -> Credentials | None:
    """None for PLAINTEXT. Raises MendstreamError for certificates that cannot be read."""
    tls = _context(settings) if "SSL" in settings.security_protocol.split("_") else None
    if settings.security_protocol.startswith("SASL"):
        return SASLCredentials(
            username=settings.sasl_username,
            password=settings.sasl_password.get_secret_value(),
            mechanism=settings.sasl_mechanism,
            ssl_context=tls,
        )
    return SSLCredentials(tls) if tls is not None else None


def _context(settings: Settings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ssl_ca_location or None)
        if settings.ssl_certificate_location:
            password = settings.ssl_key_password.get_secret_value() or None
            context.load_cert_chain(
                settings.ssl_certificate_location, settings.ssl_key_location or None, password
            )
    except (OSError, ssl.SSLError) as error:
        raise MendstreamError(
            f"The certificates of the settings cannot be used: {error}.",
            "See `mendstream config` for their places.",
        ) from error
    return context
